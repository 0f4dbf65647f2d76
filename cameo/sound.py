"""A scene's sound, made to fit: to a picture's length, or to those who listen to it."""

from __future__ import annotations

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from enroll.clip import SAMPLE_RATE

__all__ = ["fitted", "mono"]


def mono(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """One channel at 16 kHz, shape (N,), from (C, N) or (N,)."""
    channel = np.atleast_2d(sound).mean(0)
    resampled: NDArray[np.float32] = torchaudio.functional.resample(
        torch.from_numpy(np.ascontiguousarray(channel, np.float32)), sample_rate, SAMPLE_RATE
    ).numpy()
    return resampled


def fitted(sound: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """(C, samples): a vocoder ends within a frame of the picture; what differs is cut, or hushed."""
    cut = sound[:, :samples]
    return np.pad(cut, ((0, 0), (0, samples - cut.shape[1]))).astype(np.float32)
