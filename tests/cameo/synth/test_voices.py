"""Made-up speech, judged by those who never saw how it was made: a speaker encoder, a recogniser, a pitch tracker and
a speech detector."""

from __future__ import annotations

import itertools
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cameo.errors import UsageError
from cameo.synth import lexicon, voices
from cameo.synth.lexicon import UnknownWord, pronounce
from cameo.synth.phonemes import PHONEMES
from cameo.synth.voices import Voice, mouth_track, speak

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = sorted(lexicon.LEXICON)


def _some_words(seed: int, count: int) -> list[str]:
    return [str(word) for word in np.random.default_rng(seed).choice(WORDS, count, replace=False)]


@pytest.mark.parametrize("word", ["", "...", "привет", "—"])
def test_a_word_nobody_could_read_is_refused(word: str) -> None:
    with pytest.raises(UnknownWord) as refusal:
        speak(Voice.from_seed(0), ["hello", word], seed=0)
    assert refusal.value.exit_status == 3
    assert refusal.value.hint
    assert not word or word not in refusal.value.message


@pytest.mark.parametrize("sample_rate", [0, -16_000, 22_050])
def test_a_sample_rate_that_does_not_divide_is_refused(sample_rate: int) -> None:
    with pytest.raises(UsageError, match=str(sample_rate)):
        speak(Voice.from_seed(0), ["hello"], seed=0, sample_rate=sample_rate)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzéß'", min_size=1, max_size=14))
def test_any_latin_word_has_sounds_the_mouth_knows(word: str) -> None:
    if not any(letter.isalpha() for letter in word):
        return
    sounds = pronounce(word)
    assert sounds
    assert {sound.rstrip("01") for sound in sounds} <= PHONEMES.keys()


def test_letter_to_sound_rules_agree_with_the_lexicon_where_english_is_regular() -> None:
    for word, expected in (("moon", "M UW N"), ("green", "G R IY N"), ("ship", "SH IH P"), ("night", "N AY T")):
        assert [sound.rstrip("01") for sound in lexicon._by_rule(word)] == expected.split()


def test_numbers_are_read_digit_by_digit() -> None:
    assert pronounce("407") == pronounce("four") + pronounce("zero") + pronounce("seven")


