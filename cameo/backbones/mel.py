"""The log-mel spectrogram that LTX-2's audio VAE reads and its vocoder writes.

Magnitudes (power 1) under a Hann window, Slaney's mel scale and area normalisation from 0 Hz to half the sample rate,
natural logarithm of what is at least 1e-5: the audio front end of the LTX-2 family. 16 kHz and a hop of 160 samples
give 100 frames a second.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

__all__ = ["FLOOR", "HOP", "N_FFT", "log_mel", "mel_bands"]

HOP = 160
"""Samples between frames."""
N_FFT = 1024
"""Length of window and transform, samples."""

FLOOR = 1e-5
"""Magnitudes below this count as silence; its logarithm, about -11.5, is what silence looks like."""


def log_mel(
    samples: torch.Tensor | NDArray[np.float32],
    sample_rate: int = 16_000,
    n_mels: int = 64,
    hop: int = HOP,
    n_fft: int = N_FFT,
) -> torch.Tensor:
    """Log-mel spectrogram, differentiable in ``samples``.

    Args:
        samples: sound in [-1, 1]: (N,) mono, (C, N) or (B, C, N) with C of 1 or 2. N must exceed ``n_fft / 2``.
        sample_rate: of ``samples``, Hz. Resample beforehand; this function does not.
        n_mels: bands.
        hop: samples between frames.
        n_fft: length of window and transform, samples.

    Returns:
        Float32, shape (2, T, n_mels) or (B, 2, T, n_mels) with T = N // hop; mono is repeated on both channels. Frame t
        is centred on sample ``t * hop``, so that T frames stand for exactly ``T * hop`` samples.
    """
    sound = torch.as_tensor(samples, dtype=torch.float32)
    if sound.ndim == 1:
        sound = sound[None]
    if sound.shape[-2] == 1:
        sound = sound.expand(*sound.shape[:-2], 2, sound.shape[-1])
    mel = _transform(sample_rate, n_mels, hop, n_fft, str(sound.device))(sound)
    # Centred framing adds one frame past the end; the encoder is causal, so leaving it out changes no other latent.
    mel = mel[..., : sound.shape[-1] // hop]
    return mel.clamp(min=FLOOR).log().transpose(-1, -2).contiguous()


def mel_bands(sample_rate: int = 16_000, n_mels: int = 64, device: str = "cpu") -> torch.Tensor:
    """How much each band of ``log_mel`` hears of each bin, (N_FFT / 2 + 1, n_mels)."""
    bands: torch.Tensor = _transform(sample_rate, n_mels, HOP, N_FFT, device).mel_scale.fb
    return bands


@lru_cache(maxsize=8)
def _transform(
    sample_rate: int, n_mels: int, hop: int, n_fft: int, device: str
) -> torchaudio.transforms.MelSpectrogram:
    # Kept for all callers: made under inference mode, its window could never serve a gradient.
    with torch.inference_mode(False):
        return torchaudio.transforms.MelSpectrogram(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=n_fft,
            hop_length=hop,
            f_min=0.0,
            f_max=sample_rate / 2,
            n_mels=n_mels,
            center=True,
            pad_mode="reflect",
            power=1.0,
            norm="slaney",
            mel_scale="slaney",
        ).to(device)
