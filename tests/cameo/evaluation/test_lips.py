"""Lip-sync, on a face whose mouth was darkened by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cameo.evaluation.faces import faces_in
from cameo.evaluation.lips import lag, loudness
from cameo.evaluation.subjects import Take

FPS, RATE, FRAMES = 12.5, 16_000, 25
SYLLABLES = np.array([0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0], float)


@pytest.fixture(scope="module")
def talking(again: list[Take]) -> np.ndarray:
    still = next(frame for take in again for frame in take.frames if faces_in(frame[None]))
    (face,) = faces_in(still[None])
    x0, y0, x1, y1 = face.box.round().astype(int)
    frames = np.repeat(still[None], FRAMES, 0)
    # The lower third of the face, which is where everybody's mouth is.
    mouth = frames[:, y0 + 2 * (y1 - y0) // 3 : y1 - (y1 - y0) // 10, x0 + (x1 - x0) // 3 : x1 - (x1 - x0) // 3]
    mouth[:] = (mouth * (1 - 0.5 * SYLLABLES[:, None, None, None])).astype(np.uint8)
    return frames


def voice(delay: int = 0) -> np.ndarray:
    envelope = np.roll(SYLLABLES, delay).repeat(round(RATE / FPS))
    return (0.3 * envelope * np.sin(2 * np.pi * 300 * np.arange(len(envelope)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("delay", [-3, -1, 0, 2, 4])
def test_a_mouth_that_opens_late_or_early_is_seen_to(talking: np.ndarray, delay: int):
    # A voice that comes later is one that the mouth is ahead of.
    assert lag(talking, voice(delay), FPS) == -delay


def test_a_mouth_that_never_moves_follows_nothing(talking: np.ndarray):
    assert lag(np.repeat(talking[:1], FRAMES, 0), voice(), FPS) is None


def test_where_there_is_no_face_there_is_no_mouth():
    assert lag(np.full((FRAMES, 128, 128, 3), 90, np.uint8), voice(), FPS) is None


def test_rumble_and_hiss_are_not_a_voice():
    rumble = np.sin(2 * np.pi * 60 * np.arange(2 * RATE) / RATE).astype(np.float32)
    hiss = np.sin(2 * np.pi * 6_000 * np.arange(2 * RATE) / RATE).astype(np.float32)
    alone, among = (loudness(sound, FRAMES, FPS) for sound in (voice(), 0.5 * rumble + 0.5 * hiss + voice()))
    assert np.corrcoef(alone, among)[0, 1] > 0.95
