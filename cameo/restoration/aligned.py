"""Where the parts of an aligned face are, and how one is cut out of a frame and what changed of it is laid back.

An aligned face is the middle of a head crop (``enroll.alignment``): eyes level, hair above, the chin below. Pictures
are RGB.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from cameo.restoration.network import FACE
from enroll.alignment import HEAD_LANDMARKS, head_crop, similarity

__all__ = [
    "LANDMARKS",
    "MOUTH",
    "PASTE",
    "SMALLEST",
    "aligned",
    "as_tensor",
    "crop_middle",
    "heights",
    "lay_back",
    "mouths_hidden",
]

_LEFT, _TOP = 8, 12

LANDMARKS: Final[NDArray[np.float32]] = (HEAD_LANDMARKS - [_LEFT, _TOP]).astype(np.float32)
"""Where an aligned face has the five landmarks, pixels, (5, 2)."""

SMALLEST: Final = 9.0
"""Pixels from the eyes to the mouth; smaller faces hold nothing to restore."""

_Y, _X = np.mgrid[0:FACE, 0:FACE].astype(np.float32)

MOUTH: Final[NDArray[np.float32]] = (1 / (1 + np.exp(12 * (np.hypot((_X - 56) / 20, (_Y - 79) / 17) - 1)))).astype(
    np.float32
)
"""How much each pixel belongs to mouth and chin, 0 to 1, (FACE, FACE)."""

_MIDDLE = (FACE - 1) / 2

PASTE: Final[NDArray[np.float32]] = np.clip(
    (_MIDDLE - np.maximum(np.abs(_X - _MIDDLE), np.abs(_Y - _MIDDLE))) / 12, 0, 1
)
"""How much of what changed is laid back, 0 at the edge to 1, (FACE, FACE)."""


def heights(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels from the eyes to the mouth, (T,), of landmarks (T, 5, 2)."""
    between = landmarks[:, 3:].mean(1) - landmarks[:, :2].mean(1)
    return np.asarray(np.linalg.norm(between, axis=1), np.float32)


def crop_middle(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The aligned face (FACE, FACE, 3) in a head crop (CROP_SIZE, CROP_SIZE, 3)."""
    return crop[_TOP : _TOP + FACE, _LEFT : _LEFT + FACE]


def aligned(frames: Iterable[NDArray[np.uint8]], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(T, FACE, FACE, 3): the face of each frame (H, W, 3), by its landmarks in pixels, (T, 5, 2)."""
    return np.stack([crop_middle(head_crop(f, p)) for f, p in zip(frames, landmarks, strict=True)])


def mouths_hidden(faces: NDArray[np.uint8], span: int) -> NDArray[np.float32]:
    """Aligned faces (T, FACE, FACE, 3) whose mouths are as they are on average, over ``span`` frames about each or the
    whole clip, if it is shorter: how far they open is gone, whether they smile is not."""
    count = len(faces)
    sums = np.concatenate([np.zeros((1, FACE, FACE, 3)), faces.cumsum(0, dtype=np.float64)])
    length = min(span, count)
    first = np.clip(np.arange(count) - length // 2, 0, count - length)
    mean = (sums[first + length] - sums[first]) / length
    return (faces + MOUTH[..., None] * (mean - faces)).astype(np.float32)


def lay_back(
    frame: NDArray[np.uint8], change: NDArray[np.float32], landmarks: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """A frame (H, W, 3) to which what changed of its aligned face, (FACE, FACE, 3), is added where the face is."""
    matrix = similarity(landmarks.astype(np.float64), LANDMARKS.astype(np.float64))
    height, width = frame.shape[:2]
    back = cv2.warpAffine(
        change * PASTE[..., None], matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.clip(np.rint(frame + back), 0, 255).astype(np.uint8)


def as_tensor(faces: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
    """(..., FACE, FACE, 3), 0 to 255, as networks read it: (..., 3, FACE, FACE) in [-1, 1]."""
    return from_numpy(np.ascontiguousarray(faces, np.float32)).movedim(-1, -3) / 127.5 - 1
