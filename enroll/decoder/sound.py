"""Sound on its way out: one channel, 16 kHz, where its timestamps put it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.packet import Packet
from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE", "Sound"]

SAMPLE_RATE = 16_000
_JUMP_SECONDS = 0.05
_MAX_BREAKS = 10_000

# ITU-R BS.775-3, table 2, to one channel; the low-frequency channel has no speech.
_WEIGHTS = {"FL": 0.7071, "FR": 0.7071, "FC": 1.0, "LFE": 0.0, "LFE2": 0.0}
_WEIGHT_BEHIND = 0.5


class Sound:
    """Takes packets, gives mono float32 at ``SAMPLE_RATE`` in pieces that follow each other without a gap.

    Where timestamps leave a gap there is silence, and where they overlap the later sound is cut; so that a sample's
    number is its time. A jump of more than 50 ms from one packet to the next is noted in ``breaks``.

    Attributes:
        start: second of the first sample on the container's clock; None before there is one.
        breaks: seconds of jumps on the container's clock.
    """

    def __init__(self, max_seconds: float) -> None:
        self.start: float | None = None
        self.breaks: list[float] = []
        self._most = int((max_seconds + 1) * SAMPLE_RATE)
        self._samples = 0
        # Samples still to be dropped, and the second at which the next packet should begin.
        self._cut = 0
        self._due = 0.0
        self._kind: tuple[object, ...] = ()
        self._resampler: AudioResampler | None = None
        self._weights = np.ones(1, np.float32)

    @property
    def seconds(self) -> float:
        return self._samples / SAMPLE_RATE

    def add(self, packet: Packet) -> Iterator[NDArray[np.float32]]:
        try:
            frames = packet.decode()
        except FFmpegError:
            # One bad packet of sound is a click; how much speech is left is judged later.
            return
        for frame in frames:
            if isinstance(frame, AudioFrame) and frame.samples > 0 and frame.sample_rate > 0:
                yield from self._place(frame)

    def flush(self) -> Iterator[NDArray[np.float32]]:
        yield from self._mono(None)

    def _place(self, frame: AudioFrame) -> Iterator[NDArray[np.float32]]:
        if self.start is None:
            self.start = self._due = frame.time or 0.0
        time = self._due if frame.time is None else frame.time
        if abs(time - self._due) > _JUMP_SECONDS and len(self.breaks) < _MAX_BREAKS:
            self.breaks.append(time)
        self._due = time + frame.samples / frame.sample_rate
        # Packets may also drift from where their times put them without any jump.
        late = time - self.start - self.seconds
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind or abs(late) > _JUMP_SECONDS:
            yield from self._mono(None)
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=SAMPLE_RATE)
            self._kind, self._weights = kind, _weights(frame)
            missing = round((time - self.start) * SAMPLE_RATE) - self._samples
            self._cut = max(0, -missing)
            if missing > 0:
                yield from self._count(np.zeros(min(missing, self._most), np.float32))
        yield from self._mono(frame)

    def _mono(self, frame: AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        if self._resampler is None:
            return
        if frame is not None:
            # The resampler counts samples by itself; times are ours to keep.
            frame.pts = None
        for out in self._resampler.resample(frame):
            # Interleaved: of more than eight channels in planes of their own, PyAV reads past the last.
            channels = out.to_ndarray().reshape(-1, len(self._weights))
            mono = np.nan_to_num(channels @ self._weights, nan=0.0, posinf=0.0, neginf=0.0)
            dropped = min(self._cut, len(mono))
            self._cut -= dropped
            yield from self._count(np.ascontiguousarray(mono[dropped:], np.float32))

    def _count(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        if len(samples):
            self._samples += len(samples)
            yield samples


def _weights(frame: AudioFrame) -> NDArray[np.float32]:
    names = [channel.name for channel in frame.layout.channels]
    if len(names) == 1:
        return np.ones(1, np.float32)
    weights = np.array([_WEIGHTS.get(name, _WEIGHT_BEHIND) for name in names], np.float32)
    if "FC" not in names or not weights.any():
        # Stereo, or channels without names: as loud as any of them.
        weights = weights if weights.any() else np.ones(len(names), np.float32)
        weights /= weights.sum()
    return weights
