"""Heads followed between detections: made pictures whose motion is known, and real clips against the detector."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from insightface.utils.face_align import arcface_dst
from numpy.typing import NDArray

from enroll.clip import Clip
from enroll.faces import Face, detect
from enroll.identity import Pose
from enroll.looks import Look
from enroll.sightings import thin, watch
from enroll.tracking import MOUTH_SHAPE, Follower, Track, head_track


def head(width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """A textured picture: what flow needs, and nothing else."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (height // 6, width // 6), np.uint8)
    return cv2.GaussianBlur(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), 2)


POINTS = (arcface_dst * 0.8 + [100, 60]).astype(np.float32)


def moved(picture: NDArray[np.uint8], dx: float, dy: float) -> NDArray[np.uint8]:
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(picture, matrix, picture.shape[::-1], borderMode=cv2.BORDER_REFLECT)


def face(points: NDArray[np.float32]) -> Face:
    return Face(np.array([*points.min(0) - 20, *points.max(0) + 20], np.float32), points, 1.0)


def look(index: int) -> Look:
    patch = np.zeros((8, 8, 3), np.uint8)
    box = np.array([2, 2, 6, 6], np.float32)
    return Look(index, index / 10, patch, box, POINTS, 1.0, (0.5, 0.5), 90.0, (0.3, 0.3), Pose(), 1.0)


def test_follows_a_head_that_moves() -> None:
    picture, follower = head(), Follower()
    for i in range(21):
        follower.see(i / 10, moved(picture, 2.0 * i, 0.7 * i))
        if i in (0, 20):
            follower.anchor([face(POINTS + np.float32([2.0 * i, 0.7 * i]))], [look(i)])
    (track,) = follower.finish()
    assert track.seconds == pytest.approx([i / 10 for i in range(21)])
    for i, points in enumerate(track.landmarks):
        assert np.abs(points - POINTS - [2.0 * i, 0.7 * i]).max() < 0.6
    # The crop goes with the head: the same mouth in every picture, as large as promised.
    assert {mouth.shape for mouth in track.mouths} == {MOUTH_SHAPE}
    assert max(np.abs(m.astype(int) - track.mouths[0].astype(int)).mean() for m in track.mouths) < 4


def test_takes_drift_back_when_the_detector_knows_better() -> None:
    """Flow sees nothing move; the second detection is 3 px off. The pictures between share the difference."""
    picture, follower = head(), Follower()
    for i in range(11):
        follower.see(i / 10, picture)
        if i in (0, 10):
            follower.anchor([face(POINTS + np.float32([0.3 * i, 0]))], [look(i)])
    (track,) = follower.finish()
    offsets = [float((points - POINTS)[:, 0].mean()) for points in track.landmarks]
    assert offsets == pytest.approx([0.3 * i for i in range(11)], abs=0.05)


def test_looks_stay_few_however_many_tracks_there_are() -> None:
    """The longest track gives up most, and none is left without."""
    tracks = [Track([look(index) for index in range(count)]) for count in (100, 60, 30, *[3] * 30)]
    thin(tracks)
    counts = [len(track.looks) for track in tracks]
    assert counts[0] <= 36
    assert sum(counts) == 144
    assert min(counts) >= 2
    crowd = [Track([look(0)]) for _ in range(200)]
    thin(crowd)
    assert {len(track.looks) for track in crowd} == {1}


def test_a_cut_ends_every_track() -> None:
    follower = Follower()
    for i in range(10):
        follower.see(i / 10, head() if i < 5 else 255 - head(), cut=i == 5)
        if i in (0, 5):
            follower.anchor([face(POINTS)], [look(i)])
    assert [(track.seconds[0], track.seconds[-1]) for track in follower.finish()] == [(0.0, 0.4), (0.5, 0.9)]


def test_a_picture_that_changes_at_once_loses_the_face() -> None:
    """Even where nobody noticed the cut."""
    rng = np.random.default_rng(1)
    follower = Follower()
    for i in range(6):
        follower.see(i / 10, head() if i < 3 else rng.integers(0, 255, (240, 320), np.uint8))
        if i == 0:
            follower.anchor([face(POINTS)], [look(i)])
    (track,) = follower.finish()
    assert track.seconds[-1] <= 0.21


def test_a_face_the_detector_no_longer_sees_is_given_up() -> None:
    follower = Follower()
    for i in range(6):
        follower.see(i / 10, head())
        follower.anchor([face(POINTS)] if i == 0 else [], [look(0)] if i == 0 else [])
    assert follower.points == []
    (track,) = follower.finish()
    assert track.seconds[-1] == pytest.approx(0.2)


def test_two_who_stand_side_by_side_keep_their_tracks() -> None:
    other = POINTS + np.float32([90, 0])
    follower = Follower()
    for i in range(8):
        follower.see(i / 10, head())
        found = [face(POINTS), face(other)]
        follower.anchor(found[:: 1 if i % 2 else -1], [look(i), look(i)])
    tracks = follower.finish()
    assert sorted(float(track.landmarks[-1][0, 0]) for track in tracks) == [POINTS[0, 0], other[0, 0]]
    assert [len(track.looks) for track in tracks] == [8, 8]


def test_no_track_is_an_empty_head_track() -> None:
    assert len(head_track([])) == 0


@pytest.mark.parametrize("name", ["grid_s31_bgix8n.mpg", "grid_x_lb_lbbc2a.mpg"])
def test_on_real_clips_it_is_where_the_detector_would_find_it(shared: Path, name: str) -> None:
    """The detector, asked about pictures that it was not asked about, is never far from where flow says the face is."""
    clip = Clip.open(shared / "clips" / name)
    (track,) = (track for track in watch(clip).tracks if len(track.seconds) > 30)
    known = dict(zip((round(s, 2) for s in track.seconds), track.landmarks, strict=True))
    off = []
    for frame in clip.frames(5.0):
        assert frame.pixels is not None
        (found, *_) = detect(frame.pixels)
        points = known[round(frame.second, 2)] * (frame.pixels.shape[1] / frame.grey.shape[1])
        off.append(float(np.abs(points - found.landmarks).mean()) / found.height)
    assert len(track.seconds) >= 0.95 * clip.seconds * clip.fps
    assert max(off) < 0.03
