"""Whose line it is: seen on mouths that were darkened by hand, heard in the renderer's own voices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cameo.evaluation.dialogue import Dialogue, judge_turns
from cameo.evaluation.faces import faces_in
from cameo.evaluation.judges import find_judge
from cameo.evaluation.measures import Enrolled
from cameo.evaluation.subjects import Subject, Take
from cameo.synth.voices import Voice, speak
from cameo.training.shards import HELD_OUT

FPS, RATE, FRAMES = 12.5, 16_000, 25
SPANS = ((0.16, 0.96), (1.12, 1.92))
PAIRS = [(0, 1)]


@pytest.fixture(scope="module")
def enrolled(subjects: list[Subject]) -> Enrolled:
    return Enrolled(subjects[:2], find_judge(None, conditioning="dlib-resnet-128"), "ge2e-256")


@pytest.fixture(scope="module")
def dialogue(again: list[Take]) -> Dialogue:
    """Both in one picture, each saying a word in their turn while their mouth opens and shuts."""
    sound, halves = np.zeros(2 * RATE, np.float32), []
    for number, (begin, _) in enumerate(SPANS):
        said = speak(Voice.from_seed(HELD_OUT + number), ("welcome", "home"), seed=number).samples
        said = said[: round((SPANS[0][1] - SPANS[0][0]) * RATE)].astype(np.float32)
        first = round(begin * RATE)
        sound[first : first + len(said)] += said
        halves.append(_talking(again[number], sound, begin))
    return Dialogue(np.concatenate(halves, axis=2), sound, FPS, SPANS)


def _talking(take: Take, sound: np.ndarray, begin: float) -> np.ndarray:
    still = next(frame for frame in take.frames if faces_in(frame[None]))
    (face,) = faces_in(still[None])
    x0, y0, x1, y1 = face.box.round().astype(int)
    frames = np.repeat(still[None], FRAMES, 0)
    loud = np.abs(sound[: FRAMES * 1280]).reshape(FRAMES, 1280).mean(1)
    loud[: round(begin * FPS)] = 0  # what the other one said
    mouth = frames[:, y0 + 2 * (y1 - y0) // 3 : y1 - (y1 - y0) // 10, x0 + (x1 - x0) // 3 : x1 - (x1 - x0) // 3]
    mouth[:] = (mouth * (1 - 0.6 * (loud / loud.max())[:, None, None, None])).astype(np.uint8)
    return frames


def shares(dialogue: Dialogue, enrolled: Enrolled) -> tuple[int, int]:
    found = judge_turns([dialogue], PAIRS, enrolled)
    assert found.mouths.of == found.voices.of == 2
    return found.mouths.right, found.voices.right


def test_each_in_their_turn_with_their_own_voice(dialogue: Dialogue, enrolled: Enrolled):
    assert shares(dialogue, enrolled) == (2, 2)


def test_voices_from_each_other_s_mouths_are_found(dialogue: Dialogue, enrolled: Enrolled):
    swapped = np.concatenate(np.split(dialogue.frames, 2, axis=2)[::-1], axis=2)
    assert shares(replace(dialogue, frames=swapped), enrolled) == (0, 2)


def test_turns_that_are_taken_by_the_other_one_are_found(dialogue: Dialogue, enrolled: Enrolled):
    assert shares(replace(dialogue, spans=SPANS[::-1]), enrolled) == (0, 0)


def test_mouths_that_never_move_speak_for_nobody(dialogue: Dialogue, enrolled: Enrolled):
    still = np.repeat(dialogue.frames[:1], FRAMES, 0)
    assert shares(replace(dialogue, frames=still), enrolled)[0] == 0
