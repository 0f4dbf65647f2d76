"""A look: one face at one moment, with enough of the picture around it for everything that comes after.

Frames of a minute of video do not fit in memory and looks do: a look keeps the head and torso only, with the face no
higher than ``FACE_EDGE`` pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enroll.alignment import face_chip
from enroll.identity import Pose

__all__ = ["FACE_EDGE", "Look", "cut_look", "spread"]

FACE_EDGE = 112
"""Greatest face height kept, pixels: what the largest encoders see anyway."""

# The patch holds what ``alignment.body_crop`` will ask for, in face heights from the middle of the face.
_SIDE, _ABOVE, _BELOW = 2.1, 1.3, 2.8
# The variance of the Laplacian of a 112 px chip that counts as in focus: GRID's 360×288 give 100 to 290.
_SHARP = 250.0
# In CIE Lab. Of the real faces tried at most 0.6 of the lower half differs by more, of nine masks at least 0.76.
_COLOUR = 11.0
_MAYBE_COVERED = 0.6


@dataclass(frozen=True, repr=False, eq=False)
class Look:
    """One face at one moment.

    Attributes:
        index: number of the sampled frame it was found in.
        second: where in the clip.
        patch: RGB uint8, shape (h, w, 3): head and torso as far as the frame shows them.
        box: the face in ``patch``, (x0, y0, x1, y1), pixels, float32.
        landmarks: shape (5, 2), pixels of ``patch``, float32; order as in ``alignment``.
        confidence: of the detector, 0 to 1.
        centre: middle of the face in the frame, as shares of its width and height.
        face_px: face height in the clip itself, pixels.
        reach: face height as a share of the frame's height and width: (dy, dx).
        pose: of the head.
        quality: sharpness, size, light, pose, what covers the face and the detector's confidence in one figure, 0 to 1.
        covered: share of mouth and chin that is not of the colour of the cheeks, as under a mask, 0 to 1.
    """

    index: int
    second: float
    patch: NDArray[np.uint8]
    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    confidence: float
    centre: tuple[float, float]
    face_px: float
    reach: tuple[float, float]
    pose: Pose
    quality: float
    covered: float = 0.0


def cut_look(
    frame: NDArray[np.uint8],
    box: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    *,
    index: int,
    second: float,
    confidence: float,
    pose: Pose,
    others: Sequence[NDArray[np.float32]] = (),
) -> Look:
    """Cuts a look out of a frame, RGB uint8, shape (H, W, 3); ``box`` and ``landmarks`` are in its pixels.

    ``others`` are the boxes of the other faces in the frame. Where they reach into the look they are filled in:
    nobody's face is kept with somebody else's.
    """
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = (float(v) for v in box)
    face = max(y1 - y0, 1.0)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    left, right = max(0, int(cx - _SIDE * face)), min(width, int(cx + _SIDE * face) + 1)
    top, bottom = max(0, int(cy - _ABOVE * face)), min(height, int(cy + _BELOW * face) + 1)
    patch = np.array(frame[top:bottom, left:right], np.uint8, order="C")
    for other in others:
        shift = np.array([left, top, left, top], np.float32)
        _fill(patch, other - shift, box - shift)
    scale = min(1.0, FACE_EDGE / face)
    if scale < 1.0:
        size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
        patch = np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), np.uint8)
    factor = np.array([patch.shape[1] / (right - left), patch.shape[0] / (bottom - top)])
    corner = np.array([left, top])
    points = ((landmarks - corner) * factor).astype(np.float32)
    chip = face_chip(patch, points)
    covered = _covered(chip)
    return Look(
        index=index,
        second=second,
        patch=patch,
        box=((np.array([[x0, y0], [x1, y1]]) - corner) * factor).reshape(4).astype(np.float32),
        landmarks=points,
        confidence=confidence,
        centre=(cx / width, cy / height),
        face_px=face,
        reach=(face / height, face / width),
        pose=pose,
        quality=_quality(chip, face, confidence, pose, covered),
        covered=covered,
    )


def _fill(patch: NDArray[np.uint8], other: NDArray[np.float32], own: NDArray[np.float32]) -> None:
    """Paints an ellipse of the patch's mean colour over another's face (x0, y0, x1, y1), but never over the own."""
    height, width = patch.shape[:2]
    x0, y0, x1, y1 = (float(v) for v in other)
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        return
    inside = np.zeros((height, width), np.uint8)
    centre = (round((x0 + x1) / 2), round((y0 + y1) / 2))
    cv2.ellipse(inside, centre, (round((x1 - x0) * 0.6), round((y1 - y0) * 0.6)), 0, 0, 360, 255, -1)
    left, top, right, bottom = (max(0, round(float(v))) for v in own)
    inside[top:bottom, left:right] = 0
    if inside.any():
        patch[inside > 0] = patch.reshape(-1, 3).mean(0).astype(np.uint8)


def _covered(chip: NDArray[np.uint8]) -> float:
    """Share of mouth and chin whose colour (a and b of CIE Lab) is not that of the skin between brows and nose. Lips
    are redder than skin and a beard is darker; what is less red than skin by far is a mask or a scarf."""
    lab = cv2.cvtColor((chip / 255.0).astype(np.float32), cv2.COLOR_RGB2LAB)
    skin = np.median(lab[34:64, 50:62].reshape(-1, 3), axis=0)
    lower = lab[80:106, 38:74].reshape(-1, 3)
    off = lower[:, 1:] - skin[1:]
    return float(np.mean((off[:, 0] < -_COLOUR) | (np.abs(off[:, 1]) > _COLOUR)))


def _quality(chip: NDArray[np.uint8], face_px: float, confidence: float, pose: Pose, covered: float) -> float:
    """Geometric mean of shares, so that one that is nearly nothing is not outvoted by the others."""
    grey = cv2.cvtColor(chip[16:-8, 16:-16], cv2.COLOR_RGB2GRAY)
    sharp = min(1.0, float(cv2.Laplacian(grey, cv2.CV_32F).var()) / _SHARP)
    size = min(1.0, face_px / FACE_EDGE)
    light = min(1.0, float(grey.std()) / 30.0) * (1.0 - float(np.mean((grey < 12) | (grey > 250))))
    # A face half turned away says half as much.
    facing = max(0.1, float(np.cos(np.radians(pose.yaw)) * np.cos(np.radians(pose.pitch))))
    # Up to here it may be the light, or a beard.
    bare = 1.0 - max(0.0, covered - _MAYBE_COVERED) / (1.0 - _MAYBE_COVERED)
    shares = sharp * size * light * confidence**4 * facing * bare
    return float(np.clip(shares, 1e-8, 1.0) ** 0.25)


def spread(looks: Sequence[Look], count: int, *, floor: float = 0.7) -> list[Look]:
    """Up to ``count`` looks that differ most in pose and time, the most frontal good one first.

    Looks below ``floor`` times the median quality are left out. Farthest-point sampling (Gonzalez, 1985): 15° of yaw or
    pitch weigh as much as a quarter of the clip, and among equals quality decides.
    """
    if not looks:
        return []
    least = floor * float(np.median([look.quality for look in looks]))
    pool = [look for look in looks if look.quality >= least]
    length = max(look.second for look in pool) - min(look.second for look in pool) or 1.0
    places = np.array([(k.pose.yaw / 15.0, k.pose.pitch / 15.0, 4.0 * k.second / length) for k in pool])
    quality = np.array([look.quality for look in pool])
    turned = np.array([np.hypot(look.pose.yaw, look.pose.pitch) for look in pool])
    chosen = [int(np.argmax(quality - turned / 30.0))]
    distance = np.full(len(pool), np.inf)
    while len(chosen) < min(count, len(pool)):
        distance = np.minimum(distance, np.linalg.norm(places - places[chosen[-1]], axis=1))
        chosen.append(int(np.argmax(distance * quality)))
    return [pool[i] for i in chosen]
