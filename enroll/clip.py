"""A clip: its pictures one at a time, its sound, and a refusal for every file that is not one.

Nothing here parses the file. That is done by ``enroll.decoder`` in a process of its own, with limits on memory and time
and with no way to open anything but this file, so that neither damage nor malice reaches further than a refusal.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from enroll.decoder.process import Decoder, DecoderDied, Messages, decoding
from enroll.decoder.wire import FACTS, REASONS, REFUSAL, Facts, Header, Job, Reason
from enroll.errors import BadInput, ClipTooShort, ClipUnreadable, EnrollError

__all__ = [
    "GREY_EDGE",
    "MAX_BYTES",
    "MAX_EDGE",
    "MAX_FPS",
    "MAX_PIXELS",
    "MAX_SECONDS",
    "MIN_SECONDS",
    "SAMPLE_RATE",
    "Clip",
    "Frame",
]

MAX_BYTES = 1 << 30
MAX_PIXELS = 4096 * 4096
MAX_SECONDS = 900.0
MIN_SECONDS = 1.0
MAX_EDGE = 1920
"""Longest edge of a decoded picture; larger ones are reduced while decoding."""
GREY_EDGE = 480
"""Longest edge of the small grey picture."""
MAX_FPS = 30.0
"""Frames a second that ``watch`` gives at most."""
SAMPLE_RATE = 16_000

_MEMORY = 1400 << 20
# Processor seconds, all threads together: for walking through the packets, and for each second of picture.
_SURVEY_CPU, _WATCH_CPU, _WATCH_CPU_PER_SECOND = 120, 60, 20

_FORMATS_HINT = "give an MP4, MOV, MKV, WebM, AVI or MPEG file"


@dataclass(frozen=True, repr=False)
class Frame:
    """One upright SDR picture.

    Attributes:
        second: from the start of the clip.
        grey: uint8, shape (h, w), longest edge at most ``GREY_EDGE``.
        pixels: the same in RGB, uint8, shape (H, W, 3), contiguous, longest edge at most ``MAX_EDGE``; BT.709 colours.
            None where only movement is watched.
    """

    second: float
    grey: NDArray[np.uint8]
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True, repr=False)
class Clip:
    """A readable clip.

    Attributes:
        path: the file.
        sha256: hex digest of its bytes.
        seconds: length of its picture.
        sound: mono float32 in [-1, 1] at 16 kHz, shape (N,), starting with the picture; None without an audio stream.
            Sample n is heard at second n / 16,000: gaps in the stream are silence here.
        width, height: of the picture as it is meant to be seen: upright, in square pixels, before any reduction.
        fps: frames a second, on average.
        captured: when it was filmed, as the container claims (UTC); None where it does not say.
        sound_breaks: seconds at which the sound's timestamps jump by more than 50 ms.
    """

    path: Path
    sha256: str
    seconds: float
    sound: NDArray[np.float32] | None
    width: int
    height: int
    fps: float
    captured: datetime | None
    sound_breaks: tuple[float, ...]
    _start: float
    _stamp: tuple[int, ...]
    _ready: list[tuple[BinaryIO, Decoder]] = field(default_factory=list, compare=False)

    @classmethod
    def open(cls, path: str | Path) -> Clip:
        """Checks the file from end to end, decodes its sound, and leaves its pictures for ``watch``.

        Raises:
            ClipUnreadable: there is no such file, or it is a folder, empty, damaged, truncated or no video.
            ClipTooShort: less than ``MIN_SECONDS`` of picture.
            BadInput: the name holds a control character, or a limit of this module is exceeded.
        """
        path = Path(path)
        _check_name(path)
        survey = _job("survey", cpu_seconds=_SURVEY_CPU)
        with _opened(path) as file, _refusing(path), decoding(file, survey) as messages:
            # Our own reading goes on while the child's does.
            sha256 = _digest(file)
            facts, sound, breaks = _survey(messages, path)
            stamp = _stamp(file)
        if facts.seconds < MIN_SECONDS:
            raise ClipTooShort(
                f"{path.name} is {facts.seconds:.1f} s long; at least {MIN_SECONDS:.0f} s is needed",
                hint="film 5 s or more",
            )
        return cls(
            path,
            sha256,
            facts.seconds,
            _in_time(sound, facts.sound_start) if facts.has_sound else None,
            facts.width,
            facts.height,
            facts.fps,
            datetime.fromtimestamp(facts.captured, UTC) if math.isfinite(facts.captured) else None,
            breaks,
            facts.start,
            stamp,
        )

    @classmethod
    @contextmanager
    def opened(cls, path: str | Path) -> Iterator[Clip]:
        """``open`` for one who goes on to ``watch``: the process for it starts at once, and is gone after the block.

        Raises:
            As ``open`` does.
        """
        path = Path(path)
        _check_name(path)
        with ExitStack() as stack:
            file = stack.enter_context(_opened(path))
            with _refusing(path):
                decoder = stack.enter_context(closing(Decoder(file)))
            yield replace(cls.open(path), _ready=[(file, decoder)])

    def frames(self, rate: float) -> Iterator[Frame]:
        """Pictures in clip order, about ``rate`` a second, one in memory at a time; every one has ``pixels``.

        Raises:
            ClipUnreadable: the picture cannot be decoded to its end, or the file has changed.
        """
        return self._decode(rate, rate)

    def watch(self, rate: float) -> Iterator[Frame]:
        """Every picture in clip order, at most ``MAX_FPS`` a second; about ``rate`` a second have ``pixels``, the first
        among them.

        Raises:
            ClipUnreadable: the picture cannot be decoded to its end, or the file has changed.
        """
        return self._decode(rate, MAX_FPS)

    def _decode(self, rate: float, max_rate: float) -> Iterator[Frame]:
        job = _job(
            "watch",
            cpu_seconds=int(_WATCH_CPU + _WATCH_CPU_PER_SECOND * self.seconds),
            rate=rate,
            max_rate=max_rate,
            start=self._start,
            seconds=self.seconds,
            fps=self.fps,
        )
        with self._doing(job) as messages:
            for header in messages:
                if header.kind == b"E":
                    raise _refusal(self.path, messages.read(_size(header, REFUSAL.size)))
                yield _frame(header, messages)

    @contextmanager
    def _doing(self, job: Job) -> Iterator[Messages]:
        if self._ready:
            file, decoder = self._ready.pop()
            self._check_unchanged(file)
            with _refusing(self.path), closing(decoder):
                yield decoder.do(job)
        else:
            with _opened(self.path) as file:
                self._check_unchanged(file)
                with _refusing(self.path), decoding(file, job) as messages:
                    yield messages

    def _check_unchanged(self, file: BinaryIO) -> None:
        if _stamp(file) != self._stamp:
            raise ClipUnreadable(f"{self.path.name} was changed while it was read", hint="try again")


def _check_name(path: Path) -> None:
    if any(not character.isprintable() for character in str(path)):
        raise BadInput("the clip's name holds a line break or another control character", hint="rename the file")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, once it is sure that it is one."""
    try:
        # A pipe without a writer must not keep us waiting.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    except FileNotFoundError as error:
        raise ClipUnreadable(f"there is no file {path}", hint="check the path") from error
    except IsADirectoryError as error:
        raise ClipUnreadable(f"{path} is a folder, not a clip", hint="give the file in it") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ClipUnreadable(
            f"{path.name} cannot be read: {reason}", hint="check the path and who may read it"
        ) from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ClipUnreadable(f"{path} is no ordinary file, so not a clip", hint=_FORMATS_HINT)
        if status.st_size == 0:
            raise ClipUnreadable(f"{path.name} is empty (0 bytes)", hint="copy it again")
        if status.st_size > MAX_BYTES:
            raise BadInput(
                f"{path.name} is {status.st_size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB is read",
                hint="cut it to 5 to 60 s",
            )
        yield file


