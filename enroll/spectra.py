"""Spectrograms of long sound, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import stft

from enroll.clip import SAMPLE_RATE

__all__ = ["bins", "magnitudes"]

_PIECE_SECONDS = 20


def magnitudes(sound: NDArray[np.float32], size: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Magnitudes under a Hann window, frames centred on every ``hop``-th sample; memory does not grow with the sound.

    Args:
        sound: mono at 16 kHz, shape (N,), taken as silent beyond its ends.
        size: samples of a window, even.
        hop: samples from one frame to the next.

    Yields:
        Shape (size // 2 + 1, T): the frames of 20 s, then of the next; N // hop + 1 frames in all.
    """
    frames = len(sound) // hop + 1
    padded = np.pad(sound, (size // 2, size // 2 + hop))
    step = max(1, _PIECE_SECONDS * SAMPLE_RATE // hop)
    for first in range(0, frames, step):
        last = min(first + step, frames) - 1
        piece = padded[first * hop : last * hop + size]
        _, _, spectrum = stft(piece, SAMPLE_RATE, nperseg=size, noverlap=size - hop, boundary=None, padded=False)
        yield np.abs(spectrum).astype(np.float32)


def bins(low: float, high: float, size: int) -> slice:
    """The rows of a spectrogram between two frequencies, Hz."""
    return slice(int(np.ceil(low * size / SAMPLE_RATE)), int(np.ceil(high * size / SAMPLE_RATE)))
