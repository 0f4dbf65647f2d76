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
from scipy.ndimage import median_filter, uniform_filter1d
from scipy.signal import find_peaks

from enroll.clip import SAMPLE_RATE
from enroll.spectra import bins, magnitudes

__all__ = ["Background", "Spans", "measure", "music"]

Spans = Sequence[tuple[int, int]]
"""Stretches of sound: (first sample, end), in order, apart."""

CLEANEST_DB = 60.0
"""No recording made in a room is cleaner than this."""
FULL_SCALE = 0.985
MUSIC = 0.46
"""How long the most lasting tones of a block last, as a share of it: 98 in 100 blocks of speech stay below 0.47, and
music reaches 0.6 and more."""

_FFT, _HOP = 2048, 512
_TONES = (150.0, 4500.0)
_ABOVE_DB = 6.0
_BLOCK_SECONDS = 2.6

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
    """Share of the time in which tones hold their pitch as music does, 0 to 1; sound as ``measure`` takes it."""
    if len(sound) < _FFT:
        return 0.0
    bars = np.concatenate([_bars(piece) for piece in magnitudes(sound, _FFT, _HOP)], axis=1)
    length = round(_BLOCK_SECONDS * SAMPLE_RATE / _HOP)
    starts = range(0, max(1, bars.shape[1] - length + 1), length // 2)
    held = np.array([_held(bars[:, at : at + length].mean(1)) for at in starts])
    return float((median_filter(held, 3, mode="nearest") >= MUSIC).mean())


def _bars(magnitude: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a frequency stands out among its neighbours."""
    level = 20.0 * np.log10(magnitude + 1e-6)
    return np.asarray((level - uniform_filter1d(level, 21, axis=0))[bins(*_TONES, _FFT)] > _ABOVE_DB)


def _held(activation: NDArray[np.float64]) -> float:
    """Mean height of the five highest peaks of the share of time in which each frequency stands out, 0 to 1."""
    peaks, _ = find_peaks(activation)
    valleys = np.concatenate([[0], find_peaks(-activation)[0], [len(activation) - 1]])
    right = np.clip(np.searchsorted(valleys, peaks), 1, len(valleys) - 1)
    heights = activation[peaks] - (activation[valleys[right - 1]] + activation[valleys[right]]) / 2
    return float(np.sort(heights)[-5:].sum() / 5)


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
