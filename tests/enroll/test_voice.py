"""Speech: refusals for clips that hold none; times, lengths and likeness of what is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from enroll.encoders import registry
from enroll.errors import NoSpeech
from enroll.voice import KEPT_SECONDS, Heard, best_speech, embed_voice, listen, speech_of

RATE = 16_000


@pytest.fixture(scope="module")
def sentence(shared: Path) -> NDArray[np.float32]:
    """8 s read aloud, mono float32 at 16 kHz."""
    sound, rate = soundfile.read(shared / "voices" / "libri_237-126133-0000.flac", dtype="float32")
    assert rate == RATE
    return sound[: 8 * RATE]


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (None, "has no sound"),
        (np.zeros(0, np.float32), "silent"),
        (np.zeros(5 * RATE, np.float32), "silent"),
        (0.1 * np.random.default_rng(0).normal(size=5 * RATE).astype(np.float32), "0.0 s of speech"),
        (0.3 * np.sin(np.arange(5 * RATE) * 0.17).astype(np.float32), "0.0 s of speech"),
    ],
    ids=["none", "empty", "silence", "noise", "tone"],
)
def test_nothing_said(sound: NDArray[np.float32] | None, words: str) -> None:
    with pytest.raises(NoSpeech, match=words) as caught:
        listen(sound)
    assert caught.value.hint


def everything(sound: NDArray[np.float32]) -> Heard:
    return speech_of(listen(sound), sound)


def test_half_a_word_is_too_little(sentence: NDArray[np.float32]) -> None:
    heard = everything(sentence)
    begin = heard.segments[0][0]
    short = np.concatenate(
        [np.zeros(RATE, np.float32), sentence[begin : begin + RATE // 2], np.zeros(RATE, np.float32)]
    )
    with pytest.raises(NoSpeech, match=r"0\.[0-7] s of speech"):
        listen(short)


def test_silence_is_cut_out_and_times_are_those_of_the_clip(sentence: NDArray[np.float32]) -> None:
    quiet = np.zeros(3 * RATE, np.float32)
    heard = everything(np.concatenate([quiet, sentence, quiet]))
    assert 5 < heard.seconds < 8.2
    assert len(heard.samples) == round(heard.seconds * RATE)
    assert 2.9 < heard.second(0) < 4
    assert 3 < heard.second(len(heard.samples) - 1) < 11.2
    inside = np.concatenate([np.concatenate([quiet, sentence, quiet])[b:e] for b, e in heard.segments])
    assert np.array_equal(inside, heard.samples)


def test_noise_lowers_quality(sentence: NDArray[np.float32]) -> None:
    quiet = np.zeros(2 * RATE, np.float32)
    clean = np.concatenate([quiet, sentence, quiet])
    noisy = clean + 0.02 * np.random.default_rng(0).normal(size=len(clean)).astype(np.float32)
    assert everything(clean).quality > everything(noisy).quality + 0.2


def test_two_halves_of_one_reader_are_nearer_than_another_reader(shared: Path, sentence: NDArray[np.float32]) -> None:
    encoder = registry.get("ge2e-256")
    other, _ = soundfile.read(shared / "voices" / "libri_121-123852-0000.flac", dtype="float32")
    first, second, stranger = (
        embed_voice(everything(sound), encoder).vector
        for sound in (sentence[: 4 * RATE], sentence[4 * RATE :], other[: 4 * RATE])
    )
    assert first @ second > first @ stranger + 0.05


def test_views_lie_in_the_clip_and_seconds_are_told(sentence: NDArray[np.float32]) -> None:
    heard = everything(sentence)
    voice = embed_voice(heard, registry.get("ge2e-256"))
    assert voice.seconds == heard.seconds
    assert len(voice.views) >= 5
    assert all(0 <= view.second <= 8 for view in voice.views)
    assert [view.second for view in voice.views] == sorted(view.second for view in voice.views)


def test_the_reference_is_the_stretch_most_like_the_person(shared: Path, sentence: NDArray[np.float32]) -> None:
    """12 s of one reader after 6 s of another: the kept 10 s are the first reader's."""
    other, _ = soundfile.read(shared / "voices" / "libri_121-123852-0000.flac", dtype="float32")
    more, _ = soundfile.read(shared / "voices" / "libri_237-126133-0001.flac", dtype="float32")
    heard = everything(np.concatenate([other[: 6 * RATE], sentence, more[: 8 * RATE]]))
    kept = best_speech(heard, embed_voice(heard, registry.get("ge2e-256")))
    assert kept.seconds == pytest.approx(KEPT_SECONDS, abs=0.01)
    found = next(
        at
        for at in range(0, len(heard.samples), RATE)
        if np.array_equal(heard.samples[at : at + RATE], kept.samples[:RATE])
    )
    assert heard.second(found) > 4


def test_short_speech_is_kept_whole() -> None:
    samples = np.linspace(-1, 1, 2 * RATE, dtype=np.float32)
    heard = Heard(samples, ((RATE, 3 * RATE),), 2.0, 1.0)
    assert np.array_equal(best_speech(heard, None).samples, samples)


def test_listening_leaves_the_number_of_threads_alone() -> None:
    """In a process of its own: silero_vad meddles once, when it is first imported."""
    code = """
import numpy, torch
torch.set_num_threads(2)
from enroll.errors import NoSpeech
from enroll.voice import listen
try:
    listen(numpy.random.default_rng(0).normal(size=16000).astype("float32"))
except NoSpeech:
    print(torch.get_num_threads())
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "2\n"


def test_the_spread_tells_one_reader_from_two(shared: Path, sentence: NDArray[np.float32]) -> None:
    encoder = registry.get("ge2e-256")
    other, _ = soundfile.read(shared / "voices" / "libri_121-123852-0000.flac", dtype="float32")
    one = embed_voice(everything(sentence), encoder)
    two = embed_voice(everything(np.concatenate([sentence[: 4 * RATE], other[: 4 * RATE]])), encoder)
    assert one.spread is not None
    assert two.spread is not None
    assert 0.0 < one.spread < 0.2
    assert two.spread > 1.3 * one.spread
    expected = 1.0 - np.mean([view.vector @ one.vector for view in one.views])
    assert one.spread == pytest.approx(float(expected), abs=1e-5)


def test_the_reference_prefers_few_pieces() -> None:
    """20 s of speech in one piece after ten pieces of 1 s; nothing else speaks for either."""
    pieces = [(k * 2 * RATE, k * 2 * RATE + RATE) for k in range(10)]
    samples = np.random.default_rng(0).normal(0, 0.1, 30 * RATE).astype(np.float32)
    heard = Heard(samples, (*pieces, (25 * RATE, 45 * RATE)), 30.0, 1.0)
    kept = best_speech(heard, None)
    assert np.array_equal(kept.samples, samples[10 * RATE : 20 * RATE])


def test_speech_of_one_speaker_is_its_spans_alone(sentence: NDArray[np.float32]) -> None:
    hearing = listen(sentence)
    assert np.array_equal(speech_of(hearing, sentence, (1,)).samples, everything(sentence).samples)
    nobody = speech_of(hearing, sentence, (7,))
    assert (nobody.seconds, len(nobody.samples), nobody.segments) == (0.0, 0, ())
