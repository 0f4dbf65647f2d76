"""A short run of ``scene_bits``."""

from __future__ import annotations

import random
from pathlib import Path

from tests.faults.scene_bits import flip, make


def test_one_flipped_bit_is_found_or_says_nothing(tmp_path: Path) -> None:
    scene, authority = make(tmp_path)
    found = flip(scene, authority, 300, random.Random(1))
    assert found.digest == found.flips == 300
    assert found.misled == 0
    assert found.manifest >= 270
    # What C2PA does not look at: the brand of the file, padding, and the names of its own boxes.
    assert set(found.unseen) <= {"box ftyp", "box uuid", "padding of the signature"}
