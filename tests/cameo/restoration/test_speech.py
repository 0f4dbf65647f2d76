"""What a restorer hears."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cameo.restoration.network import SOUND_BANDS, SOUND_STEPS
from cameo.restoration.speech import heard_about

RATE = 16_000


def tone(frequency: float, seconds: float = 2.0) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_silence_is_the_least():
    heard = heard_about(np.zeros(RATE, np.float32), [0.0, 0.5, 0.99])
    assert heard.shape == (3, SOUND_BANDS, SOUND_STEPS) and float(heard.max()) < -0.7


def test_a_tone_is_in_its_band():
    low, high = (heard_about(tone(f), [1.0])[0].mean(1).argmax() for f in (300, 3000))
    assert int(low) < SOUND_BANDS / 3 < int(high)


def test_a_click_is_heard_at_its_time_and_only_near_it():
    sound = np.zeros(2 * RATE, np.float32)
    sound[RATE : RATE + 80] = 0.5
    before, there, after = heard_about(sound, [0.8, 1.0, 1.3]).amax(1)
    assert float(there[SOUND_STEPS // 2 - 1 : SOUND_STEPS // 2 + 2].max()) > float(before.max()) + 0.5
    assert float(after.max()) < -0.7


def test_what_others_say_is_not_heard():
    own = heard_about(tone(300), [0.5, 1.5], [(0.0, 1.0)])
    assert float(own[0].max()) > 0 and float(own[1].max()) == -1
    assert float(heard_about(tone(300), [0.5], []).max()) == -1


@pytest.mark.parametrize("at", [-0.5, 0.0, 1.99, 5.0])
def test_beyond_the_ends_it_is_silent(at: float):
    heard = heard_about(tone(300), [at])
    assert heard.shape == (1, SOUND_BANDS, SOUND_STEPS) and bool(heard.isfinite().all())
