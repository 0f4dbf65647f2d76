"""The decoder's process: it is given a job, limits itself, and does it with the file on standard input, telling on
standard output. What to do it reads where others write their errors."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic

import av
import av.subtitles.codeccontext
import av.subtitles.stream  # PyAV imports these two late, when no file can be opened any more
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from enroll.decoder.limits import confine
from enroll.decoder.survey import survey
from enroll.decoder.watch import watch
from enroll.decoder.wire import HEADER, REASONS, REFUSAL, Header, Job, Refusal

__all__ = ["main", "run"]

# Containers that cameras and editors write. No playlist, script, image sequence or device is among them.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,avi,ogg,flv,asf"
_OPTIONS = {"fd": "0", "protocol_whitelist": "fd", "format_whitelist": _FORMATS, "max_streams": "100"}

_TICK_SECONDS = 0.5
_AHEAD_BYTES = 48 << 20


class Outlet:
    """Messages on their way out. A thread writes them, so that decoding goes on while the parent is busy; ``put`` waits
    when ``_AHEAD_BYTES`` are under way."""

    def __init__(self) -> None:
        self._queue: deque[tuple[bytes, Sequence[NDArray[np.generic]], int]] = deque()
        self._changed = threading.Condition()
        self._bytes = 0
        self._last = monotonic()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def put(self, header: Header, *parts: NDArray[np.generic]) -> None:
        size = sum(part.nbytes for part in parts)
        with self._changed:
            self._changed.wait_for(lambda: self._bytes == 0 or self._bytes + size <= _AHEAD_BYTES)
            self._queue.append((HEADER.pack(*header._replace(size=size)), parts, size))
            self._bytes += size
            self._last = monotonic()
            self._changed.notify_all()

    def tick(self) -> None:
        """A sign of life, unless something was said a moment ago."""
        if monotonic() - self._last > _TICK_SECONDS:
            self.put(Header(b"T"))

    def close(self) -> None:
        self.put(Header(b"Z"))
        self._thread.join()

    def _write(self) -> None:
        done = False
        while not done:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue))
                head, parts, size = self._queue.popleft()
            _write_all(head)
            for part in parts:
                _write_all(part.data.cast("B"))
            with self._changed:
                self._bytes -= size
                self._changed.notify_all()
            done = head[:1] == b"Z"


def run(job: Job) -> None:
    """Does the job and says how it went. Whatever goes wrong in the file becomes a refusal."""
    confine(memory=job.memory, cpu_seconds=job.cpu_seconds)
    out = Outlet()
    try:
        with _container() as container:
            (survey if job.do == "survey" else watch)(container, job, out)
    except Refusal as refusal:
        _refuse(out, refusal)
    except MemoryError:
        _refuse(out, Refusal("limit"))
    except Exception:
        # PyAV raises more than its own errors on damaged files, and nobody is left to see a stack trace here.
        _refuse(out, Refusal("undecodable"))
    out.close()


def main() -> None:
    told = os.fdopen(2, "rb", closefd=False).read()
    # Nothing is told to one that was started for nothing.
    if told:
        run(Job(**json.loads(told)))
    # Threads of FFmpeg and Python's own teardown have nothing left to do.
    os._exit(0)


def _container() -> InputContainer:
    # PyAV's logging stays off: its callback wants the GIL, which we hold while FFmpeg waits for its threads to end.
    try:
        return av.open("fd:", "r", options=_OPTIONS, metadata_errors="replace")
    except MemoryError:
        raise
    except (FFmpegError, ValueError) as error:
        raise Refusal("not_video") from error


def _refuse(out: Outlet, refusal: Refusal) -> None:
    body = REFUSAL.pack(REASONS.index(refusal.reason), *refusal.numbers)
    out.put(Header(b"E"), np.frombuffer(body, np.uint8))


def _write_all(data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
