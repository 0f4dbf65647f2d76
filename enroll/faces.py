"""Faces in one picture, found by MTCNN (Zhang et al., 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from enroll.clip import Clip

if TYPE_CHECKING:
    from facenet_pytorch import MTCNN

__all__ = ["DETECT_EDGE", "MIN_CONFIDENCE", "Face", "detect", "largest_tiny_face"]

MIN_CONFIDENCE = 0.9
"""Below this MTCNN sees faces in hands and folds."""
DETECT_EDGE = 640
"""Longest edge of the picture the detector sees, pixels."""

# The smallest face looked for, as a share of the picture's shorter edge: half of it doubles the time.
_SMALLEST_SHARE = 1 / 16


@dataclass(frozen=True, repr=False)
class Face:
    """One detected face, in pixels of the picture it was found in.

    Attributes:
        box: (x0, y0, x1, y1), float32.
        landmarks: shape (5, 2), float32; order as in ``alignment``.
        confidence: of the detector, 0 to 1.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    confidence: float

    @property
    def height(self) -> float:
        return float(self.box[3] - self.box[1])


def detect(pixels: NDArray[np.uint8], *, edge: int = DETECT_EDGE, smallest: int | None = None) -> tuple[Face, ...]:
    """The faces of a picture, largest first.

    Args:
        pixels: RGB uint8, shape (H, W, 3).
        edge: the picture is reduced to this longest edge first.
        smallest: lowest face looked for, pixels of the reduced picture; None takes a sixteenth of its shorter edge.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, edge / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    detector = _mtcnn()
    detector.min_face_size = smallest or max(20, int(min(size) * _SMALLEST_SHARE))
    boxes, confidences, landmarks = detector.detect(small, landmarks=True)
    if boxes is None:
        return ()
    faces = [
        Face((np.asarray(box) / scale).astype(np.float32), (np.asarray(points) / scale).astype(np.float32), float(sure))
        for box, sure, points in zip(boxes, confidences, landmarks, strict=True)
        if sure >= MIN_CONFIDENCE
    ]
    return tuple(sorted(faces, key=lambda face: -face.height))


def largest_tiny_face(clip: Clip) -> float | None:
    """A second look, with more pixels and at few frames, for faces that ``detect`` does not see at its usual size.

    Returns:
        Height in pixels of the largest face seen in at least two frames; None if there is none.
    """
    seen = []
    for frame in clip.frames(min(1.0, 6 / clip.seconds)):
        if frame.pixels is not None:
            sure = [
                face.height
                for face in detect(frame.pixels, edge=2 * DETECT_EDGE, smallest=14)
                if face.confidence > 0.98
            ]
            seen += [max(sure)] if sure else []
    return max(seen) if len(seen) >= 2 else None


@lru_cache(maxsize=1)
def _mtcnn() -> MTCNN:
    import torch
    from facenet_pytorch import MTCNN

    # With channels last in memory, as in pictures, its networks are half as fast again.
    return MTCNN(keep_all=True, device="cpu").eval().to(memory_format=torch.channels_last)
