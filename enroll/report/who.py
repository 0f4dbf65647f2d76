"""Whose face is it: faces in the pictures of the contact sheet, by the numbers of the people found."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from enroll.findings import Findings
from enroll.looks import Look
from enroll.tracking import Track

__all__ = ["Who"]

# The longest edge of the pictures that faces are followed in, see ``Clip.watch``.
_GREY_EDGE = 480
# A face reaches this far from the middle of its landmarks, in distances from eyes to mouth: hair and chin with it.
_ACROSS, _UP, _DOWN = 1.5, 1.9, 1.6


class Who:
    """Everybody in some findings. Whom it cannot name for sure it does not name."""

    def __init__(self, findings: Findings) -> None:
        self._tracks = findings.sightings.tracks if findings.sightings is not None else ()
        edge = max(findings.clip.width, findings.clip.height)
        scale = min(1.0, _GREY_EDGE / edge) if edge else 1.0
        self._grey = np.array([findings.clip.width * scale, findings.clip.height * scale])
        self._numbers = {id(look): person.number for person in findings.people for look in person.looks}

    def number(self, look: Look) -> int | None:
        """Who this is; None for somebody who does not count, and where that cannot be told.

        A track keeps few of its looks. One it has let go is whose the looks before and after it in the track are.
        """
        if id(look) in self._numbers:
            return self._numbers[id(look)]
        track = next((track for track in self._tracks if self._is_on(track, look)), None)
        return self._at(track, look.second) if track is not None else None

    def followed(self, second: float, *, but: Collection[int]) -> list[tuple[float, float, float, float]]:
        """Where faces of people other than those numbers were followed then: boxes as shares of width and height."""
        boxes = []
        for track in self._tracks:
            points = self._points(track, second)
            if points is None or self._at(track, second) in but:
                continue
            x, y = points.mean(0)
            span = float(np.linalg.norm((points[:2].mean(0) - points[3:].mean(0)) * self._grey))
            across, up, down = np.array([_ACROSS, _UP, _DOWN]) * span
            width, height = self._grey
            boxes.append((x - across / width, y - up / height, x + across / width, y + down / height))
        return boxes

    def _is_on(self, track: Track, look: Look) -> bool:
        if any(known is look for known in track.looks):
            return True
        points = self._points(track, look.second)
        if points is None:
            return False
        # Its own landmarks are those of the track, wherever in the frame the patch was cut.
        x, y = points.mean(0)
        off = np.abs(np.array([x - look.centre[0], y - look.centre[1]])) / np.array(look.reach[::-1])
        return bool(off.max() < 0.3)

    def _at(self, track: Track, second: float) -> int | None:
        """Whose looks lie on both sides of a moment of a track."""
        before = [look for look in track.looks if look.second <= second]
        after = [look for look in track.looks if look.second >= second]
        sides = {self._numbers.get(id(side[at])) for side, at in ((before, -1), (after, 0)) if side}
        return sides.pop() if len(sides) == 1 else None

    def _points(self, track: Track, second: float) -> np.ndarray | None:
        """Landmarks at a moment as shares of width and height; None where the track is not there."""
        if not track.seconds:
            return None
        at = int(np.abs(np.array(track.seconds) - second).argmin())
        if abs(track.seconds[at] - second) > 0.02:
            return None
        return np.asarray(track.landmarks[at] / self._grey)
