"""What each way of telling a model who somebody is brings: the machinery, on a nano that was never trained."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cameo.backbones import Backbone
from cameo.conditioning import IdentityFeatures, add_lora, dump_lora, features_from_identity, unload_lora
from cameo.errors import UsageError
from cameo.evaluation import ablation
from cameo.evaluation.ablation import WAYS, Ablation, ablate, markdown, only
from cameo.evaluation.plots import stills
from cameo.evaluation.subjects import Subject
from cameo.generation import PERSON, open_backbone


@pytest.fixture(scope="module")
def backbone(untrained: Path) -> Backbone:
    return open_backbone(str(untrained), in_context=True)


@pytest.fixture(scope="module")
def lora(backbone: Backbone) -> bytes:
    """Of nobody, and strong enough to be seen."""
    torch.manual_seed(0)
    transformer = backbone.pipeline.transformer
    for weight in add_lora(transformer, 2, PERSON):
        torch.nn.init.normal_(weight, std=0.3)
    learned = dump_lora(transformer, PERSON)
    unload_lora(backbone.pipeline, PERSON)
    return learned


def test_what_is_not_told_is_absent(subjects: list[Subject], backbone: Backbone) -> None:
    assert backbone.adapter is not None

    def told(**kept: bool) -> IdentityFeatures:
        return features_from_identity(only(identity, **kept), backbone.pipeline, backbone.adapter.config)

    identity = subjects[0].identity
    said = told(embeddings=True, dense=False)
    assert said.face_mask.any() and said.voice.any() and said.body.any()
    assert not (said.head_mask.any() or said.body_mask.any() or said.speech_mask.any())
    seen = told(embeddings=False, dense=True)
    assert seen.head_mask.any() and seen.body_mask.any() and seen.speech_mask.any()
    assert not (seen.face_mask.any() or seen.face.any() or seen.voice.any() or seen.body.any())
    assert only(identity, embeddings=True, dense=True) is identity


def test_every_way_is_another_and_nobody_is_the_base(
    subjects: list[Subject],
    backbone: Backbone,
    lora: bytes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(ablation, "personalize", lambda *people, **words: lora)
    found, takes = ablate(subjects[:2], backbone, backbone, real=False, minutes=0.0)
    assert list(found.ways) == list(takes) == [way.name for way in WAYS]
    for number in range(2):
        made = [takes[way.name][number].frames for way in WAYS if not way.restored]
        assert not any(np.array_equal(a, b) for n, a in enumerate(made) for b in made[:n])
        # This model brings no restorer.
        restored, tokens = (takes[name][number].frames for name in ("tokens, faces restored", "both: the tokens"))
        assert np.array_equal(restored, tokens)
    # Who is told nothing of is drawn like anybody else under the same prompt and noise.
    asked = ablation.request(subjects[0], 0)
    other = ablation._take(backbone, subjects[1], asked, WAYS[0], lora)
    assert np.array_equal(other.frames, takes["nobody"][0].frames)
    assert Ablation.model_validate_json(found.model_dump_json()) == found
    table = markdown(found).splitlines()
    assert len(table) == 4 + len(WAYS) and len({line.count("|") for line in table[2:]}) == 1
    stills(
        tmp_path / "all.png", [s.identity for s in subjects[:2]], list(zip(*takes.values(), strict=True)), list(takes)
    )
    picture = cv2.imread(str(tmp_path / "all.png"))
    assert picture is not None and picture.shape[1] > 1000 and np.std(picture) > 5


def test_one_person_cannot_be_nearest(subjects: list[Subject], backbone: Backbone) -> None:
    with pytest.raises(UsageError, match="two or more"):
        ablate(subjects[:1], backbone, backbone, real=False)


def test_a_clip_that_is_none_is_told_in_a_line(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no clip")
    words = ["--model", str(untrained), "--clip", str(tmp_path / "no.mp4"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["ablation", "--threads", "1", *words])
    with pytest.raises(SystemExit) as ended:
        ablation.main()
    assert ended.value.code == 3 and "no.mp4" in capsys.readouterr().err.splitlines()[-1]
