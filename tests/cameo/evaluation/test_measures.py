"""The measures, on sounds and pictures whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cameo.evaluation.judges import find_judge
from cameo.evaluation.likeness import Share, compare, copying
from cameo.evaluation.measures import Enrolled, measure
from cameo.evaluation.scenery import Scenery
from cameo.evaluation.subjects import Subject, Take, request
from cameo.evaluation.voice import pitch, semitones, voice_vector
from cameo.synth.people import CLOTHES
from cameo.synth.settings import SETTINGS, backdrop

SCENERY = Scenery()
UNIT = np.eye(3, dtype=np.float32)
NOBODY = np.full(3, np.nan, np.float32)


def test_a_take_without_anybody_is_a_miss_and_likeness_zero() -> None:
    found = compare([UNIT[0], NOBODY, UNIT[2]], list(UNIT))
    assert found.rank1 == Share(right=2, of=3)
    assert found.mean == pytest.approx(2 / 3)
    assert found.strangers == 0.0
    assert found.matrix[1] == (None, None, None)
    assert compare([NOBODY] * 3, list(UNIT)).mean == 0.0


def test_everybody_alike_is_nobody_recognised() -> None:
    """A generator that draws one and the same person for all must not score."""
    assert compare([UNIT[0]] * 3, list(UNIT)).rank1 == Share(right=1, of=3)
    assert compare([UNIT[0]] * 3, [UNIT[0]] * 3).rank1 == Share(right=0, of=3)


def test_swapped_people_are_both_wrong() -> None:
    assert compare(list(UNIT[[1, 0, 2]]), list(UNIT)).rank1 == Share(right=1, of=3)


def test_a_copy_of_what_was_told_is_told_from_the_person() -> None:
    def towards(share: float) -> np.ndarray:
        return np.array([np.cos(share), np.sin(share), 0.0], np.float32)

    told, again = towards(0.0), towards(0.8)
    for share, score in ((0.0, 1.0), (0.4, 0.0), (0.8, -1.0), (0.6, -0.5)):
        assert copying([towards(share)], [again], [told]) == pytest.approx(score, abs=1e-3)
    nobody = np.full(3, np.nan, np.float32)
    assert copying([nobody, told], [again, again], [told, told]) == pytest.approx(1.0, abs=1e-3)
    assert copying([nobody], [again], [told]) is None


def test_whose_voice_is_not_known_is_not_asked_for() -> None:
    found = compare([UNIT[0], UNIT[1], UNIT[2]], [UNIT[0], NOBODY, UNIT[2]])
    assert found.rank1 == Share(right=2, of=2)
    assert np.array_equal(found.array(), np.eye(2))
    nothing = compare([UNIT[0]], [NOBODY])
    assert (nothing.mean, nothing.rank1.of, nothing.matrix) == (None, 0, ())


@pytest.mark.parametrize("hertz", [82.0, 147.0, 262.0])
def test_pitch_is_the_fundamental_and_not_its_loudest_harmonic(hertz: float) -> None:
    time = np.arange(16_000) / 16_000
    tone = sum(np.sin(2 * np.pi * k * hertz * time) * (2.0 if k == 3 else 1.0) for k in range(1, 9)) * 0.05
    heard = pitch(tone.astype(np.float32))
    assert heard is not None
    assert semitones(heard, hertz) < 0.2


def test_noise_and_silence_have_no_pitch_and_no_speaker() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    for sound in (noise, np.zeros(16_000, np.float32)):
        assert pitch(sound) is None
        assert np.isnan(voice_vector(sound, "ge2e-256")).all()


def test_an_octave_is_twelve_semitones_either_way() -> None:
    assert semitones(200, 100) == pytest.approx(12) == semitones(100, 200)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_backdrop_it_was_not_fitted_on_is_known(name: str) -> None:
    """Other places than the examples, drawn at another size, and with what is in front covered up."""
    grid = (torch.arange(128) + 0.5) / 128 - 0.5
    for place in (0.123, 0.5, 0.877):
        number = {"setting": SETTINGS[name].index, "place": place, "pan": 0.02}
        parameters = {key: torch.full((1, 1, 1), float(value)) for key, value in number.items()}
        channels = backdrop(parameters, grid.expand(1, 128, 128), (-grid).reshape(1, -1, 1).expand(1, 128, 128))
        picture = (torch.stack(channels, -1).clamp(0, 1) ** 0.9 * 255).to(torch.uint8).numpy()
        picture[:, 30:, 30:98] = (200, 30, 30)
        assert SCENERY.setting(picture) == name


@pytest.mark.parametrize("name", list(CLOTHES))
def test_a_colour_is_known_in_half_the_light(name: str) -> None:
    picture = np.zeros((2, 128, 128, 3), np.uint8)
    for light in (0.55, 1.0):
        picture[:, 100:] = np.clip(np.array(CLOTHES[name]) * light, 0, 1) ** 0.9 * 255
        assert SCENERY.clothes(picture) == name


def test_true_renders_pass_every_measure(subjects: list[Subject], again: list[Take]) -> None:
    """And the same takes asked to be somebody, somewhere and something else pass none."""
    enrolled = Enrolled(subjects, find_judge(None, conditioning="dlib-resnet-128"), "ge2e-256")
    true = measure(again, enrolled)
    assert true.face_found == true.face.rank1 == true.setting == true.clothes == Share(right=3, of=3)
    assert true.pitch_heard.right == 3
    assert true.pitch_error is not None
    assert true.pitch_error < 2.5
    assert [row.person for row in true.takes] == [subject.seed for subject in subjects]

    others = again[1:] + again[:1]
    wrong = measure(
        [Take(o.frames, o.sound, t.setting, t.clothes, t.fps) for o, t in zip(others, again, strict=True)], enrolled
    )
    assert wrong.face_found.right == 3
    assert wrong.face.rank1.right == wrong.setting.right == wrong.clothes.right == 0
    assert (wrong.face.mean or 1) < (true.face.mean or 0)


def test_a_request_asks_for_another_place_and_other_clothes(subjects: list[Subject]) -> None:
    asked = [request(subject, seed) for subject in subjects for seed in range(20)]
    for subject, some in zip(subjects, (asked[:20], asked[20:40], asked[40:]), strict=True):
        assert all(r.setting != subject.setting and r.clothes != subject.clothes for r in some)
        assert len({r.setting for r in some}) > 2
        assert all(r.script.cast[0].handle == subject.identity.handle for r in some)
    assert asked[0] == request(subjects[0], 0) != request(subjects[0], 1)
    assert asked[0].script.caption.startswith("close-up of a person ")
    assert asked[0].script.cast[0].lines[0].startswith("hello ")
