"""Heads followed through a clip: found by the detector now and then, by optical flow (Lucas and Kanade, 1981) between.

Flow drifts and a detector costs a hundred times as much. So each face is followed from one detection to the next, and
what the second one shows it to be off by is taken back over the pictures between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from insightface.utils.face_align import arcface_dst
from numpy.typing import NDArray

from enroll.alignment import similarity
from enroll.faces import Face
from enroll.looks import Look
from enroll.pose import face_length, head_poses

__all__ = ["MOUTH_SHAPE", "Follower", "HeadTrack", "Track", "head_track"]

MOUTH_SHAPE = (24, 32)
"""Height and width of a mouth crop, pixels."""

# Flow is checked by following it back (Kalal et al., 2010): a point that does not return by this share of the distance
# between the eyes, or this many pixels, is lost; a face with fewer than three points left is, too.
_RETURN_SHARE, _RETURN_PX = 0.06, 0.7
_LEAST_POINTS = 3
# A detection continues a track when its landmarks lie this near to where flow put them, in distances between the eyes.
_NEAR = 0.6
# Detections a face may be missing from, as one in profile is, before it is given up.
_MISSES = 2
_LEVELS = 3
_MOUTH_SCALE = 24.0 / float(arcface_dst[4, 0] - arcface_dst[3, 0])
_MOUTH = ((arcface_dst - arcface_dst[3:].mean(0)) * _MOUTH_SCALE + [16.0, 10.0]).astype(np.float64)


@dataclass(frozen=True, repr=False)
class HeadTrack:
    """One person's head through a clip, one sample for each decoded frame in which it could be followed.

    Attributes:
        seconds: float64, shape (N,), rising; where in the clip. Frames without the head are missing, so gaps occur.
        poses: float32, shape (N, 3): yaw, pitch and roll in degrees, signs as in ``identity.Pose``.
        mouths: uint8 grey, shape (N, *MOUTH_SHAPE): the mouth, upright and of one size, corners at (4, 10) and (28, 10)
            (x, y), so that the lower lip and the chin lie below.
    """

    seconds: NDArray[np.float64]
    poses: NDArray[np.float32]
    mouths: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(repr=False, eq=False)
class Track:
    """One face followed without a break.

    Attributes:
        looks: what the detections gave, in clip order.
        seconds: of every picture it was followed in.
        landmarks: in each of them, shape (5, 2), pixels of the grey picture.
        mouths: in each of them, see ``HeadTrack``.
    """

    looks: list[Look] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    landmarks: list[NDArray[np.float32]] = field(default_factory=list)
    mouths: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, second: float, landmarks: NDArray[np.float32], grey: NDArray[np.uint8]) -> None:
        self.seconds.append(second)
        self.landmarks.append(landmarks)
        matrix = similarity(landmarks.astype(np.float64), _MOUTH)
        mouth = cv2.warpAffine(grey, matrix, MOUTH_SHAPE[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        self.mouths.append(mouth.astype(np.uint8))


def head_track(tracks: Sequence[Track]) -> HeadTrack:
    """One person's tracks as one. Where two hold the same moment, the earlier track has it."""
    parts = sorted((track for track in tracks if track.seconds), key=lambda track: track.seconds[0])
    seconds = np.concatenate([np.zeros(0), *(track.seconds for track in parts)])
    if not len(seconds):
        return HeadTrack(seconds, np.zeros((0, 3), np.float32), np.zeros((0, *MOUTH_SHAPE), np.uint8))
    landmarks = np.concatenate([np.stack(track.landmarks) for track in parts])
    mouths = np.concatenate([np.stack(track.mouths) for track in parts])
    _, first = np.unique(seconds, return_index=True)
    length = face_length([look.landmarks for track in parts for look in track.looks] or list(landmarks))
    return HeadTrack(seconds[first], head_poses(landmarks[first], length), mouths[first])


@dataclass(repr=False, eq=False)
class _Open:
    """A face being followed: where it is now, and where it was in each picture since the last detection."""

    track: Track
    points: NDArray[np.float32]
    since: list[tuple[int, NDArray[np.float32]]] = field(default_factory=list)
    misses: int = 0


