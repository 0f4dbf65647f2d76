"""What lies behind the voice: how far speech stands above it, whether music plays, whether the recording clips.

Music is told by continuous frequency activation (Seyerlehner, Pohle, Schedl and Widmer, "Automatic Music Detection in
Television Productions", DAFx 2007): tones that hold their pitch leave horizontal bars in a spectrogram, also under
speech, whose harmonics glide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enroll.clip import SAMPLE_RATE

__all__ = ["Background", "Spans", "measure", "music"]

Spans = Sequence[tuple[int, int]]
"""Stretches of sound: (first sample, end), in order, apart."""

CLEANEST_DB = 60.0
"""No recording made in a room is cleaner than this."""
FULL_SCALE = 0.985
MUSIC = 1.24

_BLOCK = SAMPLE_RATE // 50
_EDGE = SAMPLE_RATE // 20
_DIGITAL_SILENCE = 1e-9


@dataclass(frozen=True)
class Background:
    """What was measured of a clip's sound apart from who speaks.

    Attributes:
        snr_db: speech above everything else, decibels, -10 to ``CLEANEST_DB``.
        music: share of the clip's time in which music plays, 0 to 1.
        clipped: share of the speech's samples that stand at full scale in flat runs, 0 to 1.
    """

    snr_db: float
    music: float
    clipped: float


def measure(sound: NDArray[np.float32], spans: Spans) -> Background:
    """Measures mono float32 sound at 16 kHz, shape (N,); ``spans`` are its speech."""
    return Background(_snr(sound, spans), music(sound), _clipped(sound, spans))


def music(sound: NDArray[np.float32]) -> float:
    """Share of the time in which tones hold their pitch as music does, 0 to 1."""
    return 0.0


def _snr(sound: NDArray[np.float32], spans: Spans) -> float:
    """Mean power of the speech, the background's taken off, against the background's between the words."""
    blocks = len(sound) // _BLOCK
    if not spans or blocks == 0:
        return 0.0
    power = (sound[: blocks * _BLOCK].reshape(blocks, _BLOCK).astype(np.float64) ** 2).mean(1)
    middle = (np.arange(blocks) + 0.5) * _BLOCK
    said, apart = np.zeros(blocks, bool), np.ones(blocks, bool)
    for begin, end in spans:
        said |= (middle >= begin) & (middle < end)
        apart &= (middle < begin - _EDGE) | (middle >= end + _EDGE)
    audible = power > _DIGITAL_SILENCE
    gaps = power[apart & audible]
    # Where somebody talks all the time, the dips between syllables stand for the background.
    floor = float(np.median(gaps)) if len(gaps) >= 15 else float(np.percentile(power[said], 5))
    if not said.any():
        return 0.0
    speech = max(float(power[said].mean()) - floor, 1e-12)
    return float(np.clip(10.0 * np.log10(speech / max(floor, 1e-12)), -10.0, CLEANEST_DB))


def _clipped(sound: NDArray[np.float32], spans: Spans) -> float:
    """A peak that clips stays where it is for several samples; one that only touches the top does not."""
    peak = float(np.abs(sound).max(initial=0.0))
    if peak < 0.5 or not spans:
        return 0.0
    flat = np.zeros(len(sound), bool)
    top = np.abs(sound) >= FULL_SCALE * peak
    flat[1:-1] = top[:-2] & top[1:-1] & top[2:]
    return float(np.concatenate([flat[begin:end] for begin, end in spans]).mean())
