"""The label: there, legible on anything, in its corner, and off only when the operator says so."""

from __future__ import annotations

import numpy as np
import pytest

from cameo.marks.label import label, wanted


@pytest.mark.parametrize("size", [(128, 128), (64, 64), (720, 1280), (1920, 1080)])
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_it_is_in_its_corner_and_stands_out(size: tuple[int, int], grey: int) -> None:
    height, width = size
    plain = np.full((2, height, width, 3), grey, np.uint8)
    made = label(plain)
    assert made.shape == plain.shape and (plain == grey).all()
    changed = (made != plain).any((0, 3))
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert rows[0] > 0.75 * height and columns[0] < 0.1 * width
    # Large enough to be read, small enough not to be the picture.
    assert rows[-1] - rows[0] >= 5 and changed.mean() < 0.2
    corner = made[0, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(float)
    assert corner.max() > 215 and np.percentile(corner, 20) < 145
    assert np.array_equal(made[0], made[1])


def test_pictures_smaller_than_the_words() -> None:
    for height, width in ((16, 16), (8, 200), (200, 8)):
        assert label(np.zeros((1, height, width, 3), np.uint8)).shape == (1, height, width, 3)


def test_an_operator_may_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAMEO_LABEL", raising=False)
    assert wanted()
    for value, expected in (("off", False), ("0", False), ("on", True), ("", True)):
        monkeypatch.setenv("CAMEO_LABEL", value)
        assert wanted() is expected
