"""Cutting a face out of a frame and laying back what changed of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cameo.restoration.aligned import LANDMARKS, MOUTH, PASTE, aligned, as_tensor, crop_middle, lay_back, mouths_hidden
from cameo.restoration.network import FACE
from enroll.alignment import head_crop


def moved(scale: float, degrees: float, x: float, y: float) -> NDArray[np.float32]:
    """The landmarks of a face that lies so in its frame."""
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return ((LANDMARKS - FACE / 2) @ matrix.T + [x, y]).astype(np.float32)


def smooth(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(40, 216, (height // 8, width // 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(("scale", "degrees"), [(0.8, 0), (1.0, 12), (0.6, -20)])
def test_landmarks_come_to_lie_where_they_should(scale: float, degrees: float):
    points = moved(scale, degrees, 70, 62)
    for mark, place in zip(points, LANDMARKS, strict=True):
        frame = np.zeros((128, 144, 3), np.uint8)
        cv2.circle(frame, tuple(round(float(v)) for v in mark), 2, (255, 255, 255), -1)
        light = aligned([frame], points[None])[0][..., 0].astype(float)
        y, x = (np.sum(axis * light) / light.sum() for axis in np.mgrid[0:FACE, 0:FACE])
        assert np.hypot(x - place[0], y - place[1]) < 1.5


def test_it_is_the_middle_of_a_head_crop():
    frame, points = smooth(128, 128), moved(0.8, 5, 64, 64)
    assert np.array_equal(aligned([frame], points[None])[0], crop_middle(head_crop(frame, points)))


@pytest.mark.parametrize(("scale", "degrees"), [(0.8, 0), (1.0, 10), (0.7, -15)])
def test_what_is_laid_back_is_found_there_again(scale: float, degrees: float):
    frame, points = smooth(128, 128), moved(scale, degrees, 64, 66)
    y, x = np.mgrid[0:FACE, 0:FACE]
    change = np.stack([20 * np.sin(x / 15), 15 * np.cos(y / 12), np.full((FACE, FACE), 10.0)], -1).astype(np.float32)
    after = aligned([lay_back(frame, change, points)], points[None])[0].astype(float)
    off = after - aligned([frame], points[None])[0] - change * PASTE[..., None]
    assert np.abs(off[8:-8, 8:-8]).mean() < 1.0


def test_nothing_but_the_face_is_changed():
    frame, points = smooth(128, 160), moved(0.5, 0, 60, 64)
    assert np.array_equal(lay_back(frame, np.zeros((FACE, FACE, 3), np.float32), points), frame)
    painted = lay_back(frame, np.full((FACE, FACE, 3), 300, np.float32), points)
    far = np.hypot(*np.mgrid[-64:64, -60:100]) > FACE * 0.5 * np.sqrt(2) + 1
    assert np.array_equal(painted[far], frame[far])
    assert (painted[60:68, 56:64] == 255).all()


def test_of_a_mouth_only_the_mean_is_left():
    rng = np.random.default_rng(0)
    faces = np.full((12, FACE, FACE, 3), 120, np.uint8)
    faces[:, 74:84, 46:66] = rng.integers(0, 255, (12, 1, 1, 1))  # opens and closes
    faces[:, :20] = rng.integers(0, 255, (12, 1, 1, 1))
    shown = mouths_hidden(faces, span=25)
    middle = shown[:, 78:80, 54:58]
    assert np.ptp(middle, axis=0).max() < 1 and abs(middle.mean() - faces[:, 78, 56].mean()) < 1
    assert np.allclose(shown[:, :20], faces[:, :20], atol=0.1)


def test_in_a_long_clip_the_mean_is_of_what_is_near():
    faces = np.zeros((60, FACE, FACE, 3), np.uint8)
    faces[40:] = 200
    shown = mouths_hidden(faces, span=10)[:, 79, 56, 0]
    assert shown[0] == 0 and shown[-1] == pytest.approx(200, abs=1)
    assert shown[40] == pytest.approx(100, abs=2)


def test_masks_are_shares_and_end_within_the_face():
    assert MOUTH.min() >= 0 and MOUTH.max() <= 1 and MOUTH[0].max() < 1e-3
    assert PASTE[0].max() == 0 == PASTE[:, -1].max() and PASTE[FACE // 2, FACE // 2] == 1
    left, right = LANDMARKS[3:].round().astype(int)
    assert MOUTH[left[1], left[0]] > 0.9 and MOUTH[right[1], right[0]] > 0.9 and MOUTH[int(LANDMARKS[2, 1]), 56] < 0.1


def test_pictures_become_what_networks_read():
    tensor = as_tensor(np.full((2, 3, FACE, FACE, 3), 255, np.uint8))
    assert tensor.shape == (2, 3, 3, FACE, FACE) and float(tensor.min()) == 1
