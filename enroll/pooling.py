"""Views into one embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enroll.encoders.base import Card
from enroll.identity import Embedding, Pose, View

__all__ = ["pool"]

# A view this many times farther from the middle than the typical one is a blur, a hand or somebody else.
_OUTLIER = 2.0
_MOST_DROPPED = 1 / 3


def pool(
    card: Card,
    vectors: NDArray[np.float32],
    seconds: Sequence[float],
    qualities: Sequence[float],
    poses: Sequence[Pose] | None = None,
    *,
    length: float | None = None,
) -> Embedding:
    """The quality-weighted mean of the views, outliers left out (at most a third of them).

    Args:
        card: of the space.
        vectors: shape (N, D), N ≥ 1.
        seconds: when each view was, shape (N,).
        qualities: 0 to 1, shape (N,).
        poses: head rotations; None where there are none.
        length: for a voice, the seconds of speech behind it.
    """
    keep = _inliers(vectors)
    weights = np.maximum(np.asarray(qualities, np.float64)[keep], 1e-3)
    mean = np.average(vectors[keep].astype(np.float64), axis=0, weights=weights)
    if card.unit and (norm := float(np.linalg.norm(mean))) > 0:
        mean = mean / norm
    order = keep[np.argsort(np.asarray(seconds)[keep], kind="stable")]
    views = tuple(
        View(vectors[i].copy(), float(seconds[i]), float(qualities[i]), poses[i] if poses is not None else Pose())
        for i in order
    )
    return Embedding(
        space=card.space,
        modality=card.modality,
        vector=mean.astype(np.float32),
        views=views,
        quality=float(np.average(np.asarray(qualities)[keep], weights=weights)),
        seconds=length,
        spread=_spread(vectors[keep], mean),
    )


def _spread(vectors: NDArray[np.float32], mean: NDArray[np.float64]) -> float | None:
    if len(vectors) < 2:
        return None
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(mean)
    return float(1.0 - np.mean(vectors @ mean / np.maximum(norms, 1e-12)))


def _inliers(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    if len(vectors) < 4:
        return np.arange(len(vectors))
    distance = np.linalg.norm(vectors - np.median(vectors, axis=0), axis=1)
    order = np.argsort(distance, kind="stable")
    sure = len(vectors) - int(len(vectors) * _MOST_DROPPED)
    limit = _OUTLIER * float(np.median(distance))
    return np.array([i for rank, i in enumerate(order) if rank < sure or distance[i] <= limit])
