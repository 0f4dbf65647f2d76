"""Backgrounds and effects: quiet, repeatable, and unlike each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from cameo.errors import UsageError
from cameo.synth import sounds
from cameo.synth.settings import SETTINGS


def test_an_unknown_setting_is_refused_and_the_hint_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="moonbase") as refusal:
        sounds.ambience("moonbase", 1.0, seed=0)
    assert "forest" in refusal.value.hint


def test_every_setting_that_can_be_drawn_can_be_heard() -> None:
    assert set(sounds.AMBIENCES) == set(SETTINGS)


@pytest.mark.parametrize("setting", sounds.AMBIENCES)
@pytest.mark.parametrize("seconds", [0.04, 1.0, 2.5])
def test_a_bed_is_quiet_of_the_right_length_and_repeatable(setting: str, seconds: float) -> None:
    bed = sounds.ambience(setting, seconds, seed=5)
    assert bed.dtype == np.float32
    assert bed.shape == (round(seconds * 16_000),)
    assert 0.05 <= np.abs(bed).max() <= 0.1 + 1e-6
    np.testing.assert_array_equal(bed, sounds.ambience(setting, seconds, seed=5))
    assert not np.array_equal(bed, sounds.ambience(setting, seconds, seed=6))


def test_places_sound_unlike_each_other() -> None:
    """The nearest spectrum of another occasion is that of the same place."""

    def bands(setting: str, seed: int) -> NDArray[np.float64]:
        bed = sounds.ambience(setting, 4.0, seed=seed)
        power = np.abs(np.fft.rfft(bed / bed.std())) ** 2
        edges = np.geomspace(8, len(power), 16).astype(int)
        return np.log([power[a:b].mean() for a, b in itertools.pairwise(edges)])

    known = {setting: np.mean([bands(setting, seed) for seed in range(4)], axis=0) for setting in sounds.AMBIENCES}
    heard = [(s, bands(s, seed)) for s in sounds.AMBIENCES for seed in (10, 11, 12)]
    right = sum(min(known, key=lambda k: float(np.abs(known[k] - spectrum).sum())) == s for s, spectrum in heard)
    assert right >= len(heard) - 1


def test_a_board_rings_higher_than_sand() -> None:
    def brightness(sound: NDArray[np.float32]) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float((power * np.fft.rfftfreq(len(sound), 1 / 16_000)).sum() / power.sum())

    assert brightness(sounds.bounce(1.0, seed=0)) > 2 * brightness(sounds.bounce(0.0, seed=0))


def test_steps_are_heard_when_the_foot_lands() -> None:
    walk = sounds.steps([0.2, 0.7, 5.0], 1.0, seed=0)
    loud = np.flatnonzero(np.abs(walk) > 0.05) / 16_000
    assert walk.shape == (16_000,)
    assert loud.min() == pytest.approx(0.2, abs=0.02)
    assert not ((loud > 0.45) & (loud < 0.69)).any()


def test_soft_ground_crunches_longer_than_hard_ground_taps() -> None:
    def length(sound: NDArray[np.float32]) -> float:
        energy = np.cumsum(sound**2) / np.sum(sound**2)
        return float(np.searchsorted(energy, 0.9) - np.searchsorted(energy, 0.1))

    soft = sounds.steps([0.0], 0.3, seed=1, surface="soft")
    assert length(soft) > 2 * length(sounds.steps([0.0], 0.3, seed=1))


def test_a_downpour_is_louder_than_a_drizzle() -> None:
    assert np.std(sounds.rain(1.0, seed=0, strength=1.0)) > 1.5 * np.std(sounds.rain(1.0, seed=0, strength=0.0))
