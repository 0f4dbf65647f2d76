"""Every parser of what strangers hand in, fed with what is a little wrong.

    python -m tests.faults.parsers --inputs 100000 --seed 0 [--only consent] [--first 0] [--keep FOLDER]

The seeds are the valid vectors of ``vectors/``. An input is one of them after a mutation; where documents are signed,
every second one is signed again by a trusted key, so that what lies behind the signature is reached. A parser may
refuse with an error of ours, or accept what means the same as before; of what was signed again, anything. Any other
exception, more than a second of the processor, or more than 64 MB of memory is a finding. Ends with status 1 if there
is one. Input K of a seed is the same every time: ``--first K --inputs 1``.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from enroll.errors import KitError
from tests.faults.targets import TARGETS, Target
from tests.memory import memory_folder
from tests.timing import least_seconds

__all__ = ["Account", "Finding", "run"]

_SECONDS: Final = 1.0
Grown = Callable[[], int]
_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """What went wrong with which input."""

    number: int
    what: str
    content: bytes


@dataclass
class Account:
    """How many were refused, by the code of the error; how many accepted; and the greatest cost of one."""

    refused: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    resealed: int = 0
    seconds: float = 0.0
    memory: int = 0
    findings: list[Finding] = field(default_factory=list)


def run(target: Target, inputs: int, seed: int = 0, first: int = 0) -> Account:
    """Inputs ``first`` to ``first + inputs``, of which each is its own draw."""
    account = Account()
    meanings = {repr(target.read(content)) for content in target.seeds}
    with _peak_memory() as grown:
        for number in range(first, first + inputs):
            chance = Random(f"{target.name} {seed} {number}")
            source, other = chance.choice(target.seeds), chance.choice(target.seeds)
            again = target.resealed is not None and chance.random() < 0.5
            change = target.resealed if again and target.resealed is not None else target.changed
            _try(account, target, number, change(chance, source, other), None if again else meanings, grown)
            account.resealed += again
    return account


def _try(
    account: Account, target: Target, number: int, content: bytes, meanings: set[str] | None, grown: Grown
) -> None:
    def found(what: str) -> None:
        account.findings.append(Finding(number, what, content))

    grown()
    began = time.process_time()
    try:
        meaning = target.read(content)
        account.accepted += 1
        if meanings is not None and not target.free and repr(meaning) not in meanings:
            found("accepted, and means something else")
    except KitError as error:
        account.refused[error.code] += 1
    except Exception as error:  # Whatever it is, it is a finding.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        found(f"raised {type(error).__name__}: {str(error)[:200]} ({Path(frame.filename).name}:{frame.lineno})")
    seconds, memory = time.process_time() - began, grown()
    if seconds > _SECONDS:  # a processor that others use too is slow at times; what costs much always does
        seconds = min(seconds, least_seconds(lambda: _again(target, content), of=2))
    account.seconds, account.memory = max(account.seconds, seconds), max(account.memory, memory)
    if seconds > _SECONDS:
        found(f"took {seconds:.1f} s")
    if memory > _BYTES:
        found(f"took {memory >> 20} MB")


def _again(target: Target, content: bytes) -> None:
    with suppress(Exception):
        target.read(content)


@contextmanager
def _peak_memory() -> Iterator[Grown]:
    """A call that tells by how much the process grew at most since the last one, in bytes."""

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    try:
        file = os.open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        # Nowhere but on Linux can the peak be set back; then it only rises.
        file = -1
    floor = peak()

    def grown() -> int:
        nonlocal floor
        at_most = peak()
        if file >= 0:
            os.write(file, b"5")
        before, floor = floor, peak()
        return max(0, at_most - before)

    try:
        yield grown
    finally:
        if file >= 0:
            os.close(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="for each parser")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(TARGETS), action="append")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write the inputs that were findings here")
    options = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    warnings.filterwarnings("ignore", "A minimum iteration count")
    any_found = False
    for name in options.only or TARGETS:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=memory_folder(), prefix="cameo-faults-") as folder:
            account = run(TARGETS[name](Path(folder)), options.inputs, options.seed, options.first)
        took = time.perf_counter() - began
        print(
            f"{name}: {options.inputs} inputs, {account.resealed} signed again, {account.accepted} accepted, "
            f"{len(account.findings)} findings; at most {account.seconds * 1000:.0f} ms and {account.memory >> 20} MB; "
            f"{took:.0f} s; refused {dict(account.refused.most_common())}",
            flush=True,
        )
        for finding in account.findings[:10]:
            print(f"  {finding.number}: {finding.what}", flush=True)
        for finding in account.findings if options.keep else ():
            options.keep.mkdir(exist_ok=True)
            (options.keep / f"{name}-{options.seed}-{finding.number}").write_bytes(finding.content)
        any_found |= bool(account.findings)
    sys.exit(any_found)


if __name__ == "__main__":
    main()
