"""Where in a picture somebody's head is to be, and a crop of it laid there.

Fine detail is copied only from where it is needed to the pixel: of a crop that lies a few pixels beside the head a
generator is drawing, the coarsest components alone are of use to it. So whoever makes a scene decides where heads are
(by the shot, or by the region somebody was given), lays their crop there, and the generator draws the head where it
lies. In training it is laid where the head truly is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import cv2
import numpy as np
from diffusers import LTX2VideoTransformer3DModel
from numpy.typing import NDArray

from cameo.conditioning.routing import Box, Presence
from enroll.identity import Crop

__all__ = ["GROUND", "Placing", "Placings", "frontal", "latent_times", "lay_crop", "placings_for"]

GROUND = (127, 127, 127)
"""What a picture with a crop laid into it is filled with: nothing is known of what is there."""

_BESIDE = 1.56
"""How large a head is in a region, by that region's width and by how large it is in a scene of its own: two beside each
other are as large as made-up couples are."""

_SMALLEST = 0.4
"""Faces smaller than those of couples were never learned; so in narrower regions crops reach beyond them."""

_CROP_BY_FACE, _FACE_IN_CROP = 1.68, 0.54
"""Edge of a crop by height of the face's box in it, and how far down in the crop the middle of that is."""


@dataclass(frozen=True)
class Placing:
    """A square crop laid into a picture, in shares of the picture's edges.

    Attributes:
        scale: edge of the crop.
        x: its left edge; ``y`` its top.
    """

    scale: float
    x: float
    y: float

    @classmethod
    def around(cls, centre: tuple[float, float], height: float) -> Placing:
        """Where a crop shows a face as a detector frames it.

        Args:
            centre: of the face's box, (x, y), in shares of the picture's edges.
            height: of the box.
        """
        scale = height * _CROP_BY_FACE
        return cls(scale, centre[0] - scale / 2, centre[1] - _FACE_IN_CROP * scale)

    def within(self, box: Box) -> Placing:
        """The same head in a region: in its middle, as high up as in a scene of its own, no larger than fits beside
        others."""
        width, height = box.right - box.left, box.bottom - box.top
        scale = min(self.scale, max(_SMALLEST, _BESIDE * width * self.scale))
        top = box.top + (self.y + self.scale / 2) * height - scale / 2
        return Placing(scale, (box.left + box.right - scale) / 2, max(box.top, min(top, box.bottom - scale)))

    def matrix(self, size: tuple[int, int], edge: int) -> NDArray[np.float32]:
        """(2, 3): pixels of a crop of this ``edge`` to pixels of a picture of ``size`` (W, H)."""
        across, down = size
        scale_x, scale_y = self.scale * across / edge, self.scale * down / edge
        # Whole numbers are the middles of pixels.
        right, below = self.x * across + (scale_x - 1) / 2, self.y * down + (scale_y - 1) / 2
        return np.array([[scale_x, 0, right], [0, scale_y, below]], np.float32)


Placings = Sequence[Sequence[tuple[float, Placing]] | None]
"""For each person of a scene, where their head is and when, in seconds; NaN: all through."""


def placings_for(
    shots: Mapping[str, Sequence[float]], caption: str, presence: Presence | None, times: Sequence[float]
) -> list[tuple[float, Placing]]:
    """Where a head is in a scene, and from when on.

    Args:
        shots: (scale, x, y) by the words of a caption that ask for it; the first where none is there. See
            ``head_placings`` of the adapter.
        caption: of the scene.
        presence: where the person may be drawn; None: anywhere.
        times: of the scene's latent frames, seconds.

    Returns:
        (seconds, placing), for every latent frame where the region moves; else a single one, of all times (NaN).
    """
    words = caption.lower()
    asked = [shot for shot in shots if re.search(rf"\b{re.escape(shot)}\b", words)]
    placing = Placing(*shots[asked[0] if asked else next(iter(shots))])
    if presence is None or not presence.path:
        return [(nan, placing)]
    if len(presence.path) == 1:
        return [(nan, placing.within(presence.path[0][1]))]
    return [(at, placing.within(box)) for at in times if (box := presence.box(at)) is not None]


def latent_times(transformer: LTX2VideoTransformer3DModel, frames: int, frame_rate: float) -> list[float]:
    """When the latent frames of a scene are, in seconds, as the transformer places its queries.

    Args:
        transformer: that draws it.
        frames: of the video latent.
        frame_rate: of the scene, frames a second.
    """
    coordinates = transformer.rope.prepare_video_coords(1, frames, 1, 1, "cpu", fps=frame_rate)
    return [float(at) for at in coordinates[0, 0].float().mean(-1)]


def frontal(crops: Sequence[Crop]) -> list[Crop]:
    """The crops, those that look into the camera first."""
    return sorted(crops, key=lambda crop: abs(crop.pose.yaw) + abs(crop.pose.pitch))


def lay_crop(crop: NDArray[np.uint8], matrix: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture with the crop laid into it, on grey; (H, W, 3).

    Args:
        crop: RGB uint8, shape (h, w, 3).
        matrix: (2, 3), pixels of the crop to pixels of the picture.
        size: (W, H) of the picture.
    """
    # Warping samples single pixels: done at twice the size, then averaged.
    twice = (2 * size[0], 2 * size[1])
    matrix = np.diag([2, 2]) @ matrix + np.array([[0, 0, 0.5], [0, 0, 0.5]])
    laid = cv2.warpAffine(crop, matrix, twice, flags=cv2.INTER_LINEAR, borderValue=GROUND)
    return np.asarray(cv2.resize(laid, size, interpolation=cv2.INTER_AREA), np.uint8)
