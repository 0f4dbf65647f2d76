"""The first frame of a scene, from crops of the enrolled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cameo.conditioning import Box, CastRefused
from cameo.conditioning.opening import opening_frame
from enroll.alignment import CROP_SIZE
from enroll.identity import Crop
from tests.cameo.conditioning.test_features import make_identity

GREY = (127, 127, 127)


def plain(kind: str, colour: tuple[int, int, int], quality: float = 1.0) -> Crop:
    return Crop(kind, np.full((CROP_SIZE, CROP_SIZE, 3), colour, np.uint8), 0.0, quality)


def test_everybody_fills_their_region_and_nothing_else():
    red = replace(make_identity(), crops=(plain("head", (9, 9, 9)), plain("body", (200, 0, 0))))
    blue = replace(make_identity(), crops=(plain("head", (0, 0, 180), 0.4), plain("head", (0, 0, 220), 0.9)))
    frame = np.asarray(opening_frame([(red, Box(0, 0, 0.4, 1)), (blue, Box(0.6, 0.25, 1, 1))], 80, 120))
    assert frame.shape == (80, 120, 3)
    expected = np.full((80, 120, 3), GREY, np.uint8)
    expected[:, :48] = (200, 0, 0)  # the body, where one was kept
    expected[20:, 72:] = (0, 0, 220)  # the best head, where none was
    assert np.array_equal(frame, expected)


def test_a_narrow_region_shows_the_middle_and_its_top():
    pixels = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    pixels[: CROP_SIZE // 4, 3 * CROP_SIZE // 8 : 5 * CROP_SIZE // 8] = 255  # a head, at the top of the middle
    known = replace(make_identity(), crops=(Crop("body", pixels, 0.0, 1.0),))
    tall = np.asarray(opening_frame([(known, Box(0, 0, 1, 1))], CROP_SIZE, CROP_SIZE // 2))
    assert tall[: CROP_SIZE // 5, CROP_SIZE // 4].min() > 240 and tall[CROP_SIZE // 2 :].max() < 15
    flat = np.asarray(opening_frame([(known, Box(0, 0, 1, 1))], CROP_SIZE // 2, CROP_SIZE))
    assert flat[: CROP_SIZE // 5, CROP_SIZE // 2].min() > 240


def test_nobody_without_a_picture_opens_a_scene():
    with pytest.raises(CastRefused, match="no picture of @ada"):
        opening_frame([(replace(make_identity(), crops=()), Box(0, 0, 1, 1))], 64, 64)
