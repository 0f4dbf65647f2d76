"""How well a space tells people apart: pairs of one person against pairs of two (ISO/IEC 19795-1, verification)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import mannwhitneyu

__all__ = ["Verification", "markdown_rows", "verify"]


class Verification(BaseModel):
    """The figures of one space over one set of samples.

    Attributes:
        space: its name.
        samples, people: how many there were.
        same, other: pairs of samples of one person, and of two.
        auc: how often a pair of one person is more alike than a pair of two, 0 to 1; None without both kinds.
        eer: equal error rate: false matches and false non-matches where they are as frequent, 0 to 1.
        rank1: samples whose most similar other sample is the same person's, of those who have another; None without.
        lowest_same, highest_other: the hardest pairs, as similarity: cosine, or minus the Euclidean distance where the
            space is not of unit length.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str
    samples: int
    people: int
    same: int
    other: int
    auc: float | None
    eer: float | None
    rank1: float | None
    lowest_same: float | None
    highest_other: float | None


def verify(space: str, vectors: Sequence[NDArray[np.float32]], people: Sequence[str], *, unit: bool) -> Verification:
    """Compares every two samples.

    Args:
        space: name of the space.
        vectors: one for each sample, shape (D,).
        people: whose each is.
        unit: whether vectors are compared by cosine; else by Euclidean distance.
    """
    likeness = _likeness(vectors, unit=unit)
    pairs = list(combinations(range(len(people)), 2))
    same = np.array([likeness[i, j] for i, j in pairs if people[i] == people[j]])
    other = np.array([likeness[i, j] for i, j in pairs if people[i] != people[j]])
    both = len(same) > 0 and len(other) > 0
    return Verification(
        space=space,
        samples=len(people),
        people=len(set(people)),
        same=len(same),
        other=len(other),
        auc=float(mannwhitneyu(same, other).statistic / (len(same) * len(other))) if both else None,
        eer=_equal_error(same, other) if both else None,
        rank1=_rank1(likeness, people),
        lowest_same=float(same.min()) if len(same) else None,
        highest_other=float(other.max()) if len(other) else None,
    )


def markdown_rows(figures: Sequence[Verification]) -> list[str]:
    """A Markdown table, line by line: a space each."""

    def cell(value: float | None, form: str) -> str:
        return format(value, form) if value is not None else ""

    return [
        "| space | samples | people | pairs, same / other | AUC | EER | nearest right | hardest same | hardest other |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {v.space} | {v.samples} | {v.people} | {v.same} / {v.other} | {cell(v.auc, '.4f')} "
            f"| {cell(v.eer, '.1%')} | {cell(v.rank1, '.0%')} | {cell(v.lowest_same, '.2f')} "
            f"| {cell(v.highest_other, '.2f')} |"
            for v in figures
        ),
    ]


def _likeness(vectors: Sequence[NDArray[np.float32]], *, unit: bool) -> NDArray[np.float64]:
    """Symmetric, shape (N, N)."""
    rows = np.stack(vectors).astype(np.float64) if len(vectors) else np.zeros((0, 1))
    if unit:
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows @ rows.T
    return -np.linalg.norm(rows[:, None] - rows[None], axis=2)


def _equal_error(same: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Where the two rates cross, as a function of the threshold; their mean at the nearest step."""
    thresholds = np.sort(np.concatenate([same, other, [np.inf]]))
    missed = np.searchsorted(np.sort(same), thresholds, side="left") / len(same)
    matched = 1.0 - np.searchsorted(np.sort(other), thresholds, side="left") / len(other)
    nearest = int(np.argmin(np.abs(missed - matched)))
    return float((missed[nearest] + matched[nearest]) / 2)


def _rank1(likeness: NDArray[np.float64], people: Sequence[str]) -> float | None:
    right = []
    for i, person in enumerate(people):
        if people.count(person) > 1:
            row = likeness[i].copy()
            row[i] = -np.inf
            right.append(people[int(np.argmax(row))] == person)
    return float(np.mean(right)) if right else None
