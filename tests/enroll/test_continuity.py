"""Cuts: made ones are found, where they are; what merely moves, flashes or brightens is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enroll.clip import Clip
from enroll.continuity import CutDetector
from tests.timing import least_seconds

FPS = 25
Frames = list[NDArray[np.uint8]]


def scene(seed: int, count: int, *, speed: float = 1.0) -> Frames:
    """A textured wall and a head before it that swings from side to side, with a camera's noise."""
    rng = np.random.default_rng(seed)
    wall = cv2.resize(rng.integers(0, 255, (9, 16), np.uint8), (480, 270), interpolation=cv2.INTER_CUBIC)
    face = cv2.resize(rng.integers(0, 255, (6, 5), np.uint8), (110, 140), interpolation=cv2.INTER_CUBIC)
    frames = []
    for i in range(count):
        grey = wall.astype(np.int16) // 2 + 60
        x = round(185 + 90 * np.sin(speed * i / FPS * 2))
        grey[90:230, x : x + 110] = face
        frames.append(np.clip(grey + rng.normal(0, 3, grey.shape), 0, 255).astype(np.uint8))
    return frames


def found(frames: Frames) -> list[int]:
    detector = CutDetector()
    for i, grey in enumerate(frames):
        detector.see(i / FPS, grey)
    return [round(second * FPS) for second in detector.cuts()]


@pytest.mark.parametrize("at", [4, 30, 55])
def test_a_cut_to_another_scene_is_found_where_it_is(at: int) -> None:
    assert found(scene(1, at) + scene(2, 60 - at)) == [at]


def test_a_cut_is_seen_at_once() -> None:
    detector = CutDetector()
    seen = [i for i, grey in enumerate(scene(1, 20) + scene(2, 20)) if detector.see(i / FPS, grey)]
    assert seen == [20]


def test_a_jump_within_a_scene_is_found() -> None:
    frames = scene(1, 90)
    assert found(frames[:25] + frames[60:]) == [25]


@pytest.mark.parametrize("length", [6, 12, 24])
def test_a_dissolve_is_found(length: int) -> None:
    before, after = (scene(seed, 30 + length, speed=0.7) for seed in (1, 2))
    mixed = [
        cv2.addWeighted(before[30 + i], 1 - share, after[i], share, 0).astype(np.uint8)
        for i, share in enumerate((i + 1) / (length + 1) for i in range(length))
    ]
    cuts = found(before[:30] + mixed + after[length:])
    assert len(cuts) == 1
    assert 30 <= cuts[0] <= 30 + length


@pytest.mark.parametrize("speed", [0.0, 1.0, 3.0])
def test_a_head_that_moves_is_no_cut(speed: float) -> None:
    assert found(scene(3, 100, speed=speed)) == []


def test_a_flash_is_no_cut() -> None:
    frames = scene(4, 60)
    for i in (30, 31):
        frames[i] = np.clip(frames[i].astype(int) * 2 + 120, 0, 255).astype(np.uint8)
    assert found(frames) == []


def test_light_that_changes_is_no_cut() -> None:
    frames = [np.clip(g * (0.6 + 0.4 * min(1, max(0, (i - 20) / 5))), 0, 255) for i, g in enumerate(scene(5, 60))]
    assert found([frame.astype(np.uint8) for frame in frames]) == []


def test_frames_that_were_dropped_are_no_cut() -> None:
    detector = CutDetector()
    for i, grey in enumerate(scene(6, 90, speed=2.0)):
        if i % 30 not in (11, 12):
            detector.see(i / FPS, grey)
    assert detector.cuts() == ()


def test_a_picture_takes_less_than_a_millisecond_or_two() -> None:
    frames = scene(7, 100)
    assert least_seconds(lambda: found(frames)) / len(frames) < 2e-3


def test_a_clip_of_a_frame_or_two_has_no_cuts() -> None:
    assert found([]) == []
    assert found(scene(1, 1)) == []
    assert found(scene(1, 1) + scene(2, 1)) == []


# --- people who exist


def cuts_of(path: Path) -> tuple[float, ...]:
    detector = CutDetector()
    for frame in Clip.open(path).watch(1.0):
        detector.see(frame.second, frame.grey)
    return detector.cuts()


@pytest.mark.parametrize("name", ["liveportrait_d13_selfie_noaudio.mp4", "grid_x_lb_lbbc2a.mpg", "grid_s31_bgix8n.mpg"])
def test_a_real_clip_filmed_in_one_go_has_no_cut(shared: Path, name: str) -> None:
    assert cuts_of(shared / "clips" / name) == ()


def test_the_cuts_of_a_real_film_are_found(shared: Path) -> None:
    assert len(cuts_of(shared / "clips" / "facerec_hamilton_cuts.mp4")) == 3


def test_two_real_people_spliced_before_one_wall(shared: Path) -> None:
    """The same studio and camera: only who sits there changes."""
    frames = [
        [frame.grey for frame in Clip.open(shared / "clips" / name).watch(1.0)]
        for name in ("grid_x_sb_sbia1a.mpg", "grid_s31_bgix8n.mpg")
    ]
    assert found(frames[0][:40] + frames[1][20:60]) == [40]
