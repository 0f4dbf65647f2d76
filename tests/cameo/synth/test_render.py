"""The renderer's own contracts: rotation signs and what a landmark is."""

from __future__ import annotations

import numpy as np
import pytest

from cameo.synth.people import Outfit, Person
from cameo.synth.render import landmarks, rotation


def numbers(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> dict[str, float]:
    return Person.from_seed(5).traits() | rotation(yaw, pitch, roll) | {"zoom": 0.285, "cx": 0.0, "cy": 0.0}


def test_a_rotation_is_orthonormal():
    entries = rotation(20, -10, 5)
    matrix = np.array([[entries[f"r{i}{j}"] for j in range(3)] for i in range(3)])
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_positive_yaw_turns_the_nose_to_the_right_of_the_picture():
    ahead, turned = landmarks(numbers(), 128, 128), landmarks(numbers(yaw=20), 128, 128)
    assert turned[2, 0] > ahead[2, 0] + 5


def test_positive_pitch_looks_up():
    ahead, up = landmarks(numbers(), 128, 128), landmarks(numbers(pitch=15), 128, 128)
    assert up[2, 1] < ahead[2, 1] - 3


def test_positive_roll_tilts_clockwise():
    points = landmarks(numbers(roll=15), 128, 128)
    assert points[1, 1] > points[0, 1]


def test_people_differ_and_stay_themselves():
    assert Person.from_seed(1) == Person.from_seed(1)
    assert Person.from_seed(1).traits() != Person.from_seed(2).traits()
    assert Outfit.from_seed(1, 0) != Outfit.from_seed(1, 1)
