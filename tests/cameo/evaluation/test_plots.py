"""Pictures of an evaluation, drawn for as many people as are evaluated."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from cameo.evaluation.plots import contact_sheet


def test_a_sheet_of_fifty_has_a_row_for_each_and_is_drawn_at_once(tmp_path: Path):
    colours = np.linspace(20, 200, 50).astype(np.uint8)
    people, takes = [], []
    for colour in colours:
        crop = SimpleNamespace(pixels=np.full((128, 128, 3), colour, np.uint8))
        people.append(SimpleNamespace(identity=SimpleNamespace(crops_of=lambda kind, crop=crop: [crop])))
        takes.append(SimpleNamespace(frames=np.full((25, 128, 128, 3), colour, np.uint8)))
    began = time.monotonic()
    contact_sheet(tmp_path / "sheet.png", people, takes, ["a person by the sea"] * 50)
    assert time.monotonic() - began < 60
    sheet = cv2.imread(str(tmp_path / "sheet.png"), cv2.IMREAD_GRAYSCALE)
    height, width = sheet.shape
    for column in (0.1, 0.5, 0.9):
        rows = sheet[:, int(column * width)]
        seen = [int(np.median(rows[int((n + 0.55) * height / 50) - 3 :][:6])) for n in range(50)]
        assert np.abs(np.array(seen) - colours).max() <= 1
