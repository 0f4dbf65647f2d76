"""Mutates small good films and hands them to the decoder: ``python -m tests.enroll.hostile.fuzz --minutes 60``.

A test does the same for a fixed count. Here one process imports PyAV and forks a child for every film, which saves the
start; from the fork on it is production: the same limits, the same job, the same messages read by the same code.
"""

from __future__ import annotations

import argparse
import os
import signal
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import BinaryIO

from enroll import clip as clip_module
from enroll.clip import Clip
from enroll.decoder import child
from enroll.decoder.process import Messages
from enroll.decoder.wire import Job
from enroll.errors import KitError
from tests.enroll.hostile.seeds import KINDS, boxes, seed

__all__ = ["mutant", "try_out"]

_LIES = (0, 1, 4, 7, 8, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def mutant(chance: Random) -> tuple[str, bytes]:
    """A container's name and a film in it to which one to four things were done."""
    kind = chance.choice(KINDS)
    data = bytearray(seed(kind))
    for _ in range(chance.randint(1, 4)):
        chance.choice(_HURTS)(chance, data, kind)
    return kind, bytes(data)


def _place(chance: Random, data: bytearray, kind: str) -> int:
    """Anywhere, but more often where the structure is: in a box's beginning or in the film's."""
    most = max(0, len(data) - 9)
    choice = chance.randint(0, 3)
    if choice == 0 and kind in ("mp4", "mov"):
        starts = [box.start for box in boxes(bytes(data))]
        if starts:
            return min(chance.choice(starts) + chance.randint(0, 40), most)
    return chance.randint(0, min(most, 3000) if choice <= 2 else most)


def _flip(chance: Random, data: bytearray, kind: str) -> None:
    for _ in range(chance.randint(1, 8)):
        if data:
            data[_place(chance, data, kind)] ^= 1 << chance.randint(0, 7)


def _number(chance: Random, data: bytearray, kind: str) -> None:
    """Four or eight bytes that a careless parser would trust."""
    at = _place(chance, data, kind)
    form = chance.choice((">I", "<I", ">Q"))
    data[at : at + struct.calcsize(form)] = struct.pack(form, chance.choice(_LIES))


def _cut(chance: Random, data: bytearray, kind: str) -> None:
    del data[_place(chance, data, kind) + chance.randint(0, len(data)) :]


def _drop(chance: Random, data: bytearray, kind: str) -> None:
    at = _place(chance, data, kind)
    del data[at : at + chance.randint(1, 400)]


def _double(chance: Random, data: bytearray, kind: str) -> None:
    at = _place(chance, data, kind)
    data[at:at] = data[at : at + chance.randint(1, 2000)] * chance.randint(1, 20)


def _splice(chance: Random, data: bytearray, kind: str) -> None:
    """A piece of another container's film."""
    other = seed(chance.choice(KINDS))
    at, start = _place(chance, data, kind), chance.randint(0, len(other) - 9)
    data[at:at] = other[start : start + chance.randint(1, 3000)]


def _fill(chance: Random, data: bytearray, kind: str) -> None:
    at = _place(chance, data, kind)
    length = chance.randint(1, 64)
    data[at : at + length] = chance.randbytes(length)


# What changes little comes more often: it gets further in.
_HURTS = (_flip, _flip, _flip, _number, _number, _number, _fill, _drop, _double, _splice, _cut)


def try_out(data: bytes, folder: Path, kind: str) -> str:
    """What became of it: ``opens`` or the refusal's code. Anything else that is raised is a fault of ours."""
    path = folder / f"mutant.{kind}"
    path.write_bytes(data)
    try:
        for frame in Clip.open(path).watch(4):
            if frame.grey.ndim != 2:
                raise AssertionError("a picture without a shape")
    except KitError as error:
        if "\n" in error.message or not error.message or not error.hint:
            raise AssertionError(f"an unclear refusal: {error.message!r}") from error
        return error.code if "damaged (" not in error.message else f"{error.code}: {error.message.split('(')[-1][:-1]}"
    return "opens"


@contextmanager
def _forking(file: BinaryIO, job: Job) -> Iterator[Messages]:
    """Stands for ``process.decoding``; the new process skips imports, and nothing else."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(file.fileno(), 0)
        os.dup2(writing, 1)
        os.closerange(3, 64)
        os.setpgid(0, 0)
        child.run(job)
        os._exit(0)
    os.close(writing)
    pipe = open(reading, "rb", buffering=0)  # noqa: SIM115, PTH123  (closed below)
    try:
        yield Messages(pipe)
    finally:
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
            _crashes[signal.Signals(os.WTERMSIG(status)).name] += 1
        pipe.close()


_crashes: Counter[str] = Counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=None, help="folder for films that crashed or slowed the decoder")
    options = parser.parse_args()
    clip_module.decoding = _forking
    told: Counter[str] = Counter()
    slowest, slowest_kind, faults = 0.0, "", 0
    end = time.monotonic() + 60 * options.minutes
    printed = time.monotonic()
    chance = Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        while time.monotonic() < end:
            kind, data = mutant(chance)
            crashed, start = sum(_crashes.values()), time.monotonic()
            try:
                result = try_out(data, Path(name), kind)
                told[result] += 1
            except Exception as error:
                faults += 1
                result = "fault:"
                print(f"fault: {kind}: {error!r}", flush=True)
            took = time.monotonic() - start
            if took > slowest:
                slowest, slowest_kind = took, kind
            if options.keep and (took > 5 or ":" in result or sum(_crashes.values()) > crashed):
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{sum(told.values()):06}.{kind}").write_bytes(data)
            if time.monotonic() - printed > 300 or time.monotonic() >= end:
                printed = time.monotonic()
                print(
                    f"{sum(told.values())} inputs; {dict(told.most_common())}; slowest {slowest:.2f} s"
                    f" ({slowest_kind}); crashes of the child {dict(_crashes)}; faults {faults}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
