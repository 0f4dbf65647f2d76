"""Head turns, on tracks of poses that are made and on heads of people who exist."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from enroll.tracking import MOUTH_SHAPE, HeadTrack
from enroll.turns import find_turns, match_turns

FPS = 25
FAR = {"left": (32.0, 0.0), "right": (-32.0, 0.0), "up": (0.0, 16.0), "down": (0.0, -16.0)}
ORDERS = list(permutations(FAR, 3))


def head(*turns: str, rest: tuple[float, float] = (0.0, 0.0), noise: float = 1.5, scale: float = 1.0) -> HeadTrack:
    """Four seconds at rest, then each turn out and back in a second, with half a second between."""
    rng = np.random.default_rng(0)
    out = np.sin(np.linspace(0, np.pi, FPS))[:, None]
    parts = [np.zeros((4 * FPS, 2))]
    for turn in turns:
        parts += [out * np.array(FAR[turn]) * scale, np.zeros((FPS // 2, 2))]
    angles = np.concatenate(parts) + rest
    angles += rng.normal(0, noise, angles.shape)
    return track(np.arange(len(angles)) / FPS, angles)


def track(seconds: NDArray[np.float64], angles: NDArray[np.float64]) -> HeadTrack:
    poses = np.column_stack([angles, np.zeros(len(angles))]).astype(np.float32)
    return HeadTrack(seconds, poses, np.zeros((len(seconds), *MOUTH_SHAPE), np.uint8))


def names(seen: HeadTrack) -> list[str]:
    return [turn.turn for turn in find_turns(seen)]


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_is_read_as_it_was(order: tuple[str, ...]) -> None:
    assert names(head(*order)) == list(order)


def test_where_a_turn_was_and_how_far() -> None:
    (turn,) = find_turns(head("left"))
    assert 4.0 <= turn.begin < 4.4
    assert 4.6 < turn.end <= 5.1
    assert turn.degrees == pytest.approx(32, abs=4)


def test_a_camera_held_low_or_to_the_side_does_not_matter() -> None:
    assert names(head("up", "left", "down", rest=(14.0, -18.0))) == ["up", "left", "down"]


def test_a_head_that_hardly_moves_does_not_turn() -> None:
    assert names(head("left", "up", "right", scale=0.3)) == []
    assert names(head()) == []


def test_one_side_straight_to_the_other_is_two_turns() -> None:
    time = np.arange(8 * FPS) / FPS
    yaw = np.where(time < 5, 0, 32 * np.sin((time - 5) * np.pi * 0.8))
    yaw = np.where(time > 7.5, 0, yaw)
    assert names(track(time, np.column_stack([yaw, 0 * time]))) == ["left", "right"]


def test_a_head_lost_from_sight_in_profile_still_turned() -> None:
    seen = head("left", "up", "right")
    shown = np.abs(seen.poses[:, 0]) < 26
    part = HeadTrack(seen.seconds[shown], seen.poses[shown], seen.mouths[shown])
    assert names(part) == ["left", "up", "right"]


def test_pitch_read_from_the_side_is_no_nod() -> None:
    time = np.arange(7 * FPS) / FPS
    turned = np.clip(np.sin((time - 4) * np.pi), 0, 1) * ((time > 4) & (time < 5))
    assert names(track(time, np.column_stack([-40 * turned, -20 * turned]))) == ["right"]


def test_no_head_no_turns() -> None:
    assert find_turns(track(np.zeros(0), np.zeros((0, 2)))) == ()
    assert find_turns(track(np.array([0.5]), np.zeros((1, 2)))) == ()


# --- held against what was asked


@pytest.mark.parametrize("asked", ORDERS)
def test_only_the_asked_order_answers_or_its_mirror_image(asked: tuple[str, ...]) -> None:
    seen = find_turns(head(*asked))
    answered = [order for order in ORDERS if match_turns(order, seen) is not None]
    swap = {"left": "right", "right": "left"}
    assert set(answered) == {asked, tuple(swap.get(turn, turn) for turn in asked)}


def test_it_says_when_the_picture_is_mirrored() -> None:
    plain, mirrored = match_turns(("left", "up", "right"), find_turns(head("left", "up", "right"))) or ((), None)
    assert mirrored is False
    assert [turn.turn for turn in plain] == ["left", "up", "right"]
    assert (match_turns(("left", "up", "right"), find_turns(head("right", "up", "left"))) or ((), None))[1] is True
    # Half mirrored is no mirror.
    assert match_turns(("left", "up", "right"), find_turns(head("left", "up", "left"))) is None


def test_a_turn_too_few_or_too_many_between() -> None:
    assert match_turns(("left", "up", "right"), find_turns(head("left", "up"))) is None
    assert match_turns(("left", "up", "right"), find_turns(head("left", "right", "up", "right"))) is None
    assert match_turns(("left", "up", "right"), find_turns(head("down", "left", "up", "right", "left"))) is not None


def test_turns_far_apart_are_not_one_answer() -> None:
    seen = find_turns(head("left", "up", "right"))
    late = [seen[0], *(type(turn)(turn.turn, turn.begin + 6, turn.end + 6, 20.0, 2.0) for turn in seen[1:])]
    assert match_turns(("left", "up", "right"), late) is None
