"""The appearance descriptor: build, clothes by region, hair; on painted figures whose truth is known, and on people."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from enroll.body import REGIONS, hide_face, see_body
from enroll.clip import Clip
from enroll.encoders import registry
from enroll.examination import examine
from enroll.identity import Pose
from enroll.looks import Look, cut_look, spread
from enroll.pose import head_pose, project
from tests.timing import least_seconds

FACE = 80
HISTOGRAM = 33
SHIRT, HAIR, SKIN, WALL = (40, 70, 150), (60, 40, 25), (205, 160, 135), (150, 165, 150)
BROAD, ABOVE, BESIDE = slice(231, 238), 238, 239


def figure(
    *,
    shoulders: float = 2.4,
    shirt: tuple[int, int, int] = SHIRT,
    hair: tuple[int, int, int] = HAIR,
    long: bool = False,
    seed: int = 0,
) -> Look:
    """A front view with a face of 80 px: ``shoulders`` in face heights; grain as a camera has it."""
    frame = np.empty((400, 480, 3), np.uint8)
    frame[:] = WALL
    middle, top = 240, 120
    half = round(shoulders * FACE / 2)
    if long:
        cv2.rectangle(frame, (middle - 60, top - 5), (middle + 60, top + 110), hair, -1)
    outline = [(middle - 20, top + 85), (middle + 20, top + 85), (middle + half, top + 120), (middle + half, 400)]
    cv2.fillPoly(frame, [np.array([*outline, (middle - half, 400), (middle - half, top + 120)])], shirt)
    cv2.rectangle(frame, (middle - 16, top + 60), (middle + 16, top + 90), SKIN, -1)
    cv2.ellipse(frame, (middle, top + 30), (44, 52), 0, 180, 360, hair, -1)
    cv2.ellipse(frame, (middle, top + 42), (32, 44), 0, 0, 360, SKIN, -1)
    grain = np.random.default_rng(seed).normal(0, 6, frame.shape)
    frame = np.clip(cv2.GaussianBlur(frame, (3, 3), 0) + grain, 0, 255).astype(np.uint8)
    points = (project(Pose()) * 33 + [middle, top + 42]).astype(np.float32)
    box = np.array([middle - 32, top, middle + 32, top + FACE], np.float32)
    return cut_look(frame, box, points, index=0, second=0.0, confidence=1.0, pose=head_pose(points))


def describe(look: Look) -> NDArray[np.float32]:
    return registry.get("appearance").encode([look])[0]


def region(vector: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    start = HISTOGRAM * list(REGIONS).index(name)
    return vector[start : start + HISTOGRAM]


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-9))


@pytest.mark.parametrize("shoulders", [1.8, 2.2, 2.6, 3.0])
def test_shoulders_are_measured_in_face_heights(shoulders: float) -> None:
    """The body crop is four face heights wide, so a share of its width is a quarter of that in face heights."""
    widths = 4 * see_body(figure(shoulders=shoulders)).mask[96:120].mean(1)
    assert abs(np.median(widths) - shoulders) < 0.15 * shoulders


def test_build_is_held_by_the_vector() -> None:
    narrow, broad = describe(figure(shoulders=1.8)), describe(figure(shoulders=3.0))
    assert (broad[BROAD][3:] > 1.3 * narrow[BROAD][3:]).all()


def test_clothes_change_their_own_regions_alone() -> None:
    blue, red = describe(figure()), describe(figure(shirt=(170, 40, 40)))
    for name in ("chest", "arms", "waist"):
        assert alike(region(blue, name), region(red, name)) < 0.7
    for name in ("hair", "skin"):
        assert alike(region(blue, name), region(red, name)) > 0.95


def test_the_colour_of_hair_is_held() -> None:
    dark, fair = describe(figure()), describe(figure(hair=(200, 165, 100)))
    assert alike(region(dark, "hair"), region(fair, "hair")) < 0.7
    for name in ("chest", "arms", "waist", "skin"):
        assert alike(region(dark, name), region(fair, name)) > 0.95


def test_the_extent_of_hair_is_held() -> None:
    """Long hair fills the regions beside the face; short hair leaves the wall to be seen there."""
    short, long = see_body(figure()), see_body(figure(long=True))
    beside = np.zeros((128, 128), bool)
    for x0, y0, x1, y1 in REGIONS["hair_sides"]:
        beside[y0:y1, x0:x1] = True
    # 60 px of a face of 80 are 24 of the crop's pixels: 10 of the 16 columns on either side.
    assert abs(long.mask[beside].mean() - 10 / 16) < 0.06
    assert short.mask[beside].mean() < 0.3
    few, much = describe(figure()), describe(figure(long=True))
    assert much[BESIDE] > 1.8 * few[BESIDE] and few[ABOVE] > 0


def test_the_same_figure_stays_the_same_under_other_grain() -> None:
    vectors = [describe(figure(seed=seed)) for seed in range(4)]
    assert min(alike(a, b) for a, b in combinations(vectors, 2)) > 0.99


def test_what_the_frame_does_not_show_is_not_described() -> None:
    look = figure()
    bottom = int(look.box[3]) + 20
    vector = describe(dataclasses.replace(look, patch=look.patch[:bottom].copy()))
    for name in ("chest", "waist", "arms"):
        assert not region(vector, name).any()
    assert region(vector, "hair").any()


def test_a_hidden_face_leaves_the_clothes() -> None:
    look = figure()
    shown, hidden = describe(look), describe(hide_face(look))
    for name in ("chest", "arms", "waist"):
        assert alike(region(shown, name), region(hidden, name)) > 0.98


def test_a_look_costs_little() -> None:
    """A body is described from a handful of looks; all of them together may take a tenth of a second."""
    looks = [figure(seed=seed) for seed in range(4)]
    encoder = registry.get("appearance")
    assert least_seconds(lambda: encoder.encode(looks)) < 0.1


def test_people_are_told_by_their_clothes_from_half_a_clip_to_the_other(shared: Path) -> None:
    halves: dict[tuple[str, int], NDArray[np.float32]] = {}
    names = ("grid_s31_bgiq6p", "grid_s2_pwij3p", "grid_x_bb_bbaf2n", "grid_x_br_brbk7n", "grid_x_lb_lbbc2a")
    for name in names:
        source = Clip.open(shared / "clips" / f"{name}.mpg")
        subject = examine(source, registry.get("dlib-resnet-128"), scope=("face", "body")).subject
        assert subject is not None
        looks = sorted(subject.looks, key=lambda look: look.second)
        for half, part in enumerate((looks[: len(looks) // 2], looks[len(looks) // 2 :])):
            halves[name, half] = registry.get("appearance").encode(spread(part, 2)).mean(0)
    pairs = list(combinations(halves, 2))
    scores = [alike(halves[a], halves[b]) for a, b in pairs]
    assert roc_auc_score([a[0] == b[0] for a, b in pairs], scores) > 0.99
