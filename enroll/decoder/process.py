"""Starts the decoder's process, reads what it says, and leaves nothing of it behind."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from enroll.decoder.wire import HEADER, Header, Job

__all__ = ["STALL_SECONDS", "Decoder", "DecoderDied", "Messages", "decoding"]

STALL_SECONDS = 8.0
"""Without a sign of life for so long, the decoder is stopped; for longer where others leave it no processor."""
_MOST_PATIENCE = 4.0

# The child gets our import path and nothing else of us: no site, no user's environment, no working directory.
_START = "import sys; sys.path[:] = sys.argv[1:]; from enroll.decoder.child import main; main()"
_ROOT = str(Path(__file__).resolve().parents[2])
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_SETTINGS = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_PIPE_BYTES = 1 << 20


class DecoderDied(Exception):
    """It crashed, hit a limit, went silent, or said what it must not say."""


class Messages:
    """What the child says, in order. Sizes are the caller's to check before it reads on."""

    def __init__(self, pipe: FileIO) -> None:
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def __iter__(self) -> Iterator[Header]:
        """Headers up to the end; whoever gets one reads its ``size`` bytes before the next."""
        while True:
            header = Header(*HEADER.unpack(self.read(HEADER.size)))
            if header.kind == b"Z":
                return
            if header.kind != b"T":
                yield header

    def read(self, size: int) -> bytearray:
        data = bytearray(size)
        self._fill(memoryview(data))
        return data

    def picture(self, *shape: int) -> NDArray[np.uint8]:
        made = np.empty(shape, np.uint8)
        self._fill(made.data.cast("B"))
        return made

    def _fill(self, view: memoryview) -> None:
        while view:
            if not self._poll.poll(1000 * STALL_SECONDS) and not self._poll.poll(1000 * STALL_SECONDS * _crowding()):
                raise DecoderDied("no progress")
            count = self._pipe.readinto(view)
            if not count:
                raise DecoderDied("it ended early")
            view = view[count:]


def _crowding() -> float:
    """How much longer than alone things take on this machine now: 0 where they do not."""
    return min(_MOST_PATIENCE, max(0.0, os.getloadavg()[0] / (os.cpu_count() or 1) - 1))


class Decoder:
    """A process that waits, everything imported, to do one job on one open file. ``close`` it whatever happens.

    Args:
        file: an ordinary file, whose position becomes the process's; it reads it through this descriptor and can open
            no other.
    """

    def __init__(self, file: BinaryIO) -> None:
        path = [_ROOT, *(str(Path(entry).resolve()) for entry in sys.path if entry)]
        # It says nothing on standard error, so that can be where it listens.
        hears, told = os.pipe()
        self._told = os.fdopen(told, "wb", buffering=0)
        try:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and our own words)
                [sys.executable, "-I", "-S", "-c", _START, *path],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=hears,
                bufsize=0,
                cwd="/",
                env=_SETTINGS | {name: os.environ[name] for name in _KEPT if name in os.environ},
                # Ctrl-C is for us; we end the child ourselves.
                process_group=0,
            )
        except BaseException:
            self._told.close()
            raise
        finally:
            os.close(hears)
        self._pipe = cast(FileIO, self._process.stdout)
        _widen(self._pipe)

    def do(self, job: Job) -> Messages:
        """Starts the job."""
        # If it is dead already, that shows in what it does not say.
        with self._told, suppress(BrokenPipeError):
            self._told.write(json.dumps(job.as_dict()).encode())
        return Messages(self._pipe)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._pipe.close()
        self._told.close()


@contextmanager
def decoding(file: BinaryIO, job: Job) -> Iterator[Messages]:
    """Runs a job on an open file. Whichever way the block is left, the process is gone afterwards."""
    with closing(Decoder(file)) as decoder:
        yield decoder.do(job)


def _widen(pipe: FileIO) -> None:
    if sys.platform != "linux":
        return
    import fcntl

    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        # A user may have only so much of it; the ordinary size works too.
        return
