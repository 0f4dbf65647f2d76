"""Body and clothes: where hair, torso and arms are in a body crop, and which of its pixels are the person."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enroll.alignment import CROP_SIZE, body_crop
from enroll.looks import Look

__all__ = ["REGIONS", "Body", "hide_face", "see_body"]

REGIONS: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "hair": ((48, 8, 80, 26),),
    "hair_sides": ((34, 24, 50, 64), (78, 24, 94, 64)),
    "skin": ((54, 34, 74, 52),),
    "collar": ((52, 58, 76, 70),),
    "chest": ((44, 70, 84, 98),),
    "arms": ((12, 76, 40, 116), (88, 76, 116, 116)),
    "waist": ((44, 98, 84, 128),),
}
"""Rectangles (x0, y0, x1, y1) in a body crop, where the face is (48 … 80, 24 … 56)."""

_FACE = (64, 40)
_ROUNDS = 2


@dataclass(frozen=True, repr=False)
class Body:
    """A body crop, RGB uint8 (128, 128, 3), and the person's pixels in it, bool (128, 128)."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def see_body(look: Look) -> Body:
    """Parts the person from the background by GrabCut (Rother et al., 2004), started from where the face says the body
    must be. What the frame does not show is not in the mask.

    It is done at half size in two rounds: a fifth of the time of full size, and people are told apart as well.
    """
    pixels = body_crop(look.patch, look.box)
    guess = np.full(pixels.shape[:2], cv2.GC_PR_BGD, np.uint8)
    guess[:, :4] = guess[:, -4:] = guess[:3] = cv2.GC_BGD
    cv2.ellipse(guess, _FACE, (20, 30), 0, 0, 360, cv2.GC_PR_FGD, -1)
    torso = np.array([(54, 56), (74, 56), (80, 66), (108, 76), (116, 127), (12, 127), (20, 76), (48, 66)])
    cv2.fillPoly(guess, [torso], cv2.GC_PR_FGD)
    cv2.ellipse(guess, _FACE, (11, 15), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.rectangle(guess, (56, 84), (72, 127), cv2.GC_FGD, -1)
    # GrabCut starts its clusters from OpenCV's own random numbers; the same look must give the same mask.
    cv2.setRNGSeed(0)
    half = CROP_SIZE // 2
    picture = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), (half, half), interpolation=cv2.INTER_AREA)
    label = np.ascontiguousarray(guess[::2, ::2])
    background, person = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, label, (0, 0, 1, 1), background, person, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    sure = ((label == cv2.GC_FGD) | (label == cv2.GC_PR_FGD)).astype(np.float32)
    mask = cv2.resize(sure, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR) >= 0.5
    return Body(pixels, mask & _shown(look))


def hide_face(look: Look) -> Look:
    """The look with its face filled in, for a consent that covers the body and not the face."""
    patch = look.patch.copy()
    x0, y0, x1, y1 = look.box
    centre = (round(float(x0 + x1) / 2), round(float(y0 + y1) / 2))
    axes = (round(float(x1 - x0) * 0.6), round(float(y1 - y0) * 0.6))
    inside = np.zeros(patch.shape[:2], np.uint8)
    cv2.ellipse(inside, centre, axes, 0, 0, 360, 255, -1)
    patch[inside > 0] = patch[inside > 0].mean(0).astype(np.uint8) if inside.any() else 0
    return replace(look, patch=patch)


def _shown(look: Look) -> NDArray[np.bool_]:
    """Which pixels of the body crop lie in the frame, bool (128, 128)."""
    height, width = look.patch.shape[:2]
    x0, y0, x1, y1 = (float(v) for v in look.box)
    face = max(y1 - y0, 1.0)
    at = (np.arange(CROP_SIZE) + 0.5) / CROP_SIZE * 4.0 * face
    x, y = at + (x0 + x1) / 2 - 2.0 * face, at + y0 - 0.75 * face
    return np.outer((y >= 0) & (y < height), (x >= 0) & (x < width))
