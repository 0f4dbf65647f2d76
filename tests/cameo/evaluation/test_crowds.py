"""Several people in one scene: a judge of true pictures must say who is where, and of a bad model that nobody is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cameo.conditioning.routing import check_cast
from cameo.evaluation import crowds
from cameo.evaluation.crowds import SIZES, Crowds, columns, evaluate, look, markdown, prompt_for
from cameo.evaluation.faces import faces_in, spread_frames
from cameo.evaluation.judges import Judge, find_judge
from cameo.evaluation.subjects import Subject, Take
from cameo.generation import open_backbone
from cameo.script import parse


@pytest.fixture(scope="module")
def judge() -> Judge:
    return find_judge(None, conditioning="none")


@pytest.fixture(scope="module")
def known(subjects: list[Subject], judge: Judge) -> list[NDArray[np.float32]]:
    return [judge.person(faces_in(spread_frames(subject.frames))) for subject in subjects]


def beside(takes: list[Take]) -> NDArray[np.uint8]:
    """One scene in which each stands in a column."""
    return np.concatenate([take.frames for take in takes], axis=2)


def test_true_people_are_told_apart_and_swapped_ones_seen(
    again: list[Take], known: list[NDArray[np.float32]], judge: Judge
) -> None:
    seen = look(beside(again), known, judge)
    assert seen.argmax(1).tolist() == [0, 1, 2]
    swapped = look(beside([again[1], again[0], again[2]]), known, judge)
    assert swapped.argmax(1).tolist() == [1, 0, 2]
    crowd = crowds._crowd(3, [seen, swapped])
    assert (crowd.faces.right, crowd.right.right, crowd.mistaken.right) == (6, 4, 2)
    assert crowd.matrix[0][0] == pytest.approx((seen[0, 0] + swapped[0, 0]) / 2, abs=1e-4)


def test_an_empty_column_is_nobody(again: list[Take], known: list[NDArray[np.float32]], judge: Judge) -> None:
    seen = look(np.concatenate([again[0].frames, np.full_like(again[0].frames, 90)], axis=2), known[:2], judge)
    assert np.isfinite(seen[0]).all() and np.isnan(seen[1]).all()
    crowd = crowds._crowd(2, [seen])
    assert (crowd.faces.right, crowd.right.right, crowd.mistaken.right) == (1, 1, 0)
    assert crowd.matrix[1] == (None, None) and crowd.own == pytest.approx(seen[0, 0], abs=1e-4)
    assert crowds._crowd(2, [np.full((2, 2), np.nan)]).own is None


@pytest.mark.parametrize("people", SIZES)
def test_places_do_not_overlap_and_the_prompt_names_everybody(people: int, subjects: list[Subject]) -> None:
    places = columns(people)
    check_cast(places)
    assert len(places) == people and not any(
        a.box(0.0).overlap(b.box(0.0)) > 1e-9 for n, a in enumerate(places) for b in places[:n]
    )
    cast = (subjects * 2)[:people]
    if people <= len(subjects):
        named = parse(prompt_for(cast, 0)).cast
        assert [role.handle for role in named] == [one.identity.handle for one in cast]


def test_an_untrained_model_draws_nobody(
    untrained: Path, subjects: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowds, "SIZES", (2, 3))
    report, shown = evaluate(subjects, open_backbone(str(untrained)), groups=1)
    assert [crowd.people for crowd in report.routed] == [2, 3] and len(shown) == 4
    assert not any(np.array_equal(kept, free) for kept, free in zip(shown[::2], shown[1::2], strict=True))
    for crowd in (*report.routed, *report.unrouted):
        assert crowd.faces.right == crowd.right.right == crowd.mistaken.right == 0
    assert Crowds.model_validate_json(report.model_dump_json()) == report
    assert "| 2 | yes | 0/2 (0 %) | 0 | 0 | – | – |" in markdown(report)
