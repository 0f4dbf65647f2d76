"""Where a recording was put together from pieces: silence that no microphone gives, a background that changes for good.

Between words there is nothing but the room and the microphone, and those stay what they are. So the spectra of the
pauses before a moment are held against those after it: a change that is large beside how much they differ among
themselves is one of recording. What is spliced without a change of background, or where nobody pauses, is not found
this way; see ``benchmarks/challenge.py`` for how much is.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE
from enroll.spectra import bins, magnitudes

__all__ = ["find_splices"]

CHANGE_DB = 6.0
"""Change of the pauses' spectrum, median over the bands. In unspliced recordings it was at most 3 dB."""
_SCATTER = 0.5
"""Share of the change that pauses on one side may differ among themselves."""
SILENT = 1e-5
"""RMS below which there is no microphone: -100 dB of full scale."""

_BANDS = np.array([100, 300, 600, 1000, 1600, 2500, 3800, 5500, 7600])
_WINDOW, _STEP = SAMPLE_RATE // 40, SAMPLE_RATE // 100
_BESIDE = 3
# After speech the room still rings; before it, a breath is drawn.
_RINGING, _BREATH, _PAUSE = SAMPLE_RATE // 10, SAMPLE_RATE // 20, SAMPLE_RATE * 3 // 20
# Steps of 10 ms: a hole in the sound is this long at least; whoever has more of it than that share uses a noise gate.
_HOLE, _GATED = 3, 0.1
_AUDIBLE = 3e-4


def find_splices(sound: NDArray[np.float32], speech: Spans) -> tuple[float, ...]:
    """Seconds at which a recording does not go on as it was.

    Args:
        sound: mono float32 at 16 kHz, shape (N,).
        speech: (first sample, end) of what is said in it; between lies the background.
    """
    return tuple(sorted({*_holes(sound), *_changes(sound, speech)}))


def _holes(sound: NDArray[np.float32]) -> list[float]:
    """Where sound breaks off into digital silence and comes back at once."""
    count = len(sound) // _STEP
    level = np.sqrt((sound[: count * _STEP].reshape(count, _STEP).astype(np.float64) ** 2).mean(1))
    silent = level < SILENT
    inner = np.flatnonzero(~silent)
    if len(inner) == 0 or silent[inner[0] : inner[-1]].mean() > _GATED:
        return []
    edges = np.flatnonzero(np.diff(silent.astype(int)))
    found = []
    for begin, end in zip(edges[:-1] + 1, edges[1:] + 1, strict=True):
        if silent[begin] and end - begin >= _HOLE:
            # A gate fades; a splice does not.
            beside = min(level[max(0, begin - 3) : begin].max(), level[end : end + 3].max())
            if beside > _AUDIBLE:
                found.append(round(float(begin) / 100, 2))
    return found


def _changes(sound: NDArray[np.float32], speech: Spans) -> list[float]:
    """Where the background of all pauses before differs from that of the pauses after."""
    pauses = _pauses(speech, len(sound))
    if len(pauses) < 3:
        return []
    levels = _levels(sound)
    spectra = np.stack([np.percentile(levels[:, a // _STEP + 1 : b // _STEP - 1], 25, axis=1) for a, b in pauses])
    found: list[tuple[float, float]] = []
    for place in range(1, len(pauses)):
        before, after = spectra[max(0, place - _BESIDE) : place], spectra[place : place + _BESIDE]
        change = float(np.median(np.abs(np.median(after, axis=0) - np.median(before, axis=0))))
        # One pause on either side of one word tells nothing of how pauses differ here.
        if change >= CHANGE_DB and max(_spread(before), _spread(after)) < _SCATTER * change:
            found.append((change, (pauses[place - 1][1] + pauses[place][0]) / 2 / SAMPLE_RATE))
    return [round(second, 2) for _, second in [max(found)]] if found else []


def _spread(spectra: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(spectra - np.median(spectra, axis=0)), axis=1).max())


def _pauses(speech: Spans, length: int) -> list[tuple[int, int]]:
    edges = [0, *(edge for span in speech for edge in span), length]
    pauses = [(a + _RINGING, b - _BREATH) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [(a, b) for a, b in pauses if b - a >= _PAUSE]


def _levels(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Decibels in each band, every 10 ms, shape (bands, T)."""
    bands = [bins(a, b, _WINDOW) for a, b in pairwise(_BANDS)]
    pieces = [[(piece[band] ** 2).mean(0) for band in bands] for piece in magnitudes(sound, _WINDOW, _STEP)]
    return np.asarray(10.0 * np.log10(np.concatenate(pieces, axis=1) + 1e-12), np.float64)
