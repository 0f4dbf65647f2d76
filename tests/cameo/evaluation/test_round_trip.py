"""What an autoencoder leaves of faces: nothing lost is nothing lost, blur is a loss, an untrained one leaves nobody."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from cameo.backbones.nano import NanoConfig, build
from cameo.errors import UsageError
from cameo.evaluation.faces import faces_in
from cameo.evaluation.judges import Judge, find_judge
from cameo.evaluation.round_trip import open_autoencoder, round_trip, sittings, there_and_back
from cameo.evaluation.subjects import Subject, Take
from cameo.training.shards import HELD_OUT


@pytest.fixture(scope="module")
def judge() -> Judge:
    return find_judge(None, conditioning="dlib-resnet-128")


@pytest.fixture(scope="module")
def enrolled(judge: Judge, subjects: list[Subject]) -> list[NDArray[np.float32]]:
    return [judge.person(faces_in(subject.frames)) for subject in subjects]


def blurred(frames: NDArray[np.uint8], edge: int) -> NDArray[np.uint8]:
    size = frames.shape[1:3]
    small = [cv2.resize(f, (edge, edge), interpolation=cv2.INTER_AREA) for f in frames]
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in small])


def test_the_finer_the_better(judge: Judge, enrolled: list[NDArray[np.float32]], again: list[Take]) -> None:
    takes = [take.frames for take in again]
    none, fine, coarse = (
        round_trip(name, enrolled, takes, back, judge)
        for name, back in (
            ("none", takes),
            ("64", [blurred(t, 64) for t in takes]),
            ("16", [blurred(t, 16) for t in takes]),
        )
    )
    assert np.isinf([none.psnr, none.face_psnr]).all()
    assert str(none.rank1) == "3/3 (100 %)"
    assert none.psnr > fine.psnr > coarse.psnr > 5
    assert none.face_psnr > fine.face_psnr > coarse.face_psnr > 5
    assert none.likeness > fine.likeness > coarse.likeness
    assert coarse.rank1.right < 3


def test_noise_of_a_known_size_has_the_psnr_it_must_have(judge, enrolled, again) -> None:
    takes = [take.frames for take in again]
    sign = np.where(np.random.default_rng(0).uniform(size=takes[0].shape) < 0.5, -10, 10)
    back = [np.where((take > 10) & (take < 245), take + sign, take).astype(np.uint8) for take in takes]
    found = round_trip("noise", enrolled, takes, back, judge)
    # ±10 on every value is 28.13 dB; values near the ends of the range stay as they are.
    assert 28.1 < found.psnr < 30.5


def test_an_untrained_autoencoder_is_opened_and_leaves_nobody(tmp_path: Path, again: list[Take]) -> None:
    vae = build(NanoConfig(encoder_widths=(16, 16, 16, 16), decoder_width=32), ["a"]).vae
    vae.save_pretrained(tmp_path / "vae")
    back = there_and_back(open_autoencoder(tmp_path / "vae"), np.repeat(again[0].frames[:1], 9, 0))
    assert back.shape == (9, 128, 128, 3)
    assert back.dtype == np.uint8
    assert faces_in(back[:1]) == []


def test_what_is_no_autoencoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no video autoencoder"):
        open_autoencoder(tmp_path)


def test_people_that_were_rendered_are_read(tmp_path: Path) -> None:
    reference, take = np.zeros((2, 8, 8, 3), np.uint8), np.ones((3, 4, 4, 3), np.uint8)
    save_file({"reference": reference, "take": take}, tmp_path / f"{HELD_OUT}.safetensors")
    (one,) = sittings(1, tmp_path)
    assert np.array_equal(one.reference, reference)
    assert np.array_equal(one.take, take)
