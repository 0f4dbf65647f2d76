"""Finding the faces of a scene: made-up people, where the renderer says that they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cameo.conditioning.placing import Placing, lay_crop
from cameo.conditioning.routing import Presence
from cameo.restoration.finding import find_faces, where_laid
from cameo.staging import SIDES
from cameo.synth.clips import SynthClip
from cameo.training.identities import FACE
from enroll.alignment import CROP_SIZE, HEAD_LANDMARKS
from enroll.faces import detect
from enroll.identity import Embedding
from tests.cameo.restoration.made_up import alone, couple, identity

FPS = 12.5


def known(seed: int) -> Embedding:
    return identity(seed).embeddings[FACE]


def nobody() -> Embedding:
    return Embedding("dlib-resnet-128", "face", np.ones(128, np.float32))


def true(clip: SynthClip, member: int) -> np.ndarray:
    return np.array(clip.truth["cast"][member]["landmarks"], np.float32)


def test_landmarks_are_where_they_truly_are():
    (found,) = find_faces(alone().frames, [nobody()], None, FPS)
    assert np.linalg.norm(found.landmarks - true(alone(), 0), axis=-1).mean() < 2.5
    assert found.present.min() > 0.99


def test_two_people_are_found_where_they_should_be():
    found = find_faces(couple().frames, [nobody(), nobody()], [SIDES["right"], SIDES["left"]], FPS)
    for one, member in zip(found, (1, 0), strict=True):
        assert np.linalg.norm(one.landmarks - true(couple(), member), axis=-1).mean() < 3


def test_where_nobody_has_a_place_they_are_known_by_their_looks():
    found = find_faces(couple().frames, [known(32), known(31)], None, FPS)
    for one, member in zip(found, (1, 0), strict=True):
        assert np.linalg.norm(one.landmarks - true(couple(), member), axis=-1).mean() < 3


@pytest.mark.parametrize("member", [0, 1])
def test_who_alone_of_two_is_known_is_told_by_their_looks(member: int):
    (found,) = find_faces(couple().frames, [known(31 + member)], None, FPS)
    assert np.linalg.norm(found.landmarks - true(couple(), member), axis=-1).mean() < 3


def test_a_face_out_of_its_region_is_nobodys():
    corner = Presence.at(0.0, 0.0, 0.1, 0.1)
    assert find_faces(alone().frames, [nobody()], [corner], FPS) == [None]


def test_a_face_that_is_hidden_for_a_while_fades_and_comes_back():
    frames = np.concatenate([alone().frames] * 3)
    frames[6:22] = 0
    (found,) = find_faces(frames, [nobody()], None, FPS)
    assert found.present[0] > 0.99 and found.present[14] < 0.01 and found.present[-1] > 0.99
    assert bool(np.isfinite(found.landmarks).all())


def test_a_face_that_is_seen_now_and_then_is_there_between() -> None:
    frames = alone().frames.copy()
    frames[[1, 2, 4, 5, 7, 8]] = 0
    (found,) = find_faces(frames, [nobody()], None, FPS)
    assert found.present.min() > 0.99
    assert np.linalg.norm(found.landmarks - true(alone(), 0), axis=-1).mean() < 3


@pytest.mark.parametrize("frames", [np.zeros((4, 64, 64, 3), np.uint8), np.full((4, 64, 64, 3), 200, np.uint8)])
def test_where_there_is_no_face_there_is_none(frames: np.ndarray):
    assert find_faces(frames, [nobody()], None, FPS) == [None]


def test_a_small_face_is_left_alone():
    """One of which MTCNN sees all it needs: some 25 px."""
    far = np.full((4, 128, 128, 3), 90, np.uint8)
    far[:, 42:86, 42:86] = np.stack([cv2.resize(f, (44, 44), interpolation=cv2.INTER_AREA) for f in alone().frames[:4]])
    assert all(detect(frame, smallest=20) for frame in far)
    assert find_faces(far, [nobody()], None, FPS) == [None]


def test_a_crop_is_laid_where_its_landmarks_are_said_to_be():
    """A white spot on each landmark of a crop, laid into a wide picture."""
    placings = [
        [(float("nan"), Placing(0.4, 0.1, 0.2))],
        None,
        [(0.0, Placing(0.3, 0.0, 0.1)), (1.0, Placing(0.3, 0.5, 0.1))],
    ]
    first, nobody_, moving = where_laid(placings, [0.0, 0.4, 0.9], (256, 128))
    assert nobody_ is None and first.shape == moving.shape == (3, 5, 2)
    matrix = placings[0][0][1].matrix((256, 128), CROP_SIZE)
    for place, spot in zip(first[1], HEAD_LANDMARKS, strict=True):
        black, spotted = np.zeros((2, CROP_SIZE, CROP_SIZE, 3), np.uint8)
        cv2.circle(spotted, tuple(round(float(v)) for v in spot), 3, (255, 255, 255), -1)
        light = (lay_crop(spotted, matrix, (256, 128)).astype(float) - lay_crop(black, matrix, (256, 128)))[..., 0]
        y, x = (np.sum(axis * light) / light.sum() for axis in np.mgrid[0:128, 0:256])
        assert np.hypot(x - place[0], y - place[1]) < 1.0
    assert np.array_equal(moving[0], moving[1]) and np.allclose(moving[2] - moving[0], [128, 0], atol=1e-3)
