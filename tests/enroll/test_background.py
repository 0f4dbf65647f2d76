"""The background: noise of a known level is measured, music is told from speech, clipping is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from enroll.background import CLEANEST_DB, measure, music
from enroll.clip import Clip
from enroll.voice import listen

RATE = 16_000


@pytest.fixture(scope="module")
def sentence(shared: Path) -> NDArray[np.float32]:
    """12 s read aloud."""
    sound, _ = soundfile.read(shared / "voices" / "libri_237-126133-0000.flac", dtype="float32")
    return sound[: 12 * RATE]


def chords(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Struck triads with overtones, two a second."""
    draw = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    out = np.zeros(len(time))
    for begin in np.arange(0, seconds, 0.5):
        here = (time >= begin) & (time < begin + 0.5)
        root = draw.choice([174.6, 196.0, 220.0, 246.9, 261.6])
        for tone in (root, root * 1.2599, root * 1.4983):
            for overtone in (1, 2, 3):
                out[here] += np.sin(2 * np.pi * tone * overtone * time[here]) / overtone
        out[here] *= np.exp(-2 * (time[here] - begin))
    return (0.1 * out / np.abs(out).max()).astype(np.float32)


def mixed(speech: NDArray[np.float32], other: NDArray[np.float32], db: float) -> NDArray[np.float32]:
    """``other`` so far below the speech in its spans."""
    level = np.mean(np.concatenate([speech[b:e] for b, e in listen(speech).spans]) ** 2)
    return speech + other * np.float32(np.sqrt(level / np.mean(other**2) / 10 ** (db / 10)))


@pytest.mark.parametrize("db", [20, 10, 5])
def test_white_noise_is_measured(sentence: NDArray[np.float32], db: float) -> None:
    noise = np.random.default_rng(0).normal(size=len(sentence)).astype(np.float32)
    assert listen(mixed(sentence, noise, db)).background.snr_db == pytest.approx(db, abs=2.5)


def test_more_noise_is_less_snr_to_the_end(sentence: NDArray[np.float32]) -> None:
    spans = listen(sentence).spans
    noise = np.random.default_rng(0).normal(size=len(sentence)).astype(np.float32)
    found = [measure(mixed(sentence, noise, db), spans).snr_db for db in (40, 30, 20, 10, 0)]
    assert found == sorted(found, reverse=True)
    assert measure(sentence, spans).snr_db > 30


def test_digital_silence_between_words_is_no_measure_of_noise(sentence: NDArray[np.float32]) -> None:
    noise = np.random.default_rng(0).normal(size=len(sentence)).astype(np.float32)
    noisy = mixed(sentence, noise, 10)
    padded = np.concatenate([np.zeros(2 * RATE, np.float32), noisy, np.zeros(2 * RATE, np.float32)])
    assert listen(padded).background.snr_db == pytest.approx(10, abs=4)
    assert listen(padded).background.snr_db < CLEANEST_DB / 2


def test_music_is_music_alone_and_under_speech(sentence: NDArray[np.float32]) -> None:
    tune = chords(12.0)
    assert music(tune) > 0.9
    assert music(mixed(sentence, tune, 0)) > 0.5
    assert music(sentence) == 0.0


def test_real_music(shared: Path) -> None:
    rap = Clip.open(shared / "clips" / "facerec_hamilton_cuts.mp4").sound
    assert rap is not None
    assert music(rap) > 0.3


def test_speech_is_not_music(shared: Path) -> None:
    flagged = []
    for path in sorted((shared / "voices").glob("*.flac")):
        sound, _ = soundfile.read(path, dtype="float32")
        flagged.append(music(sound[: 20 * RATE]))
    assert np.mean(np.array(flagged) > 0) < 0.1


def test_noise_and_silence_are_not_music() -> None:
    assert music(np.random.default_rng(0).normal(size=5 * RATE).astype(np.float32)) == 0.0
    assert music(np.zeros(5 * RATE, np.float32)) == 0.0
    assert music(np.zeros(100, np.float32)) == 0.0


def test_clipping(sentence: NDArray[np.float32]) -> None:
    spans = listen(sentence).spans
    clean = sentence / np.abs(sentence).max()
    assert measure(clean, spans).clipped < 1e-3
    assert measure(np.clip(clean * 8, -1, 1), spans).clipped > 0.02
