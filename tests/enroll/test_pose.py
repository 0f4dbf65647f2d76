"""Poses are recovered from where their landmarks fall; signs are those the picture shows."""

from __future__ import annotations

import numpy as np
import pytest

from enroll.identity import Pose
from enroll.pose import head_pose, project


@pytest.mark.parametrize("yaw", [-50, -20, 0, 35])
@pytest.mark.parametrize("pitch", [-25, 0, 20])
@pytest.mark.parametrize("roll", [-30, 0, 100])
def test_recovers_what_was_projected(yaw: float, pitch: float, roll: float) -> None:
    """At any size and place. Pitch may come out a little small: that is what holding faces for upright costs."""
    found = head_pose((project(Pose(yaw, pitch, roll)) * 37.0 + [400.0, 90.0]).astype(np.float32))
    assert abs(found.yaw - yaw) < 3
    assert abs(found.pitch - pitch) < 4
    assert abs(found.roll - roll) < 3


def test_signs() -> None:
    """Facing right moves the nose right; looking up moves it up (smaller y); tilting clockwise lowers the right eye."""
    nose = 2
    assert project(Pose(yaw=20))[nose, 0] > project(Pose())[nose, 0]
    assert project(Pose(pitch=20))[nose, 1] < project(Pose())[nose, 1]
    assert project(Pose(roll=20))[1, 1] > project(Pose(roll=20))[0, 1]


def test_mirroring_the_picture_mirrors_yaw_and_roll() -> None:
    points = project(Pose(25, 10, 15)) * 40
    seen = head_pose(points.astype(np.float32))
    mirrored = head_pose((points[[1, 0, 2, 4, 3]] * [-1, 1]).astype(np.float32))
    assert mirrored.yaw == pytest.approx(-seen.yaw, abs=0.5)
    assert mirrored.pitch == pytest.approx(seen.pitch, abs=0.5)
    assert mirrored.roll == pytest.approx(-seen.roll, abs=0.5)


@pytest.mark.parametrize("length", [0.85, 0.92, 1.08, 1.15])
def test_a_long_or_short_face_is_not_taken_for_a_nod(length: float) -> None:
    points = (project(Pose()) * [1.0, length] * 40).astype(np.float32)
    assert abs(head_pose(points).pitch) < 10


def test_points_that_are_no_face_give_a_finite_pose() -> None:
    rng = np.random.default_rng(0)
    for points in [np.zeros((5, 2)), np.ones((5, 2)) * 7, *rng.normal(size=(20, 5, 2)) * 50]:
        pose = head_pose(points.astype(np.float32))
        assert np.isfinite([pose.yaw, pose.pitch, pose.roll]).all()
