"""Whose face a clip shows is what most clips of that person show."""

from __future__ import annotations

import numpy as np
import pytest

from cameo.training.adapter.faces import of_one_face
from enroll.subject import SAME_FACE


def somebody(seed: int) -> np.ndarray:
    """Far from everybody else, as strangers are."""
    face = np.random.default_rng(seed).normal(size=128)
    return (face / np.linalg.norm(face)).astype(np.float32)


def beside(face: np.ndarray, distance: float, seed: int = 99) -> np.ndarray:
    return (face + distance * somebody(seed)).astype(np.float32)


ADA, BO = somebody(0), somebody(1)


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        ({}, ""),
        ({"a": ADA}, "a"),
        ({"a": ADA, "b": beside(ADA, 0.9 * SAME_FACE)}, "ab"),
        ({"a": ADA, "b": beside(ADA, 1.1 * SAME_FACE)}, ""),
        ({"a": ADA, "b": beside(ADA, 0.3), "x": BO}, "ab"),
        ({"a": ADA, "b": beside(ADA, 0.3), "x": BO, "y": beside(BO, 0.3)}, ""),
        # Over the years, each near the one before.
        ({str(year): beside(ADA, 0.4 * year) for year in range(5)}, "01234"),
    ],
)
def test_most_clips_say_whose_face_it_is(faces: dict[str, np.ndarray], expected: str):
    assert of_one_face(faces) == set(expected)
    # Names decide nothing.
    assert {name[::-1] for name in of_one_face({f"0{name}": face for name, face in faces.items()})} == {
        f"{name}0" for name in expected
    }
