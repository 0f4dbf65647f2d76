"""Every call of the file system fails once, or is the last before the power fails: no half-states, nothing in plain, no
act that only seems to have succeeded.

    python -m tests.faults.disk
    python -m tests.faults.disk --act revoke --fault power --limit 20

Each act of the vault is done once in a process of its own, and its calls that change the disk are counted and written
down (``shim``, under SQLite too). Then it is done again on a fresh copy for every such call, which fails, with every
kind of fault; and for every such call the disk is rebuilt as it may be when the power fails right after it (``power``).
Each time the home is then opened without faults and judged (``judging``).
"""

from __future__ import annotations

import argparse
import functools
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from cameo.vault import database
from tests.faults.acts import ACTS
from tests.faults.judging import Judge
from tests.faults.picture import Canaries
from tests.faults.power import Journal
from tests.faults.shim import FAULTS, Shim, build
from tests.faults.stage import Stage, personal
from tests.faults.trying import attempt
from tests.memory import memory_folder

__all__ = ["Trial"]

_PARTS, _PARTS_AT_THE_END = 2, 4


class Trial:
    """One act, ready to be tried again and again. It is done once without a fault to begin with.

    Args:
        base: what it is done on, or a copy of it.
        root: where.
        canaries: what must be in plain nowhere.
    """

    def __init__(self, name: str, base: Stage, root: Path, canaries: Canaries) -> None:
        self._name, self._act, self._root = name, ACTS[name], root
        stage = base.copy(root)
        self._act.before(stage)
        self._ready = stage.copy(root.with_name("ready"))
        self._shim, self._journal = Shim(), Journal(root)
        told = attempt(self._act, stage, self._shim, journal=self._journal)
        if told.error is not None or told.calls == 0:
            raise AssertionError(f"{name} without any fault: {told.error or 'changes nothing'}")
        self._calls = len(self._journal)
        assert told.calls == self._calls, "every call is written down"
        self._judge = Judge(self._act, self._ready, root, canaries)

    def tries(self, fault: str, limit: int | None, rng: random.Random) -> Iterator[list[str]]:
        """What was wrong, each time, with one kind of fault.

        Args:
            limit: at how many of the act's calls, drawn at random; None for every one, and then what failed is also
                done once more.
        """
        return self._power(limit, rng) if fault == "power" else self._faults(fault, limit, rng)

    def _faults(self, fault: str, limit: int | None, rng: random.Random) -> Iterator[list[str]]:
        calls = self._journal.writes if fault == "short" else range(1, self._calls + 1)
        for call in _some(calls, limit, rng):
            stage = self._ready.copy(self._root)
            told = attempt(self._act, stage, self._shim, call=call, fault=fault)
            wrong = self._judge.after_fault(told, fault, again=limit is None)
            yield [f"{self._name}, {fault} at {call} of {self._calls}: {what}" for what in wrong]

    def _power(self, limit: int | None, rng: random.Random) -> Iterator[list[str]]:
        seen: set[tuple[bytes, bool]] = set()
        last = len(self._journal)
        # The last is always among them: from there on the act is acknowledged.
        for after in [*_some(range(last), limit, rng), last]:
            acknowledged = after == last
            for what, disk in self._journal.disks(after, rng, _PARTS_AT_THE_END if acknowledged else _PARTS):
                key = (disk.digest(), acknowledged)
                if key not in seen:
                    seen.add(key)
                    disk.write_to(self._root)
                    wrong = self._judge.after_power(acknowledged)
                    yield [f"{self._name}, power after {after} of {last}, {what}: {how}" for how in wrong]


def _some(every: Sequence[int], limit: int | None, rng: random.Random) -> list[int]:
    return sorted(rng.sample(every, min(limit if limit is not None else len(every), len(every))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--act", choices=ACTS, action="append")
    parser.add_argument("--fault", choices=[*FAULTS, "power"], action="append")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    if "LD_PRELOAD" not in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            again = [sys.executable, "-m", "tests.faults.disk", *sys.argv[1:]]
            sys.exit(subprocess.run(again, env=os.environ | {"LD_PRELOAD": str(build(Path(folder)))}).returncode)
    os.environ["CAMEO_KEYSTORE"] = "file"
    wrong = 0
    with (
        tempfile.TemporaryDirectory(dir=memory_folder()) as folder,
        # Thousands of vaults are opened at one path: what SQLAlchemy has compiled for one serves the next.
        mock.patch.object(database, "Sqlite", functools.cache(database.Sqlite)),
    ):
        place = Path(folder).resolve()
        base, canaries = Stage.build(place / "base"), Canaries(personal())
        for act in words.act or ACTS:
            counts, trial = Counter[str](), Trial(act, base, place / "try", canaries)
            for fault in words.fault or [*FAULTS, "power"]:
                for found in trial.tries(fault, words.limit, random.Random(f"{act} {fault} {words.seed}")):
                    counts[fault] += 1
                    wrong += bool(found)
                    print("".join(f"{line}\n" for line in found), end="", flush=True)
            print(f"{act}: {', '.join(f'{number} × {fault}' for fault, number in counts.items())}", flush=True)
    print(f"wrong: {wrong}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
