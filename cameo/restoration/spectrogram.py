"""The sound of a vocoder, brought back to the spectrogram that it was made from.

A small vocoder gets the pitch and the time of everything about right, and how loud each band is only nearly; by that,
though, voices are told apart. So the magnitudes of its sound are scaled to the log-mel spectrogram it was given, and
its phases follow by turns, as Griffin and Lim let them ("Signal estimation from modified short-time Fourier
transform", 1984), begun at the vocoder's own instead of at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from diffusers import LTX2Pipeline
from torch import Tensor

from cameo.backbones.mel import FLOOR, N_FFT, mel_bands
from enroll.errors import BadInput

__all__ = ["as_its_spectrogram", "vocoder_keeps_to_spectrogram"]

_MOST: Final = 10.0
"""How much louder a bin may become in one iteration: where a vocoder is silent there is nothing to scale."""


def as_its_spectrogram(sound: Tensor, mel: Tensor, sample_rate: int, hop: int, iterations: int) -> Tensor:
    """Sound nearer to the spectrogram it should have, float32, shape as ``sound``.

    Args:
        sound: of a vocoder, in [-1, 1], (..., N) with N at most T * hop.
        mel: what the vocoder was given, log-mel as ``cameo.backbones.mel`` makes it, (..., T, n_mels).
        sample_rate: of both, Hz.
        hop: samples between the spectrogram's frames.
        iterations: five are as good as thirty; 0 changes nothing.
    """
    length = sound.shape[-1]
    asked = mel.float().exp().transpose(-1, -2)
    bands = mel_bands(sample_rate, mel.shape[-1], str(sound.device))
    # Of a bin, what all bands that hear it ask for on average. Those that none hears stay as they are.
    heard = bands.sum(1, keepdim=True)
    window = torch.hann_window(N_FFT, device=sound.device)
    flat, asked = sound.float().flatten(0, -2), asked.flatten(0, -3)
    for _ in range(iterations):
        spectrum = torch.stft(flat, N_FFT, hop, window=window, return_complex=True)[..., : asked.shape[-1]]
        ratio = asked / (bands.T @ spectrum.abs()).clamp(min=FLOOR)
        scale = torch.where(heard > 0, bands @ ratio / heard.clamp(min=FLOOR**2), 1.0)
        flat = torch.istft(spectrum * scale.clamp(max=_MOST), N_FFT, hop, window=window, length=length)
    return flat.clamp(-1, 1).reshape(sound.shape)


@contextmanager
def vocoder_keeps_to_spectrogram(pipeline: LTX2Pipeline, iterations: int) -> Iterator[None]:
    """Within the block, what the pipeline's vocoder makes is brought back to what it was given.

    Args:
        pipeline: any of the LTX-2 family.
        iterations: see ``as_its_spectrogram``; 0 leaves the vocoder alone.

    Raises:
        BadInput: the vocoder's sound is at another rate than its spectrogram, as one that extends the band.
    """
    if not iterations:
        yield
        return
    vocoder, made_for = pipeline.vocoder, pipeline.audio_vae.config
    rate = int(made_for.sample_rate)
    if vocoder.config.output_sampling_rate != rate:
        raise BadInput(
            f"the vocoder writes {vocoder.config.output_sampling_rate} Hz from a spectrogram of {rate} Hz",
            hint="leave vocoder_iterations out of cameo.json",
        )

    def refined(_vocoder: Any, given: tuple[Tensor, ...], made: Tensor) -> Tensor:
        return as_its_spectrogram(made, given[0], rate, int(made_for.mel_hop_length), iterations).to(made.dtype)

    hook = vocoder.register_forward_hook(refined)
    try:
        yield
    finally:
        hook.remove()
