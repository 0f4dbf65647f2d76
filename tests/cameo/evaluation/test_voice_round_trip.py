"""What is left of voices: nothing lost is nothing lost, a whisper of noise is nobody, other weights other voices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cameo.backbones.checkpoint import NANO
from cameo.backbones.mel import log_mel
from cameo.errors import UsageError
from cameo.evaluation.voice_round_trip import Saying, _through, open_voices, sayings, voice_round_trip


@pytest.fixture(scope="module")
def people() -> list[Saying]:
    return sayings(12)


def test_true_voices_are_told_apart_and_what_is_lost_is_told(people: list[Saying]) -> None:
    rng = np.random.default_rng(0)

    def drowned(sound: np.ndarray) -> np.ndarray:
        return (0.02 * sound + rng.normal(0, 0.05, len(sound))).astype(np.float32)

    whole = voice_round_trip("none", "nothing", people, lambda sound: sound)
    lost = voice_round_trip("none", "noise", people, drowned)
    assert whole.speech_found.right >= 9 and whole.rank1.right >= 0.9 * whole.speech_found.right
    assert whole.likeness > whole.strangers + 0.3
    assert lost.rank1.right <= 1 and lost.likeness < 0.2
    assert whole.digits.of == lost.digits.of == 24
    assert whole.digits.right >= 20 and lost.digits.right < 12


def test_what_is_shipped_gives_back_as_much_as_it_was_given(people: list[Saying]) -> None:
    vae, vocoder = open_voices(NANO)
    for first in (None, vae):
        back = _through(first, vocoder, 4, people[0].take)
        assert back.dtype == np.float32 and abs(len(back) - len(people[0].take)) <= 1600
    assert not torch.is_grad_enabled() or not vocoder.training


def test_a_folder_without_a_vocoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no vocoder"):
        open_voices(tmp_path)


def test_both_channels_say_the_same(people: list[Saying]) -> None:
    # Otherwise they cancel each other wherever they are mixed to one.
    _, vocoder = open_voices(NANO)
    with torch.no_grad():
        left, right = vocoder(log_mel(torch.from_numpy(people[0].take)[None, None]))[0]
    assert torch.allclose(left, right, atol=1e-3) and float(left.abs().max()) > 0.05
