"""What a clip shows: every face that can be followed, looks at it, and where the picture jumps.

Frames are chosen by what they add. The detector runs when nothing is known yet, after a cut, when a head has turned to
where it was not seen before, and otherwise every second or so; between, faces are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from insightface.utils.face_align import arcface_dst
from numpy.typing import NDArray

from enroll.alignment import similarity
from enroll.clip import Clip
from enroll.continuity import CutDetector
from enroll.faces import DETECT_EDGE, Face, detect
from enroll.looks import Look, cut_look
from enroll.pose import head_pose
from enroll.tracking import Follower, Track

__all__ = ["SHEET_EDGE", "Picture", "Sightings", "thin", "watch"]

PICTURES = 2.5
"""Frames a second that come with their colours, so that the detector may be asked about them."""
SHEET_EDGE = 320
"""Longest edge of a picture kept of a whole frame, pixels."""

# A short clip is looked at this often, a long one at most so often, and in between this far apart, seconds.
_LEAST_DETECTIONS, _MOST_DETECTIONS = 8, 240
_SOONEST, _LATEST = 0.38, 1.5
# How far the landmarks of an aligned face must have moved to be a new view, in distances between the eyes: about 12°.
_NEW_VIEW = 0.09
# The detector finds faces of 20 px and places the landmarks of one of 72 px to a hundredth of its height; it is asked
# for no more than that.
_SMALLEST, _FACE = 20, 72
# A clip with more is refused anyway; this bounds memory.
_MAX_FACES = 6
_MAX_LOOKS, _ALL_LOOKS = 36, 144
_MAX_PICTURES = 16


@dataclass(frozen=True, repr=False)
class Picture:
    """A small picture of a whole frame, and who was seen in it.

    Attributes:
        second: where in the clip.
        pixels: RGB uint8, shape (h, w, 3), longest edge ``SHEET_EDGE``.
        faces: boxes (x0, y0, x1, y1) as shares of width and height, each with its look.
    """

    second: float
    pixels: NDArray[np.uint8]
    faces: tuple[tuple[tuple[float, float, float, float], Look], ...]


@dataclass(frozen=True, repr=False)
class Sightings:
    """Attributes:
    tracks: every face followed.
    frames: how many frames the detector looked at; ``Look.index`` counts them.
    brightness: mean grey level of its lighter pictures, 0 to 255.
    cuts: seconds at which the picture jumps.
    pictures: some of the frames the detector looked at, over the whole clip.
    """

    tracks: tuple[Track, ...]
    frames: int
    brightness: float
    cuts: tuple[float, ...]
    pictures: tuple[Picture, ...]


def watch(clip: Clip, progress: Callable[[float], None] = lambda share: None) -> Sightings:
    """Goes through the clip once.

    Args:
        clip: the clip.
        progress: called with the share done, 0 to 1.

    Raises:
        ClipUnreadable: the picture cannot be decoded to its end.
    """
    follower, detector, sheet = Follower(), CutDetector(), _Sheet()
    interval = max(min(max(clip.seconds / _LEAST_DETECTIONS, 0.2), _LATEST), clip.seconds / _MOST_DETECTIONS)
    brightness: list[float] = []
    views: list[NDArray[np.float32]] = []
    frames, last, faces_before, jumped, tallest = 0, -np.inf, 0, True, 0.0
    for frame in clip.watch(PICTURES):
        cut = detector.see(frame.second, frame.grey)
        jumped |= cut
        follower.see(frame.second, frame.grey, cut=cut)
        if frame.pixels is None:
            continue
        waited = frame.second - last + 1e-3
        # A lost face and a new view are worth a look, though not one in every frame of a head that shakes.
        wanted = jumped or waited >= interval
        if not wanted and waited >= min(_SOONEST, interval):
            wanted = len(follower.points) < faces_before or any(_is_new(points, views) for points in follower.points)
        if not wanted:
            continue
        found = detect(frame.pixels, edge=_edge(frame.pixels, tallest), smallest=_SMALLEST)[:_MAX_FACES]
        tallest = max((face.height for face in found), default=0.0)
        looks = [_look(frame.pixels, face, found, frames, frame.second) for face in found]
        scale = frame.grey.shape[1] / frame.pixels.shape[1]
        follower.anchor([Face(f.box * scale, f.landmarks * scale, f.confidence) for f in found], looks)
        thin(follower.tracks)
        views += [shape for face in found if _is_new(face.landmarks, views) for shape in [_shape(face.landmarks)]]
        brightness.append(float(frame.grey.mean()))
        sheet.add(_picture(frame.pixels, found, looks, frame.second))
        frames, last, faces_before, jumped = frames + 1, frame.second, len(found), False
        progress(min(1.0, frame.second / clip.seconds))
    lit = float(np.percentile(brightness or [0.0], 75))
    return Sightings(tuple(follower.finish()), frames, lit, detector.cuts(), tuple(sheet.pictures))


class _Sheet:
    """Pictures evenly over what was seen so far: when they become too many, every other one goes."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self._step, self._count = 1, 0

    def add(self, picture: Picture) -> None:
        if self._count % self._step == 0:
            self.pictures.append(picture)
        self._count += 1
        if len(self.pictures) > _MAX_PICTURES:
            self.pictures, self._step = self.pictures[::2], 2 * self._step