class Follower:
    """Follows every face from picture to picture: ``see`` each one, ``anchor`` those that the detector looked at."""

    def __init__(self) -> None:
        self._closed: list[Track] = []
        self._open: list[_Open] = []
        self._pictures: list[tuple[float, NDArray[np.uint8]]] = []
        self._before: NDArray[np.uint8] | None = None

    @property
    def points(self) -> list[NDArray[np.float32]]:
        """Landmarks of every face now followed, shape (5, 2) each."""
        return [face.points for face in self._open]

    @property
    def tracks(self) -> list[Track]:
        """Every track so far."""
        return [*self._closed, *(face.track for face in self._open)]

    def see(self, second: float, grey: NDArray[np.uint8], *, cut: bool = False) -> None:
        """The next picture, uint8 (h, w); ``cut`` when it does not continue the one before."""
        if cut:
            self._give_up(self._open)
            self._before = None
        self._pictures.append((second, grey))
        lost = []
        for face in self._open:
            moved = _flow(self._before, grey, face.points) if self._before is not None else None
            if moved is None:
                lost.append(face)
            else:
                face.points = moved
                face.since.append((len(self._pictures) - 1, moved))
        self._give_up(lost)
        self._before = grey

    def anchor(self, faces: Sequence[Face], looks: Sequence[Look]) -> None:
        """What the detector found in the picture seen last, in its pixels, and the looks cut there, one for each."""
        second, grey = self._pictures[-1]
        free = list(range(len(faces)))
        pairs = sorted(
            (distance, number, place)
            for number, face in enumerate(self._open)
            for place, found in enumerate(faces)
            if (distance := float(np.abs(face.points - found.landmarks).mean()) / _eyes(face.points)) < _NEAR
        )
        matched: set[int] = set()
        for _, number, place in pairs:
            if number not in matched and place in free:
                matched.add(number)
                free.remove(place)
                self._settle(self._open[number], faces[place].landmarks)
                self._open[number].track.looks.append(looks[place])
        missed = [face for number, face in enumerate(self._open) if number not in matched]
        for face in missed:
            face.misses += 1
            self._settle(face, None)
        self._give_up([face for face in missed if face.misses >= _MISSES])
        for place in free:
            fresh = _Open(Track([looks[place]]), faces[place].landmarks)
            fresh.track.add(second, fresh.points, grey)
            self._open.append(fresh)
        self._pictures = []

    def finish(self) -> list[Track]:
        """Every track there was, in the order in which they ended."""
        self._give_up(self._open)
        self._pictures = []
        return self._closed

    def _give_up(self, faces: Sequence[_Open]) -> None:
        for face in list(faces):
            self._settle(face, None)
            self._closed.append(face.track)
            self._open.remove(face)

    def _settle(self, face: _Open, found: NDArray[np.float32] | None) -> None:
        """Writes down where the face was since the last detection, less the drift that the new one shows."""
        drift = found - face.points if found is not None else np.zeros((5, 2), np.float32)
        for step, (place, points) in enumerate(face.since, 1):
            second, grey = self._pictures[place]
            face.track.add(second, (points + drift * (step / len(face.since))).astype(np.float32), grey)
        face.since = []
        if found is not None:
            face.points, face.misses = found, 0


def _flow(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """Where the five points of a face went, or None when that cannot be told."""
    eyes = _eyes(points)
    window = int(np.clip(eyes * 0.6, 9, 31)) | 1
    area = (window, window)
    start = points.reshape(-1, 1, 2)
    moved, there, _ = cv2.calcOpticalFlowPyrLK(before, after, start, start.copy(), None, None, area, _LEVELS)
    back, here, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, moved.copy(), None, None, area, _LEVELS)
    off = np.linalg.norm((back - start).reshape(-1, 2), axis=1)
    good = (there.reshape(-1) > 0) & (here.reshape(-1) > 0) & (off < max(_RETURN_PX, _RETURN_SHARE * eyes))
    if good.sum() < _LEAST_POINTS:
        return None
    found = moved.reshape(-1, 2)
    # The lost ones go where the others went.
    matrix = similarity(points[good].astype(np.float64), found[good].astype(np.float64))
    carried = points @ matrix[:, :2].T + matrix[:, 2]
    result = np.where(good[:, None], found, carried).astype(np.float32)
    height, width = after.shape[:2]
    return result if (result >= 0).all() and (result < [width, height]).all() else None


def _eyes(points: NDArray[np.float32]) -> float:
    """Distance between the eyes, pixels; less than it is in profile, where the height of the face stands in for it."""
    apart, down = points[1] - points[0], points[3:].mean(0) - points[:2].mean(0)
    return max(float(np.linalg.norm(apart)), 0.4 * float(np.linalg.norm(down)), 4.0)
