"""Who judges, and that the judge tells people apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cameo.evaluation.faces import faces_in
from cameo.evaluation.judges import Judge, find_judge
from cameo.evaluation.likeness import compare
from cameo.evaluation.subjects import Subject, Take
from enroll.errors import WeightsMissing

CONDITIONING = "dlib-resnet-128"


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAMEO_JUDGE", raising=False)


@pytest.mark.parametrize("name", ["missing.onnx", "note.onnx", "."])
def test_a_judge_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "note.onnx").write_text("not a network")
    with pytest.raises(WeightsMissing) as refusal:
        find_judge(tmp_path / name, conditioning=CONDITIONING)
    assert refusal.value.exit_status == 5
    assert refusal.value.hint


def test_a_judge_named_by_the_environment_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMEO_JUDGE", str(tmp_path / "missing.onnx"))
    with pytest.raises(WeightsMissing, match=r"missing\.onnx"):
        find_judge(None, conditioning=CONDITIONING)


def test_only_another_encoder_than_the_conditioning_one_is_independent() -> None:
    judge = find_judge(None, conditioning=CONDITIONING)
    assert judge.independent == (judge.name != CONDITIONING)
    # dlib is on every machine: to a model conditioned on something else it is an independent judge.
    assert find_judge(None, conditioning="arcface-buffalo_l-512").independent


def test_no_face_is_nobody() -> None:
    judge = find_judge(None, conditioning=CONDITIONING)
    noise = np.random.default_rng(0).integers(0, 255, (2, 128, 128, 3), dtype=np.uint8)
    assert faces_in(noise) == []
    assert faces_in(np.zeros_like(noise)) == []
    assert np.isnan(judge.person([])).all()


def _by(judge: Judge, subjects: list[Subject], again: list[Take]) -> None:
    found = compare(
        [judge.person(faces_in(take.frames)) for take in again],
        [judge.person(faces_in(subject.frames)) for subject in subjects],
    )
    assert str(found.rank1) == "3/3 (100 %)"
    matrix = found.array()
    strangers = matrix[~np.eye(3, dtype=bool)]
    assert np.diagonal(matrix).min() > strangers.max()


def test_a_second_render_is_recognised_and_a_stranger_is_not(subjects: list[Subject], again: list[Take]) -> None:
    _by(find_judge(None, conditioning=CONDITIONING), subjects, again)


def test_likewise_by_a_judge_from_a_file(shared: Path, subjects: list[Subject], again: list[Take]) -> None:
    path = shared / "weights" / "mobilefacenet_foamliu.onnx"
    if not path.is_file():
        pytest.skip(f"absent: no judge at {path}")
    judge = find_judge(path, conditioning=CONDITIONING)
    assert (judge.dim, judge.independent) == (128, True)
    _by(judge, subjects, again)
