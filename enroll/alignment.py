"""How faces, heads and bodies are cut out of a frame. Every picture an Identity holds and every picture an encoder or
a generator is trained on goes through these three functions, so that they all mean the same thing.

Landmarks are the five points of MTCNN, in pixels, shape (5, 2): left eye, right eye, nose, left and right mouth corner
(left and right as the picture shows them).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from insightface.utils.face_align import arcface_dst
from numpy.typing import NDArray

__all__ = ["CROP_SIZE", "HEAD_LANDMARKS", "body_crop", "face_chip", "head_crop", "similarity"]

CROP_SIZE = 128
"""Edge of head and body crops in pixels."""

# In a head crop the face takes the middle, with room for hair above and the neck below: the ArcFace template
# (112 px, face filling it) shrunk and shifted.
_HEAD_SCALE = 0.72
_HEAD_OFFSET = np.array([64.0 - 56.0 * _HEAD_SCALE, 70.0 - 72.0 * _HEAD_SCALE], np.float32)

HEAD_LANDMARKS: NDArray[np.float32] = (arcface_dst * _HEAD_SCALE + _HEAD_OFFSET) * (CROP_SIZE / 128.0)
"""Where a head crop has the five landmarks, pixels, (5, 2)."""


def face_chip(frame: NDArray[np.uint8], landmarks: NDArray[np.float32], size: int = 112) -> NDArray[np.uint8]:
    """The face alone, aligned to the ArcFace template (Deng et al., CVPR 2019).

    Args:
        frame: RGB uint8, shape (H, W, 3).
        landmarks: shape (5, 2), pixels of ``frame``.
        size: edge of the result, pixels.

    Returns:
        RGB uint8, shape (size, size, 3).
    """
    return _warp(frame, landmarks, arcface_dst * (size / 112.0), size)


def head_crop(frame: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Head with hair and neck, eyes level, RGB uint8, shape (128, 128, 3). The face is about 75 px high in it."""
    return _warp(frame, landmarks, HEAD_LANDMARKS, CROP_SIZE)


def body_crop(frame: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Head and torso, upright, RGB uint8, shape (128, 128, 3).

    Args:
        frame: RGB uint8, shape (H, W, 3).
        box: the face, (x0, y0, x1, y1) in pixels. The crop is the square whose edge is four face heights, its top
            0.75 face heights above the face; what lies outside the frame repeats the border.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    face = max(y1 - y0, 1.0)
    edge = 4.0 * face
    left, top = (x0 + x1) / 2 - edge / 2, y0 - 0.75 * face
    scale = CROP_SIZE / edge
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float32)
    return _apply(frame, matrix, CROP_SIZE)


def _warp(
    frame: NDArray[np.uint8], landmarks: NDArray[np.float32], template: NDArray[np.float32], size: int
) -> NDArray[np.uint8]:
    matrix = similarity(np.asarray(landmarks, np.float64), np.asarray(template, np.float64))
    return _apply(frame, matrix, size)


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float32]:
    """The rotation, scale and shift that brings ``source`` nearest to ``target`` (least squares; Umeyama 1991, without
    reflection). Both shape (N, 2). Returns a (2, 3) matrix."""
    s_mean, t_mean = source.mean(0), target.mean(0)
    s, t = source - s_mean, target - t_mean
    norm = max(float((s**2).sum()), 1e-9)
    a = float((s * t).sum()) / norm
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / norm
    rotation = np.array([[a, -b], [b, a]])
    return np.hstack([rotation, (t_mean - rotation @ s_mean)[:, None]]).astype(np.float32)


def _apply(frame: NDArray[np.uint8], matrix: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    source: NDArray[Any] = frame
    if scale < 0.5:
        # Warping samples single pixels; shrinking first keeps what lies between them.
        factor = max(scale * 2, 1e-3)
        height, width = frame.shape[:2]
        shrunk = (max(1, round(width * factor)), max(1, round(height * factor)))
        source = cv2.resize(frame, shrunk, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([width / shrunk[0], height / shrunk[1], 1.0]).astype(np.float32)
    warped = cv2.warpAffine(source, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped.astype(np.uint8)
