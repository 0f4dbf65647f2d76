"""Generate against revoke: nobody gets at a person once their revocation is acknowledged.

    python -m tests.faults.races --minutes 5
    python -m tests.faults.races --minutes 5 --database postgresql

Two processes that have had the vault open all along ask for the person without a pause: a lease and what is in it,
whether a lease they hold may still be used, a scene to be written down. A third revokes them at a random moment; in
every tenth round it then puts back a copy of the vault from before. What was asked after the revocation had returned
must not be given. PostgreSQL is started by the command.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from cameo.errors import CameoError
from cameo.vault import Lease, Vault
from enroll.consent import ConsentRecord
from tests.cameo.vault.conftest import noise
from tests.memory import memory_folder
from tests.postgres import chosen

__all__ = ["Counts", "run"]

_ASKERS = 2
_BEFORE, _AFTER = 0.04, 0.08
_RESTORED_EVERY = 10

Asked = tuple[str, int, bool]
"""What was asked, when (nanoseconds of the machine's clock), whether it was given."""


@dataclass
class Counts:
    """Asked before a revocation was acknowledged and given; asked after it; of those, given."""

    rounds: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    wins: list[str] = field(default_factory=list)


def run(folder: Path, *, minutes: float = 0, rounds: int = 0, seed: int = 0) -> Counts:
    """Until both the minutes and the rounds are over."""
    home, counts, rng = folder / "home", Counts(), random.Random(seed)
    vault = Vault(home)
    context = get_context("fork")
    pipes = [context.Pipe() for _ in range(_ASKERS)]
    askers = [context.Process(target=_ask, args=(home, there), daemon=True) for _, there in pipes]
    for asker in askers:
        asker.start()
    end = time.monotonic() + 60 * minutes
    while counts.rounds < rounds or time.monotonic() < end:
        handle, copy = f"p{counts.rounds}", folder / f"copy{counts.rounds}"
        record = ConsentRecord.new(name="Ada", handle=handle).attest(by="x", key=vault.operator)
        vault.put(noise(rng.randrange(2**31), record), record)
        restored = counts.rounds % _RESTORED_EVERY == 0
        if restored:
            vault.backup(copy)
        for here, _ in pipes:
            here.send(handle)
        time.sleep(rng.uniform(0, _BEFORE))
        vault.revoke(handle)
        acknowledged = time.monotonic_ns()
        if restored:
            vault = Vault.restore(copy, home)
        time.sleep(_AFTER)
        for here, _ in pipes:
            here.send(None)
        for asked in [asked for here, _ in pipes for asked in here.recv()]:
            _count(counts, asked, acknowledged, f"round {counts.rounds}{', copy put back' if restored else ''}")
        counts.rounds += 1
    for here, _ in pipes:
        here.send("")
    for asker in askers:
        asker.join()
    return counts


def _count(counts: Counts, asked: Asked, acknowledged: int, where: str) -> None:
    what, at, given = asked
    if at <= acknowledged:
        counts.before[what] += given
        return
    counts.after[what] += 1
    if given:
        counts.wins.append(f"{where}: {what}, {(at - acknowledged) / 1e6:.2f} ms after")


def _ask(home: Path, pipe: Connection) -> None:
    vault = Vault(home)
    while handle := pipe.recv():
        told: list[Asked] = []
        held: Lease | None = None
        identity_id = vault.show(handle).identity_id
        while not pipe.poll():
            acts: dict[str, Callable[[], object]] = {
                "lease": partial(vault.lease, handle),
                "scene": partial(_write_down, vault, identity_id),
            }
            if held is not None:
                acts["step"] = partial(vault.require_still, held)
            for what, act in acts.items():
                at = time.monotonic_ns()
                try:
                    got = act()
                    if isinstance(got, Lease):
                        held = held or got
                        _ = got.identity.embeddings
                    told.append((what, at, True))
                except CameoError:
                    told.append((what, at, False))
        pipe.recv()
        pipe.send(told)


def _write_down(vault: Vault, identity_id: str) -> None:
    sha256 = os.urandom(32).hex()
    vault.record_scene(sha256=sha256, path="x.mp4", identities=[identity_id], user="owner", prompt="x", model="nano")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    words = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder, chosen(words.database):
        counts = run(Path(folder), minutes=words.minutes, seed=words.seed)
    print(f"{counts.rounds} revocations; given before: {dict(counts.before)}; asked after: {dict(counts.after)}")
    print(f"{sum(counts.after.values())} asked after, {len(counts.wins)} given")
    print("\n".join(counts.wins[:20]))
    sys.exit(bool(counts.wins))


if __name__ == "__main__":
    main()
