"""Crops of people laid where a clip shows their heads: what the generator learns to draw them from.

One picture for every latent frame, laid by the landmarks of the truth, and one for the whole clip, laid by their mean.
The crop is of another clip, mostly the one that looks into the camera; it lies a little beside now and then, for
nobody will lay it to the pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from diffusers import LTX2Pipeline
from numpy.typing import NDArray
from torch import Tensor

from cameo.conditioning.features import encode_crops
from cameo.conditioning.placing import frontal, lay_crop
from cameo.training.flow import latent_points
from cameo.training.people import SIZE
from enroll.alignment import HEAD_LANDMARKS, similarity
from enroll.identity import Crop

__all__ = ["guides"]

_ASIDE, _LARGER = 1.0, 0.02
"""Standard deviations: pixels, and share of the size."""

_FRONTAL = 0.75


def guides(
    pipeline: LTX2Pipeline,
    crops: Sequence[Crop],
    points: NDArray[np.float32],
    frames: int,
    rng: np.random.Generator,
) -> Tensor:
    """(frames + 1, C, h, w): latents of a crop laid where the head is in each latent frame, then for the whole clip.

    Args:
        pipeline: whose video autoencoder encodes.
        crops: of the person's head, from another clip.
        points: landmarks in the clip, pixels, (T, 5, 2).
        frames: of the clip's latent.
        rng: draws the crop, and how it lies.
    """
    crop = frontal(crops)[0] if rng.uniform() < _FRONTAL else crops[int(rng.integers(len(crops)))]
    aside, larger = rng.normal(0, _ASIDE, 2), 1 + rng.normal(0, _LARGER)
    places = [*latent_points(torch.from_numpy(points), frames).numpy(), points.mean(0)]
    pictures = [lay_crop(crop.pixels, _matrix(at, aside, larger), (SIZE, SIZE)) for at in places]
    return encode_crops(pipeline, np.stack(pictures))


def _matrix(points: NDArray[np.float32], aside: NDArray[np.float64], larger: float) -> NDArray[np.float32]:
    middle = points.mean(0)
    return similarity(HEAD_LANDMARKS.astype(np.float64), (points - middle) * larger + middle + aside)
