"""What is heard about each frame, as a restorer is told it: a log-mel spectrogram of the person's own speech."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from cameo.restoration.network import SOUND_BANDS, SOUND_STEPS
from enroll.clip import SAMPLE_RATE

__all__ = ["heard_about"]

_HOP: Final = 160
_POOLED: Final = 2
_QUIETEST, _LOUDEST = -6.0, 2.0
"""Decades of power in a band of the spectrogram that stand for -1 and 1."""


def heard_about(
    sound: NDArray[np.float32], times: Sequence[float], spans: Sequence[tuple[float, float]] | None = None
) -> Tensor:
    """About [-1, 1], (T, SOUND_BANDS, SOUND_STEPS): 0.32 s about each time.

    Args:
        sound: mono at 16 kHz, in [-1, 1], (N,).
        times: seconds, T of them.
        spans: when the person speaks, in seconds; None: any time. All else is silence to them.
    """
    power = _mel()(torch.from_numpy(np.ascontiguousarray(sound, np.float32)))
    level = (power.clamp(min=1e-9).log10() - _QUIETEST) / (_LOUDEST - _QUIETEST) * 2 - 1
    level = level.clamp(-1, 1)
    if spans is not None:
        at = torch.arange(level.shape[1]) * _HOP / SAMPLE_RATE
        own = torch.zeros(level.shape[1], dtype=torch.bool)
        for begin, end in spans:
            own |= (at >= begin) & (at <= end)
        level = level.where(own, -1.0)
    width = SOUND_STEPS * _POOLED
    padded = torch.nn.functional.pad(level, (width // 2, width), value=-1.0)
    starts = [min(max(round(t * SAMPLE_RATE / _HOP), 0), level.shape[1]) for t in times]
    about = torch.stack([padded[:, start : start + width] for start in starts])
    return about.unflatten(2, (SOUND_STEPS, _POOLED)).mean(3)


@lru_cache(maxsize=1)
def _mel() -> MelSpectrogram:
    return MelSpectrogram(SAMPLE_RATE, n_fft=512, win_length=400, hop_length=_HOP, n_mels=SOUND_BANDS, f_min=80.0)
