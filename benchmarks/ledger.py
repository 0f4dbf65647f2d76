"""What a line costs in a long ledger, beside one in a new ledger.

    python -m benchmarks.ledger [--sizes 1 10000 100000] [--runs 200]

A line is added inside an act's transaction: its hashes, the checkpoint, the signature, the rows. An act is the whole of
``Vault.allow``. Counted is this process's time on the processor, so that others on the machine do not show in the
ratios; the vault lies in memory where there is such a folder, so that the disk does not either.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np

from cameo.vault import Vault
from enroll.consent import ConsentRecord
from enroll.identity import Identity, Speech

_IDS: dict[str, str | None] = {"identity_id": str(uuid4()), "consent_id": str(uuid4())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10_000, 100_000], help="lines, increasing")
    parser.add_argument("--runs", type=int, default=200, help="lines that are timed at each size")
    options = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    memory = Path("/dev/shm")  # noqa: S108
    print("| lines | a line, ms | ratio | an act, ms | ratio | proof of a line, ms | of growth, ms | verify, s |")
    print("|------:|-----------:|------:|-----------:|------:|--------------------:|--------------:|----------:|")
    first: tuple[float, float] | None = None
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="cameo-bench-") as folder:
        vault = Vault(Path(folder) / "home")
        _put(vault)
        for size in options.sizes:
            _fill(vault, size)
            line = _line(vault, options.runs)
            act = _median(lambda: vault.allow("ada", "carol"), options.runs // 4)
            first = first or (line, act)
            proof = _median(lambda: vault.prove(seq=1), 9)
            growth = _median(lambda size=size: vault.prove_growth(size // 2 + 1), 9)
            whole = _median(vault.verify_log, 1)
            print(
                f"| {size:5} | {line * 1e3:10.2f} | {line / first[0]:5.2f} | {act * 1e3:10.2f} | {act / first[1]:5.2f} "
                f"| {proof * 1e3:19.1f} | {growth * 1e3:13.1f} | {whole:9.2f} |",
                flush=True,
            )


def _put(vault: Vault) -> None:
    consent = ConsentRecord.new(name="Ada", handle="ada").attest(by="benchmark", key=vault.operator)
    speech = Speech(np.full(2000, 0.5, np.float32))
    vault.put(Identity(str(uuid4()), consent.consent_id, "ada", {}, (), speech), consent)


def _fill(vault: Vault, size: int) -> None:
    with vault._database.transaction() as session:
        missing = size - vault._ledger.signed(session).size
        for n in range(missing):
            vault._ledger.append(session, "unbar", _IDS, at=1_800_000_000, owner=None)
            if n % 1000 == 0:
                session.expunge_all()


def _line(vault: Vault, runs: int) -> float:
    """In transactions that hold many lines; what a commit costs is not in it."""
    seconds = []
    with vault._database.transaction() as session:
        for _ in range(runs):
            began = time.process_time()
            vault._ledger.append(session, "unbar", _IDS, at=1_800_000_000, owner=None)
            seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def _median(act: Callable[[], object], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        began = time.process_time()
        act()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
