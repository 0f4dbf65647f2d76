"""Where heads are in a scene, and crops laid there."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from cameo.conditioning import Box, Presence
from cameo.conditioning.placing import GROUND, Placing, frontal, latent_times, lay_crop, placings_for
from enroll.alignment import HEAD_LANDMARKS, head_crop, similarity
from enroll.identity import Crop, Pose

SHOTS = {"close-up": (0.8, 0.1, 0.1), "medium shot": (0.5, 0.25, 0.12)}


@pytest.mark.parametrize(
    ("caption", "scale"),
    [("a Close-Up of a person", 0.8), ("medium shot of a person", 0.5), ("a person by the sea", 0.8)],
)
def test_the_caption_asks_for_a_shot(caption: str, scale: float):
    ((at, placing),) = placings_for(SHOTS, caption, None, (0.0, 0.3))
    assert isnan(at) and placing == Placing(*SHOTS["close-up" if scale == 0.8 else "medium shot"])


@pytest.mark.parametrize(("shot", "beside"), [("close-up", 0.8 * 0.78), ("medium shot", 0.4)])
def test_in_a_region_a_head_is_in_its_middle_and_no_larger_than_fits(shot: str, beside: float):
    alone = Placing(*SHOTS[shot])
    for left, right in ((0.0, 0.5), (0.5, 1.0), (0.25, 0.5)):
        ((_, placing),) = placings_for(SHOTS, f"{shot} of two people", Presence.at(left, 0.0, right, 1.0), ())
        assert placing.x + placing.scale / 2 == pytest.approx((left + right) / 2)
        assert placing.y + placing.scale / 2 == pytest.approx(alone.y + alone.scale / 2)
        assert placing.scale == pytest.approx(beside if right - left == 0.5 else 0.4, abs=0.005)
    ((_, low),) = placings_for(SHOTS, shot, Presence.at(0.0, 0.6, 1.0, 1.0), ())
    assert low.y == 0.6, "a region that is too low for its head begins with it"


def test_a_head_goes_along_with_its_region():
    path = ((0.0, Box(0.0, 0.0, 0.5, 1.0)), (1.0, Box(0.5, 0.0, 1.0, 1.0)))
    laid = placings_for(SHOTS, "", Presence(path=path), (0.0, 0.5, 1.0))
    assert [at for at, _ in laid] == [0.0, 0.5, 1.0]
    assert np.allclose([one.x + one.scale / 2 for _, one in laid], [0.25, 0.5, 0.75])


def test_times_are_those_of_the_queries(transformer):
    # LTX-2's first latent is the first frame, and every other one eight.
    assert latent_times(transformer, 3, 8.0) == pytest.approx([1 / 16, 5 / 8, 13 / 8])


def test_who_looks_into_the_camera_comes_first():
    pixels = np.zeros((128, 128, 3), np.uint8)
    crops = [Crop("head", pixels, 0.0, 1.0, Pose(yaw, pitch)) for yaw, pitch in ((20.0, 0.0), (-3.0, 2.0), (0.0, -9.0))]
    assert [crop.pose.yaw for crop in frontal(crops)] == [-3.0, 0.0, 20.0]


def test_a_crop_fills_its_place_and_nothing_else():
    laid = lay_crop(np.full((128, 128, 3), 250, np.uint8), Placing(0.5, 0.25, 0.125).matrix((64, 64), 128), (64, 64))
    assert (laid[9:39, 17:47] == 250).all(), "within"
    outside = np.ones((64, 64), bool)
    outside[7:41, 15:49] = False
    assert (laid[outside] == GROUND).all()


def test_a_crop_laid_by_a_face_lies_on_that_face():
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 255, (16, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    landmarks = HEAD_LANDMARKS * 0.6 + np.array([20.0, 15.0], np.float32)
    crop = head_crop(picture, landmarks)
    laid = lay_crop(crop, similarity(HEAD_LANDMARKS.astype(float), landmarks.astype(float)), (128, 128))
    inside = np.s_[20:85, 25:90]
    assert np.abs(laid[inside].astype(int) - picture[inside]).mean() < 12
    assert (laid[:10] == GROUND).all()


def test_a_face_found_by_a_detector_says_where_its_crop_lies():
    # A face's box in a crop: 76 px of 128, its middle at 69 px; see ``enroll.alignment``.
    placing = Placing.around((0.5, 0.5), 0.3)
    assert placing.scale == pytest.approx(0.3 * 128 / 76, rel=0.01)
    assert placing.x + placing.scale / 2 == pytest.approx(0.5)
    assert placing.y + placing.scale * 69 / 128 == pytest.approx(0.5, abs=0.01)
