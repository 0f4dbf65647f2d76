"""Who is taken for whom: every take against everybody enrolled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

__all__ = ["Likeness", "Share", "compare", "copying"]


class Share(BaseModel):
    """``right`` of ``of``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    right: int
    of: int

    def __str__(self) -> str:
        return f"{self.right}/{self.of} ({100 * self.right / self.of:.0f} %)" if self.of else "none asked"


class Likeness(BaseModel):
    """Takes against enrolled people, by the cosine of one encoder.

    Attributes:
        matrix: rows are takes, columns enrolled people in the same order; None where a take shows or voices nobody.
        rank1: takes whose own person is nearer than every other one.
        mean: of the diagonal, a take without anybody counting as 0; None when nobody was compared.
        strangers: mean of what is off the diagonal; None when there is nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    matrix: tuple[tuple[float | None, ...], ...]
    rank1: Share
    mean: float | None
    strangers: float | None

    def array(self) -> NDArray[np.float64]:
        """The matrix with NaN for None, shape (N, N)."""
        return np.array([[np.nan if v is None else v for v in row] for row in self.matrix], np.float64)


def compare(takes: Sequence[NDArray[np.float32]], enrolled: Sequence[NDArray[np.float32]]) -> Likeness:
    """Compare.

    Args:
        takes: a vector of unit length for each take, NaN where it shows nobody.
        enrolled: likewise for each person; take i asks for person i. Who is not known in this space is left out.
    """
    known = [i for i, vector in enumerate(enrolled) if np.isfinite(vector).all()]
    if not known:
        return Likeness(matrix=(), rank1=Share(right=0, of=0), mean=None, strangers=None)
    cosine = np.stack([takes[i] for i in known]).astype(np.float64) @ np.stack([enrolled[i] for i in known]).T
    own = np.diagonal(cosine)
    others = np.where(np.eye(len(known), dtype=bool), -np.inf, cosine)
    # A comparison with NaN is False: a take without anybody is never right.
    right = int((own > others.max(1)).sum())
    off = others[np.isfinite(others)]
    return Likeness(
        matrix=tuple(tuple(None if np.isnan(v) else round(float(v), 4) for v in row) for row in cosine),
        rank1=Share(right=right, of=len(known)),
        mean=float(np.nan_to_num(own).mean()),
        strangers=float(off.mean()) if len(off) else None,
    )


def copying(
    made: Sequence[NDArray[np.float32]], again: Sequence[NDArray[np.float32]], told: Sequence[NDArray[np.float32]]
) -> float | None:
    """Whether what was made is the person, or the very clip they were told by (Xu et al., arXiv:2510.14975).

    Args:
        made: a vector of unit length for each take, NaN where it shows nobody.
        again: likewise of each person on another occasion; ``told`` likewise of what the generator was told by.

    Returns:
        The median over takes of (angle to ``again`` - angle to ``told``) / angle between the two: 1 is a copy of what
        was told, 0 as near to either, -1 the person as they are on the other occasion. None without a take to compare.
    """
    there = [trio for trio in zip(made, again, told, strict=True) if all(np.isfinite(one).all() for one in trio)]
    scores = [(_angle(m, a) - _angle(m, t)) / max(_angle(a, t), 1e-6) for m, a, t in there]
    return float(np.median(scores)) if scores else None


def _angle(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.arccos(np.clip(np.dot(one.astype(np.float64), other), -1.0, 1.0)))
