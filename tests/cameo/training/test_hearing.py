"""What a vocoder learns to please."""

from __future__ import annotations

import numpy as np
import torch

from cameo.synth.voices import Voice, speak
from cameo.training.hearing import Hearing
from enroll.encoders import registry

SAMPLES = 16_000


def said(seed: int, words: tuple[str, ...] = ("hello", "seven", "yes")) -> torch.Tensor:
    heard = speak(Voice.from_seed(seed), list(words), seed=1).samples.astype(np.float32)
    return torch.from_numpy(np.resize(heard, SAMPLES))[None]


def test_the_speaker_is_the_encoders_own() -> None:
    sounds = torch.cat([said(1), said(2)])
    truth = registry.get("ge2e-256").encode(list(torch.nn.functional.pad(sounds, (0, 9_600)).numpy()))
    heard = Hearing()._speaker(torch.nn.functional.pad(sounds, (0, 9_600))).numpy()
    assert np.allclose((heard * truth).sum(1), 1.0, atol=5e-3)


def test_the_same_costs_nothing_and_another_voice_more_than_a_quieter_one() -> None:
    hearing, sound = Hearing(), said(1)
    same, quieter, another = (float(hearing(other, sound)) for other in (sound, 0.9 * sound, said(2)))
    assert same < 1e-5 < quieter < 0.3 * another


def test_it_teaches_the_sound_and_nothing_else() -> None:
    hearing, sound = Hearing(), said(1)
    drawn = (sound + 0.05 * torch.randn(sound.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    first = hearing(drawn, sound)
    first.backward()
    assert drawn.grad is not None and all(weight.grad is None for weight in hearing.parameters())
    assert float(hearing(drawn - 0.002 * drawn.grad / drawn.grad.abs().mean(), sound)) < float(first)
