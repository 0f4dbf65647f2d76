"""Faces in the frames of a scene, as looks: what every judge reads."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from enroll.faces import MIN_CONFIDENCE
from enroll.identity import Pose
from enroll.looks import Look, cut_look

if TYPE_CHECKING:
    from facenet_pytorch import MTCNN

__all__ = ["FRAMES", "faces_in", "spread_frames"]

FRAMES = 6
"""Frames of a clip that are looked at, evenly spread."""

_SMALLEST = 20


def spread_frames(frames: NDArray[np.uint8], count: int = FRAMES) -> NDArray[np.uint8]:
    """At most ``count`` frames of (T, H, W, 3), evenly spread, the first and the last among them."""
    picked = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return np.ascontiguousarray(frames[picked])


def faces_in(frames: NDArray[np.uint8]) -> list[Look]:
    """The largest face of each frame in which MTCNN (Zhang et al., 2016) sees one.

    Args:
        frames: RGB uint8, shape (T, H, W, 3).

    Returns:
        At most T looks; their pose is not measured.
    """
    boxes, confidences, landmarks = _mtcnn().detect(frames, landmarks=True)
    looks = []
    for index, (some, sure, points) in enumerate(zip(boxes, confidences, landmarks, strict=True)):
        if some is None or sure[0] < MIN_CONFIDENCE:
            continue
        looks.append(
            cut_look(
                frames[index],
                np.asarray(some[0], np.float32),
                np.asarray(points[0], np.float32),
                index=index,
                second=0.0,
                confidence=float(sure[0]),
                pose=Pose(),
            )
        )
    return looks


@lru_cache(maxsize=1)
def _mtcnn() -> MTCNN:
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, select_largest=True, min_face_size=_SMALLEST, device="cpu").eval()
