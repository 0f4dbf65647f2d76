"""A clip: its pictures one at a time, its sound, and a refusal for every file that is not one.

The file is opened as a plain file and with an explicit list of containers, so that neither a name (``concat:…``) nor a
playlist can make FFmpeg read anything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from enroll.errors import BadInput, ClipTooShort, ClipUnreadable

__all__ = [
    "MAX_BYTES",
    "MAX_EDGE",
    "MAX_PIXELS",
    "MAX_SECONDS",
    "MIN_SECONDS",
    "SAMPLE_RATE",
    "Clip",
    "Frame",
]

MAX_BYTES = 1 << 30
MAX_PIXELS = 4096 * 4096
MAX_SECONDS = 300.0
MIN_SECONDS = 1.0
MAX_EDGE = 1920
"""Longest edge of a decoded picture; larger ones are reduced while decoding."""
SAMPLE_RATE = 16_000

_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,avi,ogg,flv,asf"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
# Containers round durations and drop a last frame; more than this is missing material.
_MISSING_SECONDS = 0.5
_MISSING_SHARE = 0.05


@dataclass(frozen=True, repr=False)
class Frame:
    """One upright picture: RGB uint8, shape (H, W, 3), contiguous; ``second`` counts from the start of the clip."""

    second: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, repr=False)
class Clip:
    """A readable clip.

    Attributes:
        path: the file.
        sha256: hex digest of its bytes.
        seconds: length of its picture.
        sound: mono float32 in [-1, 1] at 16 kHz, shape (N,), starting with the picture; None without an audio stream.
    """

    path: Path
    sha256: str
    seconds: float
    sound: NDArray[np.float32] | None

    @classmethod
    def open(cls, path: str | Path) -> Clip:
        """Checks the file from end to end, decodes its sound, and leaves its pictures for ``frames``.

        Raises:
            ClipUnreadable: there is no such file, or it is a folder, empty, damaged, truncated or no video.
            ClipTooShort: less than ``MIN_SECONDS`` of picture.
            BadInput: the name holds a control character, or a limit of this module is exceeded.
        """
        path = Path(path)
        _check_file(path)
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                with _container(file, path) as container:
                    seconds, sound = _survey(container, path)
        except (OSError, FFmpegError) as error:
            raise _unreadable(path, error) from error
        if seconds < MIN_SECONDS:
            raise ClipTooShort(
                f"{path.name} is {seconds:.1f} s long; at least {MIN_SECONDS:.0f} s is needed", hint="film 5 s or more"
            )
        return cls(path, sha256, seconds, sound)

    def frames(self, rate: float) -> Iterator[Frame]:
        """Pictures in clip order, about ``rate`` a second, one in memory at a time.

        Raises:
            ClipUnreadable: the picture cannot be decoded to its end.
        """
        decoded = False
        try:
            with self.path.open("rb") as file, _container(file, self.path) as container:
                stream = _picture(container, self.path)
                stream.thread_type = "AUTO"
                start, due = None, 0.0
                for frame in container.decode(stream):
                    if frame.time is None:
                        continue
                    second = frame.time
                    start = second if start is None else start
                    second -= start
                    # Half a frame early is nearer than most of a frame late.
                    if second + 1e-3 < due:
                        continue
                    due = max(due + 1.0 / rate, second)
                    decoded = True
                    yield Frame(second, _upright(frame))
        except (OSError, FFmpegError) as error:
            raise _unreadable(self.path, error) from error
        if not decoded:
            raise ClipUnreadable(f"{self.path.name} holds no picture that can be decoded")


def _check_file(path: Path) -> None:
    if any(not character.isprintable() for character in str(path)):
        raise BadInput("the clip's name holds a line break or another control character", hint="rename the file")
    if not path.exists():
        raise ClipUnreadable(f"there is no file {path}", hint="check the path")
    if not path.is_file():
        raise ClipUnreadable(f"{path} is {'a folder' if path.is_dir() else 'no ordinary file'}, not a clip")
    size = path.stat().st_size
    if size == 0:
        raise ClipUnreadable(f"{path.name} is empty (0 bytes)")
    if size > MAX_BYTES:
        raise BadInput(f"{path.name} is {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB is read")


def _container(file: BinaryIO, path: Path) -> InputContainer:
    try:
        return av.open(file, "r", options=_OPTIONS)
    except (FFmpegError, ValueError) as error:
        raise ClipUnreadable(
            f"{path.name} is not a video, or it is damaged or truncated",
            hint="give an MP4, MOV, MKV, WebM, AVI or MPEG file",
        ) from error


def _picture(container: InputContainer, path: Path) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise ClipUnreadable(f"{path.name} has no picture, only sound")
    pixels = stream.width * stream.height
    if not 0 < pixels <= MAX_PIXELS:
        raise BadInput(
            f"{path.name} is {stream.width}×{stream.height}; at most {MAX_PIXELS / 1e6:.0f} megapixels are read"
        )
    return stream


def _survey(container: InputContainer, path: Path) -> tuple[float, NDArray[np.float32] | None]:
    """Walks through every packet: how long the picture really is, and the sound. Pictures are not decoded."""
    picture = _picture(container, path)
    voice = container.streams.best("audio")
    sound = _Sound()
    spans: list[tuple[float, float]] = []
    for packet in container.demux([s for s in (picture, voice) if s is not None]):
        if packet.stream is not picture:
            sound.add(packet)
        elif packet.pts is not None and packet.time_base is not None:
            begin = float(packet.pts * packet.time_base)
            spans.append((begin, begin + float((packet.duration or 0) * packet.time_base)))
        if sound.seconds > MAX_SECONDS or (spans and spans[-1][1] - spans[0][0] > MAX_SECONDS):
            raise BadInput(f"{path.name} is longer than {MAX_SECONDS:.0f} s", hint="cut it to 5 to 60 s")
    if not spans:
        raise ClipUnreadable(f"{path.name} holds no picture; it is damaged or truncated")
    start = min(begin for begin, _ in spans)
    seconds = max(end for _, end in spans) - start
    _check_complete(container, picture, seconds, path)
    return seconds, sound.since(start) if voice is not None else None


class _Sound:
    """Sound as it comes, mono float32 at ``SAMPLE_RATE``."""

    def __init__(self) -> None:
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._chunks: list[NDArray[np.float32]] = []
        self._start: float | None = None
        self._samples = 0

    @property
    def seconds(self) -> float:
        return self._samples / SAMPLE_RATE

    def add(self, packet: Packet) -> None:
        try:
            frames = packet.decode()
        except FFmpegError:
            # One bad packet of sound is a click; how much speech is left is judged later.
            return
        for frame in frames:
            if isinstance(frame, AudioFrame):
                self._start = frame.time if self._start is None else self._start
                self._keep(frame)

    def since(self, second: float) -> NDArray[np.float32]:
        """All of it, on the picture's clock: the first sample is the one heard at ``second``."""
        self._keep(None)
        samples = np.clip(np.concatenate([np.zeros(0, np.float32), *self._chunks]), -1.0, 1.0)
        shift = round(((self._start or 0.0) - second) * SAMPLE_RATE)
        if shift > 0:
            return np.concatenate([np.zeros(min(shift, int(MAX_SECONDS * SAMPLE_RATE)), np.float32), samples])
        return samples[-shift:]

    def _keep(self, frame: AudioFrame | None) -> None:
        for out in self._resampler.resample(frame):
            self._chunks.append(out.to_ndarray().reshape(-1).astype(np.float32))
            self._samples += len(self._chunks[-1])


def _check_complete(container: InputContainer, picture: VideoStream, seconds: float, path: Path) -> None:
    if picture.duration is not None and picture.time_base is not None:
        declared = float(picture.duration * picture.time_base)
    else:
        # Sound may outlast the picture; only a file with nothing but a picture promises its length this way.
        declared = (container.duration or 0) / av.time_base if not container.streams.audio else 0.0
    if declared - seconds > max(_MISSING_SECONDS, _MISSING_SHARE * declared):
        raise ClipUnreadable(f"{path.name} is truncated: it ends after {seconds:.1f} s of {declared:.1f} s")


def _upright(frame: VideoFrame) -> NDArray[np.uint8]:
    scale = min(1.0, MAX_EDGE / max(frame.width, frame.height))
    pixels = frame.to_ndarray(format="rgb24", width=round(frame.width * scale), height=round(frame.height * scale))
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))


def _unreadable(path: Path, error: OSError | FFmpegError) -> ClipUnreadable:
    # Some of PyAV's errors are OSErrors too.
    if isinstance(error, FFmpegError):
        return ClipUnreadable(f"{path.name} cannot be decoded: it is damaged or truncated")
    return ClipUnreadable(f"{path.name} cannot be read: {error.strerror or type(error).__name__}")
