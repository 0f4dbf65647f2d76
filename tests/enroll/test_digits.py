"""Spoken digits, said by two synthesisers that have nothing in common, and by people who exist."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from cameo.synth.voices import Voice, speak
from enroll.clip import SAMPLE_RATE
from enroll.digits import LONGEST_SECONDS, find_digits, likeliest_digits, recogniser
from enroll.statement import statement
from tests.timing import least_seconds

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
Sound = NDArray[np.float32]


def espeak(text: str, voice: str = "en-us", speed: int = 150) -> Sound:
    """eSpeak NG's formant synthesiser, at 16 kHz."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text]
    wave = subprocess.run(command, capture_output=True, check=True).stdout
    return resample_poly(np.frombuffer(wave[44:], np.int16) / 32768, 320, 441).astype(np.float32)


def made_up(digits: str, seed: int) -> Sound:
    words = ["hello,", "my", "numbers", "are,", *digits, "thanks."]
    return speak(Voice.from_seed(seed), words, seed=seed).samples


def heard(sound: Sound, digits: str) -> bool:
    rng = np.random.default_rng(0)
    noisy = np.pad(sound, 8000) + rng.normal(0, 0.001, len(sound) + 16_000).astype(np.float32)
    return find_digits(noisy.astype(np.float32), digits, [(8000, 8000 + len(sound))]) is not None


def spelt(digits: str, oh: str = "zero") -> str:
    return " ".join(oh if digit == "0" else WORDS[int(digit)] for digit in digits)


@pytest.mark.parametrize("seed", range(6))
def test_made_up_voices_are_understood(seed: int) -> None:
    digits = f"{int(np.random.default_rng(seed).integers(10**6)):06d}"
    assert heard(made_up(digits, seed), digits)


@pytest.mark.parametrize("voice", ["en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+m3", "en-gb+f4"])
def test_another_synthesiser_is_understood(voice: str) -> None:
    assert heard(espeak(spelt("471902"), voice), "471902")
    assert heard(espeak(spelt("471902", oh="oh"), voice), "471902")


def test_the_likeliest_digits_are_those_that_are_said() -> None:
    for digits in ("47", "19", "0"):
        assert likeliest_digits(espeak(spelt(digits)), len(digits)) == digits
    for seed, digits in enumerate(("47", "19", "58")):
        said = speak(Voice.from_seed(seed), spelt(digits).split(), seed=seed).samples
        assert likeliest_digits(said, len(digits)) == digits
    assert len(likeliest_digits(np.zeros(8000, np.float32), 2)) <= 2, "of silence nothing sensible, and no more"


@pytest.mark.parametrize("wrong", ["471920", "741902", "209174", "000000", "123456", "958831", "847190"])
def test_other_digits_and_other_orders_are_refused(wrong: str) -> None:
    for sound in (espeak(spelt("471902")), made_up("471902", 3)):
        assert not heard(sound, wrong)


def test_digits_with_another_between_or_one_too_few_are_refused() -> None:
    assert not heard(espeak(spelt("47192")), "471902")
    assert not heard(espeak(spelt("4715902")), "471902")


def test_digits_far_apart_are_refused() -> None:
    parts = [espeak(spelt(digits)) for digits in ("471", "902")]
    for pause, passes in ((1.0, True), (4.0, False)):
        silence = np.zeros(round(pause * SAMPLE_RATE), np.float32)
        sound = np.concatenate([parts[0], silence, parts[1]])
        spans = [(0, len(parts[0])), (len(sound) - len(parts[1]), len(sound))]
        assert (find_digits(sound, "471902", spans) is not None) == passes, pause


def test_times_are_those_of_the_clip() -> None:
    """Silence that is not listened to counts, wherever it is."""
    parts = [espeak(spelt(digits)) for digits in ("471", "902")]
    silence = np.zeros(SAMPLE_RATE, np.float32)
    sound = np.concatenate([*[silence] * 5, parts[0], silence, parts[1], *[silence] * 3])
    first = (5 * SAMPLE_RATE, 5 * SAMPLE_RATE + len(parts[0]))
    second = (first[1] + SAMPLE_RATE, first[1] + SAMPLE_RATE + len(parts[1]))
    found = find_digits(sound, "471902", [first, second])
    assert found is not None and len(found.words) == 6
    for (begin, end), span in zip(found.words, [first] * 3 + [second] * 3, strict=True):
        assert span[0] / SAMPLE_RATE - 0.3 <= begin < end <= span[1] / SAMPLE_RATE + 0.3
    assert [begin for begin, _ in found.words] == sorted(begin for begin, _ in found.words)


def test_one_answer_does_not_change_the_next() -> None:
    sound, other = espeak(spelt("471902")), made_up("580316", 4)
    first = find_digits(sound, "471902", [(0, len(sound))])
    find_digits(other, "580316", [(0, len(other))])
    assert find_digits(sound, "471902", [(0, len(sound))]) == first


def test_it_takes_a_fraction_of_the_sounds_length() -> None:
    sound = made_up("471902", 3)
    assert least_seconds(lambda: heard(sound, "471902"), of=3) < 0.25 * len(sound) / SAMPLE_RATE


def test_digits_within_the_whole_statement_are_found() -> None:
    scope, turns = ("face", "voice"), ("left", "up", "right")
    words = statement("Ada Moss", "ada", scope, ("generate",), datetime.now(UTC), "471902", turns)
    sound = espeak(words)
    found = find_digits(sound, "471902", [(0, len(sound))])
    assert found is not None
    assert not heard(sound, "209471")


def test_only_speech_is_listened_to_and_not_without_end() -> None:
    sound = espeak(spelt("471902"))
    assert find_digits(sound, "471902", ()) is None
    long = np.tile(sound, 30)
    assert len(long) > LONGEST_SECONDS * SAMPLE_RATE
    assert find_digits(long, "471902", [(0, len(long))]) is None


def test_what_judged_has_a_name() -> None:
    assert recogniser().startswith("pocketsphinx 5")


# --- people who exist


def test_speech_without_digits_answers_nothing(shared: Path) -> None:
    import soundfile

    rng = np.random.default_rng(1)
    for path in sorted((shared / "voices").glob("libri_*.flac"))[::3]:
        sound = soundfile.read(path, dtype="float32", stop=10 * SAMPLE_RATE)[0]
        assert find_digits(sound, f"{int(rng.integers(10**6)):06d}", [(0, len(sound))]) is None, path.name


def test_digits_of_somebody_who_exists(shared: Path) -> None:
    from benchmarks.challenge import grid_digit

    cut = {path.stem[-2]: grid_digit(path) for path in sorted((shared / "clips").glob("grid_s31_*[0-9]?.mpg"))}
    pause = np.zeros(SAMPLE_RATE // 8, np.float32)
    right = [digits for digits in ("475638", "569438", "798563", "439657") if heard(joined(cut, digits, pause), digits)]
    assert len(right) >= 3, right
    assert not heard(joined(cut, "475638", pause), "836574")


def joined(cut: dict[str, Sound], digits: str, pause: Sound) -> Sound:
    return np.concatenate([part for digit in digits for part in (cut[digit], pause)])
