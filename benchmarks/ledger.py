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
from sqlalchemy import insert

from cameo.log.merkle import leaf_hash
from cameo.vault import Vault
from cameo.vault.line import Line, Opening
from cameo.vault.schema import LedgerRow, Meta
from enroll.consent import ConsentRecord
from enroll.identity import Identity, Speech
from tests.memory import memory_folder

_IDS: dict[str, str | None] = {"identity_id": str(uuid4()), "consent_id": str(uuid4())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10_000, 100_000], help="lines, increasing")
    parser.add_argument("--runs", type=int, default=200, help="lines that are timed at each size")
    options = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    print("| lines | a line, ms | ratio | an act, ms | ratio | proof of a line, ms | of growth, ms | verify, s |")
    print("|------:|-----------:|------:|-----------:|------:|--------------------:|--------------:|----------:|")
    with tempfile.TemporaryDirectory(dir=memory_folder(), prefix="cameo-bench-") as folder:
        for size in options.sizes:
            new, long = (Vault(Path(folder) / f"{name}-{size}") for name in ("new", "long"))
            _put(new)
            _put(long)
            _fill(long, size)
            # One in the new ledger, one in the long one, in turns: whatever else the machine does meets both alike.
            lines = [(_line(new), _line(long)) for _ in range(options.runs)]
            acts = [(_time(_allow(new)), _time(_allow(long))) for _ in range(options.runs)]
            (line, line_ratio), (act, act_ratio) = _compared(lines), _compared(acts)
            proof = statistics.median(_time(lambda: long.prove(seq=1)) for _ in range(9))  # noqa: B023
            growth = statistics.median(_time(lambda: long.prove_growth(size // 2 + 1)) for _ in range(9))  # noqa: B023
            print(
                f"| {size:5} | {line * 1e3:10.2f} | {line_ratio:5.2f} | {act * 1e3:10.2f} | {act_ratio:5.2f} "
                f"| {proof * 1e3:19.1f} | {growth * 1e3:13.1f} | {_time(long.verify_log):9.2f} |",
                flush=True,
            )


def _put(vault: Vault) -> None:
    consent = ConsentRecord.new(name="Ada", handle="ada").attest(by="benchmark", key=vault.operator)
    speech = Speech(np.full(2000, 0.5, np.float32))
    vault.put(Identity(str(uuid4()), consent.consent_id, "ada", {}, (), speech), consent)


def _fill(vault: Vault, size: int) -> None:
    """As ``Ledger.append`` would, but signed once."""
    ledger = vault._ledger
    with vault._database.transaction() as session:
        before = ledger.signed(session).size
        tree = ledger._signed_tree(session, before)
        rows = []
        for seq in range(before + 1, size + 1):
            opening = Opening.new(_IDS)
            line = Line(seq, 1_800_000_000, "unbar", opening.commitment())
            nodes = b"".join(tree.append(leaf_hash(line.to_bytes())))
            rows.append(vars(line) | {"nodes": nodes, "identity_id": None, "opening": opening.to_bytes()})
        if rows:
            session.execute(insert(LedgerRow), rows)
        session.get_one(Meta, 1).head = ledger.checkpoint(tree.size, tree.root())


def _line(vault: Vault) -> float:
    """Seconds for a line in a transaction; what to open and to commit it costs is not in it."""
    with vault._database.transaction() as session:
        return _time(lambda: vault._ledger.append(session, "unbar", _IDS, at=1_800_000_000, owner=None))


def _allow(vault: Vault) -> Callable[[], object]:
    return lambda: vault.allow("ada", "carol")


def _time(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def _compared(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Seconds in the long ledger, and how many times that of the new one; medians."""
    new, long = (statistics.median(column) for column in zip(*pairs, strict=True))
    return long, long / new


if __name__ == "__main__":
    main()
