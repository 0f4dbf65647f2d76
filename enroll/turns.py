"""Head turns in a track of poses: left, right, up, down, as the person means them, each away from the pose at rest.

Five landmarks give yaw to about 5° and pitch to about 10°; but that error belongs to the person and the camera and
stays what it is, so a turn is told by how far the head moves from where it rests, not by where it points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from enroll.consent import Turn
from enroll.tracking import HeadTrack

__all__ = ["SeenTurn", "find_turns", "match_turns"]

BEGIN_YAW, BEGIN_PITCH = 16.0, 9.0
"""Degrees from rest at which a turn counts."""
PITCH_PER_YAW = 0.6
"""Degrees of pitch that each degree of yaw adds to what counts as a nod: from the side pitch is hardly known."""
END_SHARE = 0.55
"""Share of that below which it is over."""
LEAST_SECONDS = 0.2
NOD = 1.8
"""People nod while they speak: up and down to this many times what counts may lie between the turns asked for."""

_MOST_NODS = 2
# Seconds from one asked turn to the next.
_MOST_PAUSE = 4.0
# Of what a head does between leaving its rest and coming back, the lesser part is how it got there.
_LESSER = 0.5
_SMOOTH_SECONDS = 0.2
# Where a turning head is lost from sight for longer than this, what came before and after are two turns.
_GAP_SECONDS = 1.0
_MIRRORED: Final[dict[Turn, Turn]] = {"left": "right", "right": "left", "up": "up", "down": "down"}


@dataclass(frozen=True)
class SeenTurn:
    """One turn of the head.

    Attributes:
        turn: which way, as the person means it, if the picture is not mirrored: their left is the picture's right.
        begin, end: seconds in the clip, from leaving the rest to coming back to it.
        degrees: how far from rest at most.
        size: the same in units of what counts as a turn there, at least 1.
    """

    turn: Turn
    begin: float
    end: float
    degrees: float
    size: float

    @property
    def is_nod(self) -> bool:
        """Whether it may be no more than what people do when they speak."""
        return self.turn in ("up", "down") and self.size < NOD


def find_turns(head: HeadTrack) -> tuple[SeenTurn, ...]:
    """Every turn of a head, in order. A head that goes straight from one side to another makes two."""
    if len(head) < 3:
        return ()
    away = _from_rest(head)
    reach = np.abs(away).max(1)
    seen: list[SeenTurn] = []
    start: int | None = None
    for i in range(len(head) + 1):
        lost = i == len(head) or (i > 0 and head.seconds[i] - head.seconds[i - 1] > _GAP_SECONDS)
        if start is not None and (lost or reach[i] < END_SHARE):
            seen += _turns_within(head.seconds[start:i], away[start:i])
            start = None
        if i < len(head) and start is None and reach[i] >= END_SHARE:
            start = i
    return tuple(seen)


def match_turns(asked: Sequence[Turn], seen: Sequence[SeenTurn]) -> tuple[tuple[SeenTurn, ...], bool] | None:
    """The asked turns among those seen: in the asked order, nothing between them but a few nods.

    Front cameras that mirror what they record swap left and right, and nothing in a clip tells. So a clip in which both
    are swapped throughout is accepted too. Whoever guesses turns gains one bit by that: of the 24 orders of three of
    four turns, two are right instead of one.

    Returns:
        The turns that answer, and whether left and right are swapped; None when they are not there. Of several answers
        the last.
    """
    for mirrored in (False, True):
        wanted = [_MIRRORED[turn] if mirrored else turn for turn in asked]
        for first in range(len(seen) - len(wanted), -1, -1):
            if (part := _follow(wanted, seen[first:])) is not None:
                return part, mirrored
    return None


def _follow(wanted: Sequence[Turn], seen: Sequence[SeenTurn]) -> tuple[SeenTurn, ...] | None:
    """The wanted turns from the first one seen on."""
    found: list[SeenTurn] = []
    nods = 0
    for turn in seen:
        if found and turn.begin - found[-1].end > _MOST_PAUSE:
            return None
        if turn.turn == wanted[len(found)]:
            found.append(turn)
            if len(found) == len(wanted):
                return tuple(found)
        elif found and turn.is_nod and nods < _MOST_NODS:
            nods += 1
        else:
            return None
    return None


def _from_rest(head: HeadTrack) -> NDArray[np.float64]:
    """Yaw and pitch from where the head mostly is, shape (N, 2), 1 being where a turn begins to count."""
    rate = 1.0 / max(float(np.median(np.diff(head.seconds))), 1e-3)
    width = max(1, round(_SMOOTH_SECONDS * rate)) | 1
    poses = median_filter(head.poses[:, :2].astype(np.float64), size=(width, 1), mode="nearest")
    rest = np.array([_mode(poses[:, axis]) for axis in (0, 1)])
    away = poses - rest
    nod = BEGIN_PITCH + PITCH_PER_YAW * np.abs(away[:, 0])
    return np.column_stack([away[:, 0] / BEGIN_YAW, away[:, 1] / nod])


def _mode(values: NDArray[np.float64]) -> float:
    """The middle of the shortest stretch that holds two fifths of the values: where a head is that looks around."""
    ordered = np.sort(values)
    count = max(2, round(0.4 * len(ordered)))
    widths = ordered[count - 1 :] - ordered[: len(ordered) - count + 1]
    first = int(np.argmin(widths))
    return float(np.median(ordered[first : first + count]))


def _turns_within(seconds: NDArray[np.float64], away: NDArray[np.float64]) -> list[SeenTurn]:
    """The turns of one stretch away from rest: its moments by the direction that prevails in each."""
    axis = np.abs(away).argmax(1)
    value = away[np.arange(len(away)), axis]
    names: list[list[Turn]] = [["right", "left"], ["down", "up"]]
    turns: list[SeenTurn] = []
    first = 0
    for i in range(1, len(away) + 1):
        if i < len(away) and axis[i] == axis[first] and (value[i] > 0) == (value[first] > 0):
            continue
        peak = float(np.abs(value[first:i]).max())
        if peak >= 1.0 and seconds[i - 1] - seconds[first] >= LEAST_SECONDS:
            scale = (BEGIN_YAW, BEGIN_PITCH)[axis[first]]
            turn = names[axis[first]][int(value[first] > 0)]
            if turns and turns[-1].turn == turn:
                peak, begin = max(peak, turns[-1].size), turns.pop().begin
            else:
                begin = float(seconds[first])
            turns.append(SeenTurn(turn, begin, float(seconds[i - 1]), peak * scale, peak))
        first = i
    most = max((turn.size for turn in turns), default=0.0)
    return [turn for turn in turns if turn.size >= _LESSER * most]
