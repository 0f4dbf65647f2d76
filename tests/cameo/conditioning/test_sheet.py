"""What a reference sheet shows, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cameo.conditioning.errors import CastRefused
from cameo.conditioning.sheet import reference_sheet
from enroll.identity import Crop
from tests.cameo.conditioning.test_features import make_identity


def flat(kind: str, shade: int, quality: float) -> Crop:
    return Crop(kind, np.full((128, 128, 3), shade, np.uint8), 0.0, quality)


@pytest.mark.parametrize(
    ("height", "width", "cells"),
    [
        (128, 128, {(0, 0): 10, (0, 1): 90, (1, 0): 60}),
        (64, 192, {(0, 0): 10, (0, 1): 90, (0, 2): 60}),
        (192, 64, {(0, 0): 10, (1, 0): 90, (2, 0): 60}),
    ],
)
def test_the_body_comes_first_and_then_heads_by_quality(height, width, cells):
    crops = (flat("head", 60, 0.5), flat("body", 10, 0.1), flat("head", 90, 0.8), flat("body", 200, 0.05))
    sheet = np.asarray(reference_sheet(replace(make_identity(), crops=crops), height, width))
    assert sheet.shape == (height, width, 3)
    for (row, column), shade in cells.items():
        assert (sheet[row * 64 + 32, column * 64 + 32] == shade).all()


def test_a_wide_sheet_stretches_nobody():
    sheet = np.asarray(reference_sheet(replace(make_identity(), crops=(flat("head", 60, 0.5),)), 64, 256))
    shown = (sheet[32, :, 0] == 60).nonzero()[0]
    assert (shown.min(), shown.max()) == (96, 159) and (sheet[32, :90] == 127).all()


def test_of_whom_no_picture_was_kept_there_is_no_sheet():
    with pytest.raises(CastRefused, match="no picture of @ada"):
        reference_sheet(replace(make_identity(), crops=()), 64, 64)
