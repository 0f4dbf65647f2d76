"""Whose face is where, in every frame of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment

from cameo.conditioning.placing import Placing, Placings
from cameo.conditioning.routing import Box, Presence
from cameo.restoration.aligned import SMALLEST, heights
from enroll.alignment import CROP_SIZE, HEAD_LANDMARKS
from enroll.encoders import registry
from enroll.faces import Face, detect
from enroll.identity import Embedding, Pose
from enroll.looks import cut_look

__all__ = ["Found", "find_faces", "where_laid"]

_SMALLEST_BOX: Final = 20
"""Pixels; of the faces that are looked for."""
_AWAY: Final = 0.3
"""Seconds from the nearest frame in which a face was found beyond which it is taken for gone."""
_FEWEST: Final = 0.2
"""Share of the frames in which it is found at least."""
_STEADY: Final = 0.7
"""Frames over which landmarks are smoothed: a detector's tremble."""
_RECOGNISED: Final = 12
"""Frames after which it is asked again who is who."""
_ELSEWHERE: Final = 1e6
"""Cost of a face out of somebody's region."""


@dataclass(frozen=True, repr=False)
class Found:
    """One person's face through a scene.

    Attributes:
        landmarks: pixels, (T, 5, 2); between frames in which it was found they move evenly.
        present: how much of a face there is in each frame, 0 to 1, (T,).
    """

    landmarks: NDArray[np.float32]
    present: NDArray[np.float32]


def find_faces(
    frames: NDArray[np.uint8], known: Sequence[Embedding], presences: Sequence[Presence] | None, fps: float
) -> list[Found | None]:
    """Find everybody by MTCNN, by where they should be; where several faces could be theirs, by their looks.

    Args:
        frames: RGB, (T, H, W, 3).
        known: of each person's face, in one space.
        presences: where each of them is drawn; None, or one without a path: anywhere.
        fps: frames a second.

    Returns:
        For each person; None who is not seen, or only as a small face.
    """
    placed = presences or [Presence()] * len(known)
    seen: list[dict[int, NDArray[np.float32]]] = [{} for _ in known]
    for index, frame in enumerate(frames):
        faces = detect(frame, smallest=_SMALLEST_BOX)
        if not faces:
            continue
        boxes = [presence.box(index / fps) for presence in placed]
        before = [points.get(index - 1) if index % _RECOGNISED else None for points in seen]
        for person, face in _whose(frame, faces, known, boxes, before):
            seen[person][index] = face.landmarks
    return [_through(points, len(frames), _AWAY * fps) for points in seen]


def where_laid(placings: Placings, times: Sequence[float], size: tuple[int, int]) -> list[NDArray[np.float32] | None]:
    """For each person, where the crop of their head was laid into a scene: its landmarks at each time, pixels,
    (T, 5, 2); None of whom none was.

    Args:
        placings: see ``conditioning.placing``.
        times: seconds, T of them.
        size: (W, H) of the picture.
    """
    return [None if not laid else np.stack([_laid_at(laid, time, size) for time in times]) for laid in placings]


def _laid_at(laid: Sequence[tuple[float, Placing]], time: float, size: tuple[int, int]) -> NDArray[np.float32]:
    # A single one, of all times, has none of its own.
    _, placing = min(laid, key=lambda one: abs(np.nan_to_num(one[0]) - time))
    matrix = placing.matrix(size, CROP_SIZE)
    return (HEAD_LANDMARKS @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def _whose(
    frame: NDArray[np.uint8],
    faces: Sequence[Face],
    known: Sequence[Embedding],
    boxes: Sequence[Box | None],
    before: Sequence[NDArray[np.float32] | None],
) -> list[tuple[int, Face]]:
    """Who has which face; a face out of their region is nobody's. Without regions, who was there ``before`` is
    followed, and otherwise told by their looks."""
    height, width = frame.shape[:2]
    middles = [(face.box[:2] + face.box[2:]) / 2 / [width, height] for face in faces]
    outside = np.array(
        [[box is not None and not _within(box, x, y) for x, y in middles] for box in boxes], dtype=np.float64
    )
    cost = outside * _ELSEWHERE
    if all(box is not None for box in boxes) or len(known) == len(faces) == 1:
        # The largest in the region: faces come largest first.
        cost = cost + np.arange(len(faces))
    elif len(were := [points for points in before if points is not None]) == len(known):
        cost = cost + np.array([[np.abs(face.landmarks - points).mean() for face in faces] for points in were])
    else:
        cost = cost + _unlike(frame, faces, known)
    return [(p, faces[f]) for p, f in zip(*linear_sum_assignment(cost), strict=True) if cost[p, f] < _ELSEWHERE]


def _within(box: Box, x: float, y: float) -> bool:
    return box.left <= x <= box.right and box.top <= y <= box.bottom


def _unlike(frame: NDArray[np.uint8], faces: Sequence[Face], known: Sequence[Embedding]) -> NDArray[np.float64]:
    """(people, faces): 1 less the cosine of descriptors."""
    looks = [
        cut_look(frame, f.box, f.landmarks, index=0, second=0.0, confidence=f.confidence, pose=Pose()) for f in faces
    ]
    drawn = registry.get(known[0].space).encode(looks)
    own = np.stack([embedding.vector for embedding in known])
    norms = np.linalg.norm(own, axis=1)[:, None] * np.linalg.norm(drawn, axis=1)
    return np.asarray(1 - own @ drawn.T / np.maximum(norms, 1e-9), np.float64)


def _through(points: dict[int, NDArray[np.float32]], count: int, reach: float) -> Found | None:
    if len(points) < max(1, _FEWEST * count):
        return None
    at = np.array(sorted(points))
    known = np.stack([points[index] for index in at]).reshape(len(at), -1)
    all_ = np.arange(count)
    moved = np.stack([np.interp(all_, at, column) for column in known.T], 1)
    landmarks = gaussian_filter1d(moved, _STEADY, axis=0, mode="nearest").reshape(count, 5, 2).astype(np.float32)
    away = np.abs(all_[:, None] - at).min(1)
    large = heights(landmarks) >= SMALLEST
    if not large.any():
        return None
    present = gaussian_filter1d(((away <= reach) & large).astype(np.float64), _STEADY, mode="nearest")
    return Found(landmarks, present.astype(np.float32))