def _picture(pixels: NDArray[np.uint8], faces: tuple[Face, ...], looks: Sequence[Look], second: float) -> Picture:
    height, width = pixels.shape[:2]
    scale = min(1.0, SHEET_EDGE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    shares = [face.box / np.array([width, height, width, height]) for face in faces]
    boxes = [(float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in shares]
    return Picture(second, small, tuple(zip(boxes, looks, strict=True)))


def _edge(pixels: NDArray[np.uint8], tallest: float) -> int:
    """How large a picture the detector needs, once the tallest face is known: the larger the face, the smaller. What is
    too small to be seen then is a bystander (``subject.BYSTANDER``)."""
    return min(DETECT_EDGE, round(_FACE / tallest * max(pixels.shape[:2]))) if tallest else DETECT_EDGE


def _look(pixels: NDArray[np.uint8], face: Face, among: tuple[Face, ...], index: int, second: float) -> Look:
    return cut_look(
        pixels,
        face.box,
        face.landmarks,
        index=index,
        second=second,
        confidence=face.confidence,
        pose=head_pose(face.landmarks),
        others=[other.box for other in among if other is not face],
    )


def _shape(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The landmarks on the template, shape (5, 2): what is left of them is how the head is turned."""
    matrix = similarity(landmarks.astype(np.float64), arcface_dst.astype(np.float64))
    return (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _is_new(landmarks: NDArray[np.float32], views: list[NDArray[np.float32]]) -> bool:
    shape = _shape(landmarks)
    eyes = float(arcface_dst[1, 0] - arcface_dst[0, 0])
    return all(float(np.linalg.norm(shape - view, axis=1).mean()) > _NEW_VIEW * eyes for view in views)


def thin(tracks: Sequence[Track]) -> None:
    """Keeps looks few, those of each track and those of all together."""
    for track in tracks:
        while len(track.looks) > _MAX_LOOKS:
            _drop_a_look(track)
    surplus = sum(len(track.looks) for track in tracks) - _ALL_LOOKS
    for _ in range(surplus):
        longest = max(tracks, key=lambda track: len(track.looks))
        if len(longest.looks) == 1:
            break
        _drop_a_look(longest)


def _drop_a_look(track: Track) -> None:
    """Of the two most alike in pose and time, the worse one goes."""
    looks = track.looks
    span = max(looks[-1].second - looks[0].second, 1e-3)
    apart = [_apart(a, b, span) for a, b in pairwise(looks)]
    at = int(np.argmin(apart))
    looks.pop(at if looks[at].quality < looks[at + 1].quality else at + 1)


def _apart(a: Look, b: Look, span: float) -> float:
    turned = abs(a.pose.yaw - b.pose.yaw) + abs(a.pose.pitch - b.pose.pitch)
    return turned / 15.0 + 4.0 * (b.second - a.second) / span
