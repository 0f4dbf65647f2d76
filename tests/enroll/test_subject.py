"""Who is in a clip, on looks made by hand: linking, passers-by, bystanders, cuts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from enroll.clip import Clip
from enroll.encoders import registry
from enroll.encoders.dlib_resnet import DlibResNet
from enroll.errors import NoFace, SeveralPeople
from enroll.faces import Faces
from enroll.identity import Pose
from enroll.looks import Look
from enroll.subject import find_subject, link
from tests.enroll.conftest import noise, write_clip

FRAMES = 40


class ByColour:
    """Tells people apart by the colour of their patch: a real space, where every colour is another person."""

    card = DlibResNet.card

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        return np.array([np.resize(look.patch.mean((0, 1)) / 255, 128) / 8 for look in samples], np.float32)


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "get", lambda space: ByColour())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return Clip.open(write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", noise(20)))


def look(index: int, person: int, x: float = 0.5, size: float = 100.0, confidence: float = 1.0) -> Look:
    patch = np.zeros((8, 8, 3), np.uint8)
    patch[..., person] = 255
    box = np.array([2, 2, 6, 6], np.float32)
    points = np.zeros((5, 2), np.float32)
    return Look(
        index, index / 4, patch, box, points, confidence, (x, 0.4), size, (size / 720, size / 1280), Pose(), 0.9
    )


def faces(*looks: Look) -> Faces:
    return Faces(tuple(tuple(k for k in looks if k.index == i) for i in range(FRAMES)), brightness=120.0)


def through(frames: range, person: int, x: float = 0.5, size: float = 100.0, confidence: float = 1.0) -> list[Look]:
    return [look(i, person, x, size, confidence) for i in frames]


def test_one_person_is_the_subject(clip: Clip) -> None:
    everything = through(range(FRAMES), 0)
    assert find_subject(faces(*everything), clip) == tuple(everything)


def test_two_at_once(clip: Clip) -> None:
    with pytest.raises(SeveralPeople, match=r"2 people in clip\.mp4: left, 0\.0-10\.0 s; right, 0\.0-10\.0 s"):
        find_subject(faces(*through(range(FRAMES), 0, 0.2), *through(range(FRAMES), 1, 0.8)), clip)


def test_two_at_once_who_look_alike(clip: Clip) -> None:
    with pytest.raises(SeveralPeople, match="2 people"):
        find_subject(faces(*through(range(FRAMES), 0, 0.2), *through(range(FRAMES), 0, 0.8)), clip)


def test_two_one_after_the_other_in_the_same_place(clip: Clip) -> None:
    """A cut between two close-ups: the place says one track, the faces say two people."""
    with pytest.raises(SeveralPeople, match="2 people"):
        find_subject(faces(*through(range(0, 20), 0), *through(range(20, FRAMES), 1)), clip)


def test_one_person_at_two_places_after_a_cut(clip: Clip) -> None:
    parts = [*through(range(0, 20), 0, 0.2), *through(range(20, FRAMES), 0, 0.8, size=220)]
    assert find_subject(faces(*parts), clip) == tuple(parts)


def test_somebody_passing_by_does_not_refuse_and_is_not_learnt(clip: Clip) -> None:
    subject = through(range(FRAMES), 0)
    assert find_subject(faces(*subject, *through(range(10, 14), 1, 0.9)), clip) == tuple(subject)


def test_a_poster_far_behind_does_not_refuse(clip: Clip) -> None:
    subject = through(range(FRAMES), 0)
    assert find_subject(faces(*subject, *through(range(FRAMES), 1, 0.9, size=30)), clip) == tuple(subject)


def test_a_doubtful_face_that_lingers_does_not_refuse(clip: Clip) -> None:
    subject = through(range(FRAMES), 0)
    assert find_subject(faces(*subject, *through(range(FRAMES), 1, 0.9, confidence=0.95)), clip) == tuple(subject)


def test_a_doubtful_face_alone_is_no_face(clip: Clip) -> None:
    with pytest.raises(NoFace):
        find_subject(faces(*through(range(FRAMES), 0, confidence=0.95)), clip)


def test_a_face_for_a_moment_is_no_face(clip: Clip) -> None:
    with pytest.raises(NoFace, match="long enough"):
        find_subject(faces(*through(range(3, 6), 0)), clip)


def test_linking_follows_each_of_two_who_cross() -> None:
    left = [look(i, 0, 0.2 + 0.015 * i) for i in range(20)]
    right = [look(i, 1, 0.8 - 0.015 * i, size=170) for i in range(20)]
    tracks = link(tuple(zip(left, right, strict=True)))
    assert sorted([{k.patch[0, 0].argmax() for k in track} for track in tracks], key=min) == [{0}, {1}]


def test_linking_gives_each_look_to_one_track() -> None:
    rng = np.random.default_rng(0)
    frames = tuple(tuple(look(i, 0, float(rng.random())) for _ in range(rng.integers(4))) for i in range(30))
    tracks = link(frames)
    assert sorted(id(k) for track in tracks for k in track) == sorted(id(k) for some in frames for k in some)
    assert all(a.index < b.index for track in tracks for a, b in pairwise(track))


def test_messages_name_no_path_but_the_clip(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(NoFace) as caught:
        find_subject(faces(), clip)
    assert str(clip.path.parent) not in caught.value.message
