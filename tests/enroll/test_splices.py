"""Splices in sound: holes and backgrounds that change; recordings of people who exist have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from cameo.synth.voices import Voice, speak
from enroll.clip import SAMPLE_RATE
from enroll.splices import find_splices
from enroll.voice import listen

Sound = NDArray[np.float32]


def talk(seed: int, hiss: float, colour: float, phrases: int = 5) -> tuple[Sound, list[tuple[int, int]]]:
    """Phrases with pauses of half a second, in a room with its own noise; and where they lie."""
    rng = np.random.default_rng(seed)
    parts, spans, at = [], [], 0
    for number in range(phrases):
        said = speak(Voice.from_seed(seed), ["hello", "good", "morning"], seed=number).samples
        parts += [np.zeros(SAMPLE_RATE // 2), said]
        spans.append((at + SAMPLE_RATE // 2, at + SAMPLE_RATE // 2 + len(said)))
        at = spans[-1][1]
    parts.append(np.zeros(SAMPLE_RATE // 2))
    clean = np.concatenate(parts)
    noise = lfilter([1.0], [1.0, -colour], rng.normal(0, 1, len(clean)))
    return (clean + noise / noise.std() * hiss).astype(np.float32), spans


def test_a_recording_in_one_piece() -> None:
    for seed in range(4):
        assert find_splices(*talk(seed, 0.003, 0.7)) == ()


@pytest.mark.parametrize("other", [(0.012, 0.7), (0.003, -0.7), (0.001, 0.95)])
def test_another_room_from_the_middle_on(other: tuple[float, float]) -> None:
    (first, before), (second, after) = talk(1, 0.003, 0.7), talk(1, *other)
    joined = before + [(a + len(first), b + len(first)) for a, b in after]
    (splice,) = find_splices(np.concatenate([first, second]), joined)
    assert splice == pytest.approx(len(first) / SAMPLE_RATE, abs=2.0)


def test_a_hole_of_digital_silence() -> None:
    sound, spans = talk(2, 0.003, 0.7)
    sound[40_000:41_000] = 0.0
    assert find_splices(sound, spans) == (pytest.approx(2.5, abs=0.02),)


def test_a_microphone_with_a_noise_gate_has_no_holes() -> None:
    """Half of the clip is digital silence: that is how this phone records."""
    sound, spans = talk(2, 0.0, 0.7)
    assert find_splices(sound, spans) == ()


def test_nothing_to_listen_to() -> None:
    assert find_splices(np.zeros(0, np.float32), ()) == ()
    assert find_splices(np.zeros(SAMPLE_RATE, np.float32), ()) == ()
    assert find_splices(np.full(100, 0.1, np.float32), ((0, 100),)) == ()


def test_recordings_of_people_who_exist_have_no_splice(shared: Path) -> None:
    import soundfile

    for path in sorted((shared / "voices").glob("libri_1*.flac")) + sorted((shared / "voices").glob("*.wav")):
        sound = soundfile.read(path, dtype="float32")[0]
        assert find_splices(sound, listen(sound).spans) == (), path.name