def _stamp(file: BinaryIO) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _digest(file: BinaryIO) -> str:
    """Without moving the file's position, which is the child's."""
    digest, at = hashlib.sha256(), 0
    while block := os.pread(file.fileno(), 1 << 20, at):
        digest.update(block)
        at += len(block)
    return digest.hexdigest()


def _job(
    do: Literal["survey", "watch"],
    *,
    cpu_seconds: int,
    rate: float = 0.0,
    max_rate: float = 0.0,
    start: float = 0.0,
    seconds: float = 0.0,
    fps: float = 0.0,
) -> Job:
    return Job(
        do=do,
        max_pixels=MAX_PIXELS,
        max_seconds=MAX_SECONDS,
        max_edge=MAX_EDGE,
        grey_edge=GREY_EDGE,
        memory=_MEMORY,
        cpu_seconds=cpu_seconds,
        rate=rate,
        max_rate=max_rate,
        start=start,
        seconds=seconds,
        fps=fps,
    )


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """What goes wrong with the decoder's process is the file's fault."""
    try:
        yield
    except DecoderDied as error:
        raise ClipUnreadable(
            f"{path.name} cannot be decoded: it is damaged ({error})", hint="film again, or convert it to MP4"
        ) from error
    except OSError as error:
        raise ClipUnreadable(f"{path.name} cannot be read: {error.strerror or type(error).__name__}") from error


