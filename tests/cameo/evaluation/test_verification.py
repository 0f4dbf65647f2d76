"""Figures of verification, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from cameo.evaluation.verification import verify


def people(count: int, each: int, noise: float, dim: int = 16) -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(7)
    middles = rng.normal(size=(count, dim))
    vectors = [middle + noise * rng.normal(size=dim) for middle in middles for _ in range(each)]
    return vectors, [f"p{n}" for n in range(count) for _ in range(each)]


@pytest.mark.parametrize("noise", [0.1, 0.6, 1.2])
@pytest.mark.parametrize("unit", [True, False])
def test_agrees_with_scikit_learn(noise: float, unit: bool) -> None:
    vectors, names = people(12, 4, noise)
    found = verify("made-up", vectors, names, unit=unit)
    truth, score = [], []
    for i, a in enumerate(vectors):
        for j in range(i):
            b = vectors[j]
            truth.append(names[i] == names[j])
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            score.append(cosine if unit else -np.linalg.norm(a - b))
    assert (found.same, found.other) == (sum(truth), len(truth) - sum(truth))
    assert found.auc == pytest.approx(roc_auc_score(truth, score))
    false, true, _ = roc_curve(truth, score)
    nearest = np.argmin(np.abs(false - (1 - true)))
    assert found.eer == pytest.approx((false[nearest] + 1 - true[nearest]) / 2, abs=0.01)


def test_people_who_are_far_apart_are_never_mistaken() -> None:
    found = verify("made-up", *people(6, 3, 0.01), unit=True)
    assert (found.auc, found.eer, found.rank1) == (1.0, 0.0, 1.0)
    assert found.lowest_same is not None
    assert found.highest_other is not None
    assert found.lowest_same > found.highest_other


def test_strangers_only() -> None:
    found = verify("made-up", *people(5, 1, 0.1), unit=True)
    assert (found.same, found.auc, found.eer, found.rank1) == (0, None, None, None)


def test_nobody() -> None:
    assert verify("made-up", [], [], unit=True).samples == 0
