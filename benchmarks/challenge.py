"""How surely the digits of a live challenge are heard, and how often others pass for them.

    python -m benchmarks.challenge [--voices 40]

Made-up voices (``cameo.synth``) say six random digits within a sentence; so does eSpeak NG, where it is installed. Each
is asked for what was said, for six other random digits, for the same with two neighbours swapped, and for the same with
one digit replaced. Who forges without knowing the digits is as good as the second column.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from cameo.synth.voices import Voice, speak
from enroll.digits import find_digits

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+m3", "en-gb+f4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--voices", type=int, default=40, help="made-up voices (%(default)s)")
    words = parser.parse_args()
    print("| who says them | heard right | six other digits pass | two swapped pass | one replaced passes |")
    print("|---|---:|---:|---:|---:|")
    print(row("made-up voices", made_up(words.voices)))
    if shutil.which("espeak-ng"):
        print(row("eSpeak NG, six voices", espeak(4)))


def made_up(count: int) -> Iterator[tuple[NDArray[np.float32], str]]:
    for seed in range(count):
        digits = drawn(seed)
        said = [digit + ("," if place % 2 else "") for place, digit in enumerate(digits)]
        sentence = ["hello,", "i", "agree.", "my", "numbers", "are,", *said, "now", "i", "turn", "my", "head."]
        yield speak(Voice.from_seed(seed), sentence, seed=seed).samples, digits


def espeak(each: int) -> Iterator[tuple[NDArray[np.float32], str]]:
    for number, accent in enumerate(ACCENTS):
        for turn in range(each):
            digits = drawn(1000 + each * number + turn)
            text = "hello, I agree. My numbers are " + ", ".join(WORDS[int(digit)] for digit in digits) + "."
            command = ["espeak-ng", "-v", accent, "-s", "150", "--stdout", text]
            wave = subprocess.run(command, capture_output=True, check=True).stdout
            yield resample_poly(np.frombuffer(wave[44:], np.int16) / 32768, 320, 441).astype(np.float32), digits


def row(name: str, said: Iterator[tuple[NDArray[np.float32], str]]) -> str:
    right, others, swapped, replaced = [], [], [], []
    for number, (sound, digits) in enumerate(said):
        rng = np.random.default_rng([9, number])
        noisy = (np.pad(sound, 8000) + rng.normal(0, 0.001, len(sound) + 16_000)).astype(np.float32)

        def passes(asked: str, noisy: NDArray[np.float32] = noisy) -> bool:
            return find_digits(noisy, asked, [(8000, len(noisy) - 8000)]) is not None

        right.append(passes(digits))
        others += [passes(drawn(10_000 + 3 * number + k)) for k in range(3)]
        at = next((k for k in range(5) if digits[k] != digits[k + 1]), 0)
        swapped.append(passes(digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]))
        at = int(rng.integers(6))
        replaced.append(passes(digits[:at] + str((int(digits[at]) + 1 + int(rng.integers(9))) % 10) + digits[at + 1 :]))
    return f"| {name} | {share(right)} | {share(others)} | {share(swapped)} | {share(replaced)} |"


def drawn(seed: int) -> str:
    return f"{int(np.random.default_rng(seed).integers(10**6)):06d}"


def share(passed: list[bool]) -> str:
    return f"{sum(passed)} of {len(passed)}"


if __name__ == "__main__":
    main()
