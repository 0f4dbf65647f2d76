"""Finding the faces of a scene: made-up people, where the renderer says that they are."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest

from cameo.conditioning.routing import Presence
from cameo.restoration.finding import find_faces
from cameo.staging import SIDES
from cameo.synth.clips import SynthClip, make_clip
from cameo.training.identities import FACE
from enroll.faces import detect
from enroll.identity import Embedding
from tests.cameo.restoration.made_up import identity

FPS = 12.5


@lru_cache
def couple() -> SynthClip:
    return make_clip(31, 3, people=2, seconds=0.6, size=128, shot="close-up")


@lru_cache
def alone() -> SynthClip:
    return make_clip(31, 1, seconds=0.8, size=128, shot="close-up")


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
