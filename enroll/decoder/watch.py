"""The second job: every picture, small and grey, and now and then one in colour."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame

from enroll.decoder.pictures import Reducer, choose_stream
from enroll.decoder.wire import Job, Refusal

if TYPE_CHECKING:
    from enroll.decoder.child import Outlet

__all__ = ["watch"]

# A phone's first packet, or one lost on the way, does not spoil a clip.
_BAD_PACKETS, _BAD_SHARE = 3, 0.05
_MISSING_SECONDS, _MISSING_SHARE = 0.5, 0.05
_LARGE_PIXELS = 2_500_000


def watch(container: InputContainer, job: Job, out: Outlet) -> None:
    """Tells frames in clip order, at most ``job.max_rate`` a second, of which about ``job.rate`` carry pixels."""
    stream = choose_stream(container, job.max_pixels)
    stream.thread_type = "AUTO"
    # Each thread holds frames of its own; of 4K ones, two are enough to keep memory low.
    large = stream.width * stream.height > _LARGE_PIXELS
    stream.codec_context.thread_count = 2 if large else min(4, (os.cpu_count() or 1) + 1)
    reducer = Reducer(job.max_edge, job.grey_edge, stream.sample_aspect_ratio)
    every, some = _Pace(job.max_rate, job.fps), _Pace(job.rate, job.fps)
    start, last, bad = job.start, -math.inf, 0
    for count, packet in enumerate(container.demux(stream), 1):
        out.tick()
        frames = _decoded(packet)
        bad += frames is None
        if bad > max(_BAD_PACKETS, _BAD_SHARE * count):
            raise Refusal("undecodable")
        for frame in frames or ():
            if not 0 < frame.width * frame.height <= job.max_pixels:
                raise Refusal("too_large", frame.width, frame.height)
            # Some old containers give no times; then pictures come evenly.
            time = frame.time if frame.time is not None else last + start + 1 / max(job.fps, 1.0)
            if not math.isfinite(start):
                start = time if math.isfinite(time) else 0.0
            second = max(0.0, time - start) if math.isfinite(time) else 0.0
            last = max(last, second)
            if every.due(second):
                reducer.tell(frame, second, some.due(second), out)
    if last < 0:
        raise Refusal("undecodable")
    if job.seconds - last > max(_MISSING_SECONDS, _MISSING_SHARE * job.seconds) + 1 / max(job.fps, 0.5):
        raise Refusal("truncated", last, job.seconds)


class _Pace:
    """Thins by time, not by count: one frame for each ``1 / rate`` seconds, the one nearest to its beginning."""

    def __init__(self, rate: float, fps: float) -> None:
        self._rate = rate
        # Half a frame early is nearer than most of a frame late.
        self._early = 0.49 / fps if fps > 0 else 0.0
        self._slot = -1

    def due(self, second: float) -> bool:
        slot = int((second + self._early) * self._rate)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True


def _decoded(packet: Packet) -> list[VideoFrame] | None:
    """None for a packet that is damaged."""
    try:
        return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
    except MemoryError:
        raise
    except FFmpegError:
        return None
