"""The first job: walk through every packet. How long the picture really is, its first frame, and all of the sound."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from enroll.decoder.pictures import choose_stream, displayed, turn_of
from enroll.decoder.sound import Sound
from enroll.decoder.wire import FACTS, Facts, Header, Job, Refusal

if TYPE_CHECKING:
    from enroll.decoder.child import Outlet

__all__ = ["survey"]

# Containers round durations and drop a last frame; more than this is missing material.
_MISSING_SECONDS = 0.5
_MISSING_SHARE = 0.05
# Films have some hundreds of packets a second; what has so many more only keeps us busy.
_PACKETS, _PACKETS_PER_SECOND = 10_000, 1000
_MAX_FPS = 100_000.0
_CREATION_TAGS = ("com.apple.quicktime.creationdate", "creation_time", "date")


def survey(container: InputContainer, job: Job, out: Outlet) -> None:
    """Tells the sound as it comes, then its breaks, then the facts."""
    picture = choose_stream(container, job.max_pixels)
    voice = container.streams.best("audio")
    sound = Sound(job.max_seconds)
    span = _Span()
    first: VideoFrame | None = None
    for count, packet in enumerate(container.demux([s for s in (picture, voice) if s is not None])):
        out.tick()
        if packet.stream is not picture:
            for samples in sound.add(packet):
                out.put(Header(b"S"), samples)
        else:
            span.add(packet)
            first = first or _first_frame(packet)
        if sound.seconds > job.max_seconds or span.seconds > job.max_seconds:
            raise Refusal("too_long", job.max_seconds)
        if count > _PACKETS + _PACKETS_PER_SECOND * max(sound.seconds, span.seconds):
            raise Refusal("undecodable")
    for samples in sound.flush():
        out.put(Header(b"S"), samples)
    if not span.count:
        raise Refusal("empty")
    if first is None:
        raise Refusal("undecodable")
    if not 0 < first.width * first.height <= job.max_pixels:
        raise Refusal("too_large", first.width, first.height)
    _check_complete(container, picture, span.seconds)
    width, height = displayed(first, picture.sample_aspect_ratio)
    facts = Facts(
        *((height, width) if turn_of(first) & 1 else (width, height)),
        seconds=span.seconds,
        start=span.start if span.timed else math.nan,
        fps=min(span.count / span.seconds, _MAX_FPS) if span.seconds > 0 else 0.0,
        captured=_captured(container, picture),
        sound_start=(span.start if sound.start is None else sound.start) - span.start,
        has_sound=voice is not None,
    )
    breaks = np.array(sound.breaks, np.float64) - span.start
    out.put(Header(b"B"), breaks)
    out.put(Header(b"C"), np.frombuffer(FACTS.pack(*facts), np.uint8))


class _Span:
    """From the first packet's beginning to the last one's end, in the container's seconds."""

    def __init__(self) -> None:
        self.start, self._end, self.count, self.timed = math.inf, -math.inf, 0, False

    @property
    def seconds(self) -> float:
        return self._end - self.start if self.count else 0.0

    def add(self, packet: Packet) -> None:
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None or packet.time_base is None or packet.is_discard:
            return
        begin = float(stamp * packet.time_base)
        self.start = min(self.start, begin)
        self._end = max(self._end, begin + max(0.0, float((packet.duration or 0) * packet.time_base)))
        self.count += 1
        self.timed = self.timed or packet.pts is not None


def _first_frame(packet: Packet) -> VideoFrame | None:
    try:
        frames = packet.decode()
    except FFmpegError:
        return None
    return next((frame for frame in frames if isinstance(frame, VideoFrame)), None)


def _check_complete(container: InputContainer, picture: VideoStream, seconds: float) -> None:
    if picture.duration is not None and picture.time_base is not None:
        declared = float(picture.duration * picture.time_base)
    else:
        # Sound may outlast the picture; only a file with nothing but a picture promises its length this way.
        declared = (container.duration or 0) / av.time_base if not container.streams.audio else 0.0
    if declared - seconds > max(_MISSING_SECONDS, _MISSING_SHARE * declared):
        raise Refusal("truncated", seconds, declared)


def _captured(container: InputContainer, picture: VideoStream) -> float:
    """Unix time at which the container says it was filmed; NaN when it does not, or says nonsense."""
    for tags in (container.metadata, picture.metadata):
        lower = {name.lower(): value for name, value in tags.items()}
        for name in _CREATION_TAGS:
            try:
                moment = datetime.fromisoformat(lower[name].strip())
            except (KeyError, ValueError):
                continue
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            # Clocks that were never set say 1904 or 1970.
            if moment.year > 1970:
                return moment.timestamp()
    return math.nan
