"""Sound made to fit."""

from __future__ import annotations

import numpy as np
import pytest

from cameo.sound import fitted, mono


def test_stereo_of_another_rate_becomes_mono_at_16_khz() -> None:
    time = np.arange(24_000) / 24_000
    tone = np.sin(2 * np.pi * 150 * time).astype(np.float32)
    sound = mono(np.stack([tone, 0.5 * tone]), 24_000)
    assert sound.shape == (16_000,)
    expected = 0.75 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)
    assert np.abs(sound - expected)[100:-100].max() < 0.01


@pytest.mark.parametrize("length", [90, 100, 110])
def test_sound_is_cut_or_hushed_to_its_picture(length: int) -> None:
    sound = np.arange(2 * length, dtype=np.float32).reshape(2, length) + 1
    made = fitted(sound, 100)
    assert made.shape == (2, 100) and np.array_equal(made[:, : min(length, 100)], sound[:, :100])
    assert not made[:, length:].any()