def test_the_same_seed_is_the_same_sound_and_another_is_not() -> None:
    voice = Voice.from_seed(7)
    assert voice == Voice.from_seed(7) != Voice.from_seed(8)
    first, again = (speak(voice, ["hello", "world"], seed=3).samples for _ in range(2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    other = speak(voice, ["hello", "world"], seed=4).samples
    assert len(other) != len(first) or not np.array_equal(other, first)


@pytest.mark.parametrize("sample_rate", [16_000, 24_000])
def test_every_voice_stays_within_bounds(sample_rate: int) -> None:
    for seed in range(40):
        utterance = speak(Voice.from_seed(seed), _some_words(seed, 4), seed=seed, sample_rate=sample_rate)
        assert np.isfinite(utterance.samples).all()
        assert 0.1 < np.abs(utterance.samples).max() <= 0.95
        assert 0.6 < utterance.seconds < 8


def test_silence_is_said_when_there_are_no_words() -> None:
    assert not speak(Voice.from_seed(0), [], seed=0).samples.any()


def test_phones_cover_the_sound_in_order_and_name_their_words() -> None:
    words = ["good", "morning,", "how", "are", "you?"]
    utterance = speak(Voice.from_seed(2), words, seed=1)
    phones = utterance.phones
    assert phones[0].start == 0
    assert phones[-1].end == pytest.approx(utterance.seconds, abs=0.006)
    assert all(a.end == b.start for a, b in itertools.pairwise(phones))
    spoken = [p.word_index for p in phones if p.symbol != "SIL"]
    assert spoken == sorted(spoken)
    assert set(spoken) == set(range(len(words)))
    assert sum(p.symbol == "SIL" for p in phones) == 3


def test_a_question_rises_and_a_statement_of_the_same_voice_does_not() -> None:
    falling = next(v for v in map(Voice.from_seed, range(99)) if v.final < -2 and v.creak == 0 and v.breath < 0.1)
    rises = {}
    for mark in "?.":
        pitch = _pitch(speak(falling, ["you", "are", "home" + mark], seed=0).samples)
        rises[mark] = np.log2(np.median(pitch[-6:]) / np.median(pitch))
    assert rises["?"] > 0.1 > rises["."]


def test_the_pitch_an_independent_tracker_finds_is_the_trait() -> None:
    for seed in range(8):
        voice = Voice.from_seed(seed)
        pitch = _pitch(speak(voice, _some_words(seed, 6), seed=seed).samples)
        assert np.exp(np.log(pitch).mean()) == pytest.approx(voice.pitch, rel=0.05)


def _pitch(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Fundamental of the voiced frames, Hz (pYIN: Mauch and Dixon, ICASSP 2014)."""
    track, voiced, _ = librosa.pyin(samples, fmin=60, fmax=450, sr=16_000, frame_length=1024, hop_length=256)
    return track[voiced]


def test_a_speaker_encoder_hears_the_same_person_on_another_occasion() -> None:
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)

    def embed(speaker: int, occasion: int) -> NDArray[np.float32]:
        words = _some_words(1000 * speaker + occasion, 7)
        utterance = speak(Voice.from_seed(speaker), words, seed=occasion)
        return encoder.embed_utterance(preprocess_wav(utterance.samples, source_sr=utterance.sample_rate))

    pairs = [(speaker, embed(speaker, occasion)) for speaker in range(16) for occasion in range(3)]
    same, different = [], []
    for (a, x), (b, y) in itertools.combinations(pairs, 2):
        (same if a == b else different).append(float(x @ y))
    auc = np.mean(np.array(same)[:, None] > np.array(different))
    assert auc >= 0.97


def test_a_recogniser_hears_the_digits(tmp_path: Path) -> None:
    import pocketsphinx

    grammar = tmp_path / "digits.gram"
    grammar.write_text(f"#JSGF V1.0;\ngrammar digits;\npublic <digits> = ({' | '.join(DIGITS)})+;\n")
    decoder = pocketsphinx.Decoder(jsgf=str(grammar), samprate=16_000, loglevel="FATAL")

    def hear(samples: NDArray[np.float32]) -> list[str]:
        padded = np.pad(samples, 4000)
        decoder.start_utt()
        decoder.process_raw((padded * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        return decoder.hyp().hypstr.split() if decoder.hyp() else []

    draw = np.random.default_rng(0)
    wrong = spoken = 0
    for seed in range(20):
        words = [DIGITS[i] for i in draw.integers(0, 10, 5)]
        wrong += _edits(words, hear(speak(Voice.from_seed(seed), words, seed=seed).samples))
        spoken += len(words)
    assert 1 - wrong / spoken >= 0.85


def _edits(a: list[str], b: list[str]) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_speech_detector_finds_the_speech_where_the_phones_say() -> None:
    from silero_vad import get_speech_timestamps, load_silero_vad

    detector = load_silero_vad()
    for seed in range(4):
        utterance = speak(Voice.from_seed(seed), _some_words(seed, 5), seed=seed)
        padded = torch.from_numpy(np.pad(utterance.samples, 16_000))
        spans = get_speech_timestamps(padded, detector, return_seconds=True)
        assert spans[0]["start"] == pytest.approx(1 + utterance.phones[0].end, abs=0.25)
        assert spans[-1]["end"] == pytest.approx(1 + utterance.phones[-1].start, abs=0.3)


def test_the_mouth_opens_with_the_voice() -> None:
    fps, correlations = 24.0, []
    for seed in range(6):
        utterance = speak(Voice.from_seed(seed), _some_words(seed, 6), seed=seed)
        frames = int(utterance.seconds * fps)
        opening = mouth_track(utterance, fps, frames)[:, 0]
        edges = (np.arange(frames + 1) * utterance.sample_rate / fps).astype(int)
        loudness = [np.sqrt(np.mean(utterance.samples[a:b] ** 2)) for a, b in itertools.pairwise(edges)]
        lags = [np.corrcoef(np.roll(opening, lag), loudness)[0, 1] for lag in (-3, -2, -1, 0, 1, 2, 3)]
        correlations.append(lags[3])
        assert np.argmax(lags) in (2, 3, 4)
    assert np.mean(correlations) > 0.5


def test_lips_close_on_m_and_round_on_u_and_rest_outside() -> None:
    utterance = speak(Voice.from_seed(3), ["mama", "you"], seed=0)
    track = mouth_track(utterance, fps=100, frames=round(utterance.seconds * 100) + 200, offset=1.0)
    assert track.dtype == np.float32
    assert track.min() >= 0
    assert track.max() <= 1
    assert not track[:85].any()
    assert not track[-85:].any()
    middle = {p.symbol: track[round((1 + (p.start + p.end) / 2) * 100)] for p in utterance.phones}
    assert middle["M"][0] < 0.2 < 0.5 < middle["AE"][0]
    assert middle["UW"][1] > 0.7


def test_only_what_is_asked_for_is_public() -> None:
    assert set(voices.__all__) == {"Phone", "Utterance", "Voice", "mouth_track", "speak"}
    assert "array" not in repr(speak(Voice.from_seed(0), ["hi"], seed=0))
