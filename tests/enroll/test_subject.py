"""Who is in a clip and whom it is about, on tracks made by hand: linking, passers-by, bystanders, cuts, who speaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from enroll.clip import Clip
from enroll.encoders.dlib_resnet import DlibResNet
from enroll.errors import BadInput, FaceCovered, FaceTooSmall, NoFace, SeveralPeople
from enroll.identity import Pose
from enroll.looks import Look
from enroll.pose import project
from enroll.sightings import Sightings
from enroll.subject import Person, choose, find_people
from enroll.sync import Agreement
from enroll.tracking import MOUTH_SHAPE, Track
from tests.enroll.conftest import noise, write_clip

SECONDS, FPS = 10, 10


class ByColour:
    """Tells people apart by the colour of their patch: a real space, where every colour is another person."""

    card = DlibResNet.card

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        return np.array([np.resize(look.patch.mean((0, 1)) / 255, 128) / 8 for look in samples], np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return Clip.open(write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", noise(SECONDS * FPS), fps=FPS))


def look(
    second: float, person: int, x: float = 0.5, size: float = 100.0, confidence: float = 1.0, covered: float = 0.0
) -> Look:
    patch = np.zeros((8, 8, 3), np.uint8)
    patch[..., person] = 255
    box = np.array([2, 2, 6, 6], np.float32)
    points = (project(Pose()) * 2 + 4).astype(np.float32)
    reach = (size / 720, size / 1280)
    return Look(
        int(second * 2), second, patch, box, points, confidence, (x, 0.4), size, reach, Pose(), 0.9, covered=covered
    )


def seen(
    begin: float, end: float, person: int, x: float = 0.5, size: float = 100.0, *, yaw: float = 0.0, **of_look: float
) -> Track:
    """A face followed from one second to another, looked at twice a second."""
    seconds = [float(s) for s in np.arange(begin, end - 1e-6, 1 / FPS)]
    points = (project(Pose(yaw=yaw)) * 30 + 100).astype(np.float32)
    mouths = [np.zeros(MOUTH_SHAPE, np.uint8)] * len(seconds)
    looks = [look(s, person, x, size, **of_look) for s in np.arange(begin, end - 1e-6, 0.5)]
    return Track(looks, seconds, [points] * len(seconds), mouths)


def sightings(*tracks: Track, brightness: float = 120.0) -> Sightings:
    return Sightings(tracks, 2 * SECONDS, brightness, (), ())


def people(clip: Clip, *tracks: Track) -> tuple[Person, ...]:
    return find_people(sightings(*tracks), clip, ByColour())


def pick(clip: Clip, *tracks: Track, **options: object) -> Person:
    found = sightings(*tracks)
    options.setdefault("speaking", {})
    return choose(find_people(found, clip, ByColour()), found, clip, **options)  # type: ignore[arg-type]


def says(verdict: str) -> Agreement:
    return Agreement(6.0 if verdict == "agrees" else 0.0, 0.0, 0.9, None, 8.0, verdict)  # type: ignore[arg-type]


WHOLE = (0.0, float(SECONDS))


def test_one_person_is_the_subject(clip: Clip) -> None:
    track = seen(*WHOLE, 0)
    person = pick(clip, track)
    assert person.looks == tuple(track.looks)
    assert person.presence == pytest.approx(1.0, abs=0.02)
    assert person.facing == 1.0
    assert len(person.head) == SECONDS * FPS


def test_two_at_once(clip: Clip) -> None:
    with pytest.raises(
        SeveralPeople, match=r"2 people in clip\.mp4: 1 left, 0\.0-9\.9 s; 2 right, 0\.0-9\.9 s"
    ) as caught:
        pick(clip, seen(*WHOLE, 1, 0.8), seen(*WHOLE, 0, 0.2))
    assert "--subject" in caught.value.hint


@pytest.mark.parametrize("number", [1, 2])
def test_the_operator_chooses_counting_from_the_left(clip: Clip, number: int) -> None:
    person = pick(clip, seen(*WHOLE, 1, 0.8), seen(*WHOLE, 0, 0.2), subject=number)
    assert person.number == number
    assert {int(k.patch[0, 0].argmax()) for k in person.looks} == {number - 1}


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_number_nobody_has(clip: Clip, number: int) -> None:
    with pytest.raises(BadInput, match="no person") as caught:
        pick(clip, seen(*WHOLE, 1, 0.8), seen(*WHOLE, 0, 0.2), subject=number)
    assert "1 to 2" in caught.value.hint


def test_two_at_once_who_look_alike(clip: Clip) -> None:
    with pytest.raises(SeveralPeople, match="2 people"):
        pick(clip, seen(*WHOLE, 0, 0.2), seen(*WHOLE, 0, 0.8))


def test_two_one_after_the_other_in_one_track(clip: Clip) -> None:
    """A cut that nobody noticed between two close-ups: the place says one track, the faces say two people."""
    first, second = seen(0, 5, 0), seen(5, 10, 1)
    track = Track(
        first.looks + second.looks,
        first.seconds + second.seconds,
        first.landmarks + second.landmarks,
        first.mouths + second.mouths,
    )
    with pytest.raises(SeveralPeople, match="2 people"):
        pick(clip, track)
    assert [len(person.head) for person in people(clip, track)] == pytest.approx([50, 50], abs=3)


def test_one_person_at_two_places_after_a_cut(clip: Clip) -> None:
    assert len(pick(clip, seen(0, 5, 0, 0.2), seen(5, 10, 0, 0.8, 220)).looks) == 20


def test_somebody_passing_by_does_not_refuse_and_is_not_learnt(clip: Clip) -> None:
    subject = seen(*WHOLE, 0)
    assert pick(clip, subject, seen(3, 4, 1, 0.9)).looks == tuple(subject.looks)


def test_a_poster_far_behind_does_not_refuse(clip: Clip) -> None:
    subject = seen(*WHOLE, 0)
    assert pick(clip, subject, seen(*WHOLE, 1, 0.9, 30)).looks == tuple(subject.looks)


def test_a_doubtful_face_that_lingers_does_not_refuse(clip: Clip) -> None:
    subject = seen(*WHOLE, 0)
    assert pick(clip, subject, seen(*WHOLE, 1, 0.9, confidence=0.95)).looks == tuple(subject.looks)


def test_the_one_who_speaks_is_the_subject_when_the_other_hardly_shows(clip: Clip) -> None:
    talker, visitor = seen(*WHOLE, 0, 0.3), seen(3, 5.2, 1, 0.8)
    speaking = {1: says("agrees"), 2: says("disagrees")}
    assert pick(clip, talker, visitor, speaking=speaking).number == 1


def test_the_one_who_speaks_is_the_subject_when_the_other_looks_away(clip: Clip) -> None:
    talker, other = seen(*WHOLE, 0, 0.3), seen(*WHOLE, 1, 0.8, yaw=55.0)
    speaking = {1: says("agrees"), 2: says("undecided")}
    assert pick(clip, talker, other, speaking=speaking).number == 1


@pytest.mark.parametrize(
    "speaking",
    [
        {1: "agrees", 2: "agrees"},
        {1: "undecided", 2: "disagrees"},
        {1: "disagrees", 2: "agrees"},
    ],
)
def test_it_is_not_guessed(clip: Clip, speaking: dict[int, str]) -> None:
    verdicts = {number: says(verdict) for number, verdict in speaking.items()}
    with pytest.raises(SeveralPeople):
        pick(clip, seen(*WHOLE, 0, 0.3), seen(3, 5.2, 1, 0.8), speaking=verdicts)


def test_a_silent_companion_who_faces_the_camera_is_not_ignored(clip: Clip) -> None:
    with pytest.raises(SeveralPeople):
        pick(clip, seen(*WHOLE, 0, 0.3), seen(*WHOLE, 1, 0.8), speaking={1: says("agrees"), 2: says("disagrees")})


def test_a_doubtful_face_alone_is_no_face(clip: Clip) -> None:
    with pytest.raises(NoFace):
        pick(clip, seen(*WHOLE, 0, confidence=0.95))


def test_a_face_for_a_moment_is_no_face(clip: Clip) -> None:
    with pytest.raises(NoFace, match="long enough"):
        pick(clip, seen(3, 3.6, 0))


def test_a_face_under_a_mask(clip: Clip) -> None:
    with pytest.raises(FaceCovered, match="covered"):
        pick(clip, seen(*WHOLE, 0, covered=0.8))


def test_lips_that_are_seen_to_speak_are_not_under_a_mask(clip: Clip) -> None:
    """Coloured light on dark skin must refuse nobody."""
    person = pick(clip, seen(*WHOLE, 0, covered=0.8), speaking={1: says("agrees")})
    assert len(person.looks) == 20


def test_a_hand_before_the_mouth_for_a_moment_does_not_refuse(clip: Clip) -> None:
    parts = [seen(0, 8, 0), seen(8, 10, 0, covered=0.9)]
    assert len(pick(clip, *parts).looks) == 20


def test_a_face_too_small(clip: Clip) -> None:
    with pytest.raises(FaceTooSmall, match="20 pixels"):
        pick(clip, seen(*WHOLE, 0, 0.5, 20.0))


def test_darkness(clip: Clip) -> None:
    with pytest.raises(NoFace, match="black"):
        choose((), sightings(brightness=3.0), clip, speaking={})


def test_messages_name_no_path_but_the_clip(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(NoFace) as caught:
        pick(clip)
    assert str(clip.path.parent) not in caught.value.message
