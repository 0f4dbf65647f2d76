"""What a recogniser makes of a drawn face, as a loss: an average of pixels leaves out what it lives on.

Distances between the maps of a network that tells faces apart, as in Zhang et al., "The unreasonable effectiveness of
deep features as a perceptual metric" (CVPR 2018), and between its descriptors. Where it is known who is drawn, also for
whom they would be taken: descriptors of whatever a generator draws have much in common, which hides whose face it is.
It is the network nano is conditioned on; who judges nano is another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

import numpy as np
import torch
from insightface.utils.face_align import arcface_dst
from torch import Tensor
from torch.nn import functional

from cameo.training.identities import FACE
from cameo.training.pictures import Windows
from enroll.alignment import similarity
from enroll.encoders import registry
from enroll.encoders.dlib_net import DlibNet
from enroll.encoders.dlib_resnet import DlibResNet

__all__ = ["CHIP", "Gallery", "chips", "how_unlike", "recognition_loss", "told_apart"]

CHIP = 150
"""Edge of an aligned face in pixels."""

_SMALLEST = 9.0
"""Pixels from the eyes to the mouth; smaller faces say little."""

_TAKEN: Final = 0.15
"""Weight of for whom a face would be taken."""
_TEMPERATURE: Final = 0.1

# With room about the face, as in the chips the network was trained on.
_TEMPLATE = ((arcface_dst - [56.0, 72.0]) * 0.8 * CHIP / 112 + [75.0, 88.0]).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Gallery:
    """Everybody that a face may be taken for.

    Attributes:
        centre: what all descriptors have in common, (128,).
        directions: of each person's from there, of unit length, (N, 128).
    """

    centre: Tensor
    directions: Tensor

    @classmethod
    def of(cls, descriptors: Tensor) -> Gallery:
        """Of the people's descriptors, (N, 128), two or more."""
        vectors = functional.normalize(descriptors, dim=1)
        centre = vectors.mean(0)
        return cls(centre, functional.normalize(vectors - centre, dim=1))

    def identification_loss(self, descriptors: Tensor, who: Tensor) -> Tensor:
        """Softmax cross-entropy over everybody, as faces are learned to be told apart by (Sun et al., "Deep learning
        face representation by joint identification-verification", NeurIPS 2014); the classes do not learn.

        Args:
            descriptors: (K, 128).
            who: of the people they should be, (K,).
        """
        own = functional.normalize(functional.normalize(descriptors, dim=1) - self.centre, dim=1)
        return functional.cross_entropy(own @ self.directions.T / _TEMPERATURE, who)


def how_unlike(drawn: Tensor, seen: Windows, count: int, rng: np.random.Generator) -> Tensor | None:
    """``recognition_loss`` of some of the faces in what was drawn.

    Args:
        drawn: of ``seen.frames``, (B, 3, T, edge, edge).
        seen: how it truly is.
        count: faces at most.
        rng: draws which.

    Returns:
        None where there is no face to be told.
    """
    points = seen.points.flatten(0, 1)
    whole = told_apart(points, drawn.shape[-1])
    if not len(whole):
        return None
    some = whole[torch.from_numpy(rng.permutation(len(whole))[:count]).to(whole.device)]
    ours, theirs = (chips(clip.transpose(1, 2).flatten(0, 1)[some], points[some]) for clip in (drawn, seen.frames))
    return recognition_loss(ours, theirs)


def told_apart(points: Tensor, edge: int) -> Tensor:
    """Which faces are whole and large enough to be told, of landmarks (N, 5, 2) in windows of ``edge`` pixels: their
    numbers, (K,)."""
    height = (points[:, 3:].mean(1) - points[:, :2].mean(1)).norm(dim=1)
    inside = (points.amin((1, 2)) > 0) & (points.amax((1, 2)) < edge - 1)
    return torch.nonzero((height > _SMALLEST) & inside).flatten()


def chips(pictures: Tensor, points: Tensor) -> Tensor:
    """Aligned faces, with gradient to the pictures.

    Args:
        pictures: (N, 3, H, W).
        points: the five landmarks of MTCNN in each, pixels, (N, 5, 2).

    Returns:
        (N, 3, CHIP, CHIP).
    """
    count, _, height, width = pictures.shape
    size = torch.tensor([width, height], dtype=torch.float64)
    theta = []
    for face in points.double().cpu().numpy():
        matrix = torch.from_numpy(similarity(_TEMPLATE, face)).double()
        turn, shift = matrix[:, :2], matrix[:, 2]
        # A grid counts from -1 to 1 between the outer edges of the pixels.
        middle = turn @ torch.full((2,), (CHIP - 1) / 2, dtype=torch.float64) + shift
        theta.append(torch.cat([turn * CHIP / size[:, None], ((2 * middle + 1) / size - 1)[:, None]], 1))
    grid = functional.affine_grid(torch.stack(theta).float(), [count, 3, CHIP, CHIP], align_corners=False)
    return functional.grid_sample(pictures, grid.to(pictures.device), padding_mode="border", align_corners=False)


def recognition_loss(drawn: Tensor, true: Tensor, gallery: Gallery | None = None, who: Tensor | None = None) -> Tensor:
    """How differently a recogniser sees two sets of faces: the maps' absolute difference, by the size of the true ones,
    and the descriptors' squared distance; 0 where they are equal. With a gallery, also for whom they would be taken.

    Args:
        drawn: chips in [-1, 1], (N, 3, CHIP, CHIP).
        true: likewise, of the same people in the same pose.
        gallery: everybody.
        who: they are in it, (N,).
    """
    network = _network(drawn.device)
    maps, vectors = network.see((drawn + 1) * 127.5)
    with torch.no_grad():
        true_maps, true_vectors = network.see((true + 1) * 127.5)
    unlike = [(a - b).abs().mean() / b.abs().mean() for a, b in zip(maps, true_maps, strict=True)]
    loss = torch.stack(unlike).sum() + (vectors - true_vectors).square().sum(1).mean()
    if gallery is None or who is None:
        return loss
    return loss + _TAKEN * gallery.identification_loss(vectors, who)


@lru_cache(maxsize=1)
def _network(device: torch.device) -> DlibNet:
    return cast("DlibResNet", registry.get(FACE)).network.on(device)
