"""How surely the digits of a live challenge are heard, and how often others pass for them.

    python -m benchmarks.challenge [--voices 40]

Who says them: made-up voices (``cameo.synth``), within a sentence; eSpeak NG in four accents and five voices, where it
is installed; and, where the shared material is there, a talker of GRID, whose single digits are put together. All at 15
to 40 dB over noise. Each is asked for what was said; for six random digits; for the same with two neighbours swapped;
and for the same with one digit replaced. Readers of LibriSpeech, who say no digits, are asked for random ones only.
Who forges without knowing the digits is as good as the column of random ones.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from cameo.synth.voices import Voice, speak
from enroll.clip import SAMPLE_RATE, Clip
from enroll.digits import find_digits

Sound = NDArray[np.float32]
Said = tuple[Sound, str | None]

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = tuple(a + v for a in ("en-us", "en-gb", "en-gb-scotland", "en-029") for v in ("", "+m3", "+m7", "+f2", "+f4"))
SHARED = Path(os.environ.get("CAMEO_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--voices", type=int, default=40, help="how many of each kind (%(default)s)")
    words = parser.parse_args()
    print("| passes: | what was said | six random | two swapped | one replaced | CPU s for 10 s |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, said in (
        ("made-up voices", made_up),
        ("eSpeak NG, 20 voices", espeak),
        ("a talker of GRID", grid),
        ("readers of LibriSpeech", readers),
    ):
        rng = np.random.default_rng(0)
        print(row(name, said(words.voices, rng), rng), flush=True)


def made_up(count: int, rng: np.random.Generator) -> Iterator[Said]:
    for seed in range(count):
        digits = six(rng)
        said = [digit + ("," if place % 2 else "") for place, digit in enumerate(digits)]
        sentence = ["hello,", "i", "agree.", "my", "numbers", "are,", *said, "now", "i", "turn", "my", "head."]
        yield noisy(speak(Voice.from_seed(seed), sentence, seed=seed).samples, rng), digits


def espeak(count: int, rng: np.random.Generator) -> Iterator[Said]:
    program = shutil.which("espeak-ng")
    for number in range(count if program else 0):
        digits = six(rng)
        text = f"Hello, I agree. My numbers are {', '.join(WORDS[int(digit)] for digit in digits)}. Now I turn my head."
        command = [
            str(program),
            "-v",
            ACCENTS[number % len(ACCENTS)],
            "-s",
            str(rng.integers(130, 170)),
            "--stdout",
            text,
        ]
        wave = subprocess.run(command, capture_output=True, check=True).stdout
        yield noisy(resample_poly(np.frombuffer(wave[44:], np.int16) / 32768, 320, 441), rng), digits


def grid(count: int, rng: np.random.Generator) -> Iterator[Said]:
    cut = {path.stem[-2]: grid_digit(path) for path in sorted((SHARED / "clips").glob("grid_s31_*[0-9]?.mpg"))}
    names = sorted(cut)
    pause = np.zeros(SAMPLE_RATE // 8, np.float32)
    for _ in range(count if names else 0):
        digits = "".join(names[place] for place in rng.permutation(len(names))[:6])
        yield noisy(np.concatenate([part for digit in digits for part in (cut[digit], pause)]), rng), digits


def grid_digit(path: Path) -> Sound:
    """The digit of one of GRID's sentences, cut out where an aligner puts it."""
    from pocketsphinx import Decoder

    verb, colour, preposition, letter, digit, adverb = path.stem[-6:]
    words = (
        {"b": "bin", "l": "lay", "p": "place", "s": "set"}[verb],
        {"b": "blue", "g": "green", "r": "red", "w": "white"}[colour],
        {"a": "at", "b": "by", "i": "in", "w": "with"}[preposition],
        letter,
        WORDS[int(digit)],
        {"a": "again", "n": "now", "p": "please", "s": "soon"}[adverb],
    )
    sound = Clip.open(path).sound
    if sound is None:
        raise ValueError(f"{path.name} has no sound")
    decoder = Decoder(lm=None, samprate=SAMPLE_RATE, loglevel="FATAL")
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw((sound * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    (found,) = [part for part in decoder.seg() if part.word == words[4]]
    return sound[found.start_frame * 160 - 320 : found.end_frame * 160 + 480]


def readers(count: int, rng: np.random.Generator) -> Iterator[Said]:
    import soundfile

    paths = sorted((SHARED / "voices").glob("libri_*.flac"))
    for number in range(count if paths else 0):
        yield soundfile.read(paths[number % len(paths)], dtype="float32", stop=10 * SAMPLE_RATE)[0], None


def row(name: str, said: Iterator[Said], rng: np.random.Generator) -> str:
    found: dict[str, list[bool]] = {"right": [], "random": [], "swapped": [], "replaced": []}
    spent = length = 0.0
    for sound, digits in said:
        for kind, asked in challenges(digits, rng):
            began = time.process_time()
            found[kind].append(find_digits(sound, asked, [(0, len(sound))]) is not None)
            spent, length = spent + time.process_time() - began, length + len(sound) / SAMPLE_RATE
    shares = (f"{sum(passed)} of {len(passed)}" if passed else "" for passed in found.values())
    return f"| {name} | {' | '.join(shares)} | {10 * spent / length if length else 0:.2f} |"


def challenges(said: str | None, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    if said:
        yield "right", said
        at = next((k for k in range(5) if said[k] != said[k + 1]), 0)
        yield "swapped", said[:at] + said[at + 1] + said[at] + said[at + 2 :]
        at = int(rng.integers(6))
        yield "replaced", said[:at] + str((int(said[at]) + int(rng.integers(1, 10))) % 10) + said[at + 1 :]
    for _ in range(3):
        yield "random", six(rng)


def six(rng: np.random.Generator) -> str:
    return f"{int(rng.integers(10**6)):06d}"


def noisy(sound: NDArray[np.floating], rng: np.random.Generator) -> Sound:
    """At 15 to 40 dB, with half a second before and after."""
    level = np.sqrt(np.mean(sound[np.abs(sound) > 0.01] ** 2)) * 10 ** (-rng.uniform(15, 40) / 20)
    return (np.pad(sound, SAMPLE_RATE // 2) + rng.normal(0, level, len(sound) + SAMPLE_RATE)).astype(np.float32)


if __name__ == "__main__":
    main()