def _survey(messages: Messages, path: Path) -> tuple[Facts, bytearray, tuple[float, ...]]:
    """The facts, the sound's bytes (float32) and its breaks."""
    facts, sound, breaks = None, bytearray(), np.zeros(0)
    most = int((MAX_SECONDS + 2) * SAMPLE_RATE) * 4
    for header in messages:
        if header.kind == b"E":
            raise _refusal(path, messages.read(_size(header, REFUSAL.size)))
        if header.kind == b"S":
            sound += messages.read(_size(header, None, most - len(sound)))
        elif header.kind == b"B":
            breaks = np.frombuffer(messages.read(_size(header, None, 1 << 20)), np.float64)
        elif header.kind == b"C":
            facts = Facts(*FACTS.unpack(messages.read(_size(header, FACTS.size))))
    if facts is None or not (0 <= facts.seconds <= MAX_SECONDS and 0 <= facts.fps <= 1e6 and len(sound) % 4 == 0):
        raise DecoderDied("it said nonsense")
    return facts, sound, tuple(float(second) for second in breaks)


def _in_time(sound: bytearray, start: float) -> NDArray[np.float32]:
    """On the picture's clock, of which the first sample is heard at second ``start``; no louder than 1."""
    samples = np.frombuffer(sound, np.float32)
    shift = round(min(max(start, -MAX_SECONDS), MAX_SECONDS) * SAMPLE_RATE) if math.isfinite(start) else 0
    samples = np.concatenate([np.zeros(shift, np.float32), samples]) if shift > 0 else samples[-shift:]
    peak = max(float(samples.max()), -float(samples.min())) if len(samples) else 0.0
    if peak > 1:
        # Several channels on one can exceed it; less loud is better than distorted.
        samples /= np.float32(peak)
    return samples


def _frame(header: Header, messages: Messages) -> Frame:
    grey_shape, shape = (header.grey_height, header.grey_width), (header.height, header.width, 3)
    rich = header.width > 0
    _size(header, math.prod(grey_shape) + (math.prod(shape) if rich else 0))
    if header.kind != b"F" or not (0 < max(grey_shape) <= GREY_EDGE and max(shape[:2]) <= MAX_EDGE):
        raise DecoderDied("it said nonsense")
    grey = _upright(messages.picture(*grey_shape), header.turn)
    return Frame(header.second, grey, _upright(messages.picture(*shape), header.turn) if rich else None)


def _upright(picture: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    turned: NDArray[Any] = cv2.transpose(picture) if turn & 1 else picture
    if turn & 6:
        turned = cv2.flip(turned, {2: 1, 4: 0, 6: -1}[turn & 6])
    return np.ascontiguousarray(turned, np.uint8)


def _size(header: Header, expected: int | None, most: int = 0) -> int:
    if header.size > most if expected is None else header.size != expected:
        raise DecoderDied("it said nonsense")
    return header.size


def _refusal(path: Path, body: bytearray) -> EnrollError:
    number, one, two = REFUSAL.unpack(body)
    reason: Reason = REASONS[number] if number < len(REASONS) else "undecodable"
    name = path.name
    match reason:
        case "not_video":
            return ClipUnreadable(f"{name} is not a video, or it is damaged or truncated", hint=_FORMATS_HINT)
        case "no_picture":
            return ClipUnreadable(f"{name} has no picture, only sound", hint="film the person")
        case "too_large":
            return BadInput(
                f"{name} is {one:.0f}×{two:.0f}; at most {MAX_PIXELS / 1e6:.0f} megapixels are read",
                hint="film in 4K or less",
            )
        case "too_long":
            return BadInput(f"{name} is longer than {one:.0f} s", hint="cut it to 5 to 60 s")
        case "empty":
            return ClipUnreadable(f"{name} holds no picture; it is damaged or truncated", hint="copy it again")
        case "truncated":
            return ClipUnreadable(
                f"{name} is truncated: it ends after {one:.1f} s of {two:.1f} s", hint="copy it again, or film again"
            )
        case "unsupported":
            return ClipUnreadable(
                f"{name} is damaged, or in a format no camera writes", hint="convert it to H.264 in MP4"
            )
        case "limit":
            return ClipUnreadable(f"{name} asks for more memory than a clip needs", hint="convert it to H.264 in MP4")
        case _:
            return ClipUnreadable(f"{name} cannot be decoded: it is damaged or truncated", hint="copy it again")
