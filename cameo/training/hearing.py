"""How alike two sounds are to what listens for speakers: with gradients, for a vocoder to learn by.

Spectral distances weigh a wave on the beach like a vowel. A speaker encoder does not; it is the one that generators are
conditioned on (GE2E; Wan et al., 2018), so that another one can still judge.
"""

from __future__ import annotations

import argparse
from typing import cast

from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from cameo.synth.clips import SAMPLE_RATE
from enroll.encoders import registry
from enroll.encoders.ge2e import GE2E

__all__ = ["Hearing", "hearing_options"]

_QUIETEST = 1e-4
_FINE = 80


class Hearing(nn.Module):
    """Distances of sounds (B, N) at 16 kHz, between 0.5 and 1.6 s long."""

    def __init__(self) -> None:
        super().__init__()
        encoder = cast(GE2E, registry.get("ge2e-256"))
        self._lstm, self._linear = encoder.network.lstm, encoder.network.linear
        self._mel = encoder.mel
        # A quarter of the window that the vocoder's own spectrograms have, as speaker encoders listen.
        self._fine = MelSpectrogram(SAMPLE_RATE, n_fft=400, hop_length=160, n_mels=_FINE, power=1.0, norm="slaney")
        self.requires_grad_(False)

    def forward(self, drawn: Tensor, sound: Tensor) -> Tensor:
        """Of the speakers (0 to 1), plus that of fine spectrograms, where there is sound."""
        loud = self._fine(sound)
        fine = (self._fine(drawn).clamp(min=_QUIETEST).log() - loud.clamp(min=_QUIETEST).log()).abs()
        weight = loud.sum(1, keepdim=True) / loud.sum(1, keepdim=True).mean(2, keepdim=True).clamp(min=_QUIETEST)
        return (1 - (self._speaker(drawn) * self._speaker(sound)).sum(-1)).mean() + (fine * weight.clamp(max=3)).mean()

    def _speaker(self, sound: Tensor) -> Tensor:
        # As the encoder itself makes it louder: to a power of -30 dB, never quieter.
        power = sound.square().mean(-1, keepdim=True).clamp(min=1e-10)
        sound = sound * (10**-1.5 / power.sqrt()).clamp(min=1.0)
        _, (hidden, _) = self._lstm(self._mel(sound).transpose(1, 2))
        return nn.functional.normalize(self._linear(hidden[-1]).relu(), dim=-1)


def hearing_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hearing", type=float, default=3.0, help="weight of what a speaker encoder hears; 0: none")
