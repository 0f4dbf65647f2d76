"""``appearance``: colours of hair, skin and clothes and the outline of the body, by OpenCV. No weights.

It says how a person looks on this occasion; another shirt is another vector. 240 numbers of unit length:

====== =======================================================================================================
0-230  seven regions of 33 (order of ``body.REGIONS``): 8 bins of L, 5×5 bins of a and b (CIELAB); square roots of
       shares, so that a scalar product is a Bhattacharyya coefficient; zeros where the frame does not show a region
231-237 width of the body at seven heights from the neck down, in crop widths (of four face heights each)
238    extent of the hair above the face: the share of its region that is the person
239    extent of the hair beside the face, likewise
====== =======================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enroll.body import REGIONS, Body, see_body
from enroll.encoders.base import Card, unit_rows
from enroll.looks import Look

__all__ = ["SPACES", "Appearance"]

_HEIGHTS = (60, 68, 76, 86, 96, 108, 122)
_CHROMA = np.array([-128, -24, -8, 8, 24, 128], np.float32)
_LEAST_PIXELS = 24


class Appearance:
    """240 numbers of unit length for each look."""

    card = Card(
        space="appearance",
        modality="body",
        dim=240,
        unit=True,
        licence="Apache-2.0 (part of this project; no weights)",
        commercial=True,
        source="part of this project",
    )

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        rows = np.array([_describe(look) for look in samples], np.float32)
        return unit_rows(rows.reshape(-1, self.card.dim))


def _describe(look: Look) -> NDArray[np.float32]:
    body = see_body(look)
    lab = cv2.cvtColor(body.pixels.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    parts = []
    for boxes in REGIONS.values():
        picked = np.concatenate([lab[y0:y1, x0:x1][body.mask[y0:y1, x0:x1]] for x0, y0, x1, y1 in boxes])
        parts.append(_histogram(picked))
    widths = body.mask[list(_HEIGHTS)].mean(1)
    build = [*widths, _extent(body, "hair"), _extent(body, "hair_sides")]
    return np.concatenate([*parts, np.array(build, np.float32)]).astype(np.float32)


def _extent(body: Body, region: str) -> float:
    return float(np.mean(np.concatenate([body.mask[y0:y1, x0:x1].ravel() for x0, y0, x1, y1 in REGIONS[region]])))


def _histogram(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(lab) < _LEAST_PIXELS:
        return np.zeros(33, np.float32)
    light, _ = np.histogram(lab[:, 0], bins=8, range=(0, 100))
    chroma, _, _ = np.histogram2d(lab[:, 1], lab[:, 2], bins=[_CHROMA, _CHROMA])
    # A little smoothing: a shade beside a bin's edge is still nearly the same shade.
    smooth = np.convolve(light / len(lab), [0.2, 0.6, 0.2], "same")
    colour = cv2.GaussianBlur((chroma / len(lab)).astype(np.float32), (3, 3), 0.6, borderType=cv2.BORDER_CONSTANT)
    return np.sqrt(np.concatenate([smooth, colour.reshape(-1)])).astype(np.float32)


@dataclass(frozen=True)
class _Space:
    card: Card = Appearance.card

    def find(self) -> Path | None:
        return Path(__file__)

    def files(self, path: Path) -> tuple[Path, ...]:
        return ()

    def load(self, path: Path) -> Appearance:
        return Appearance()


SPACES = (_Space(),)
