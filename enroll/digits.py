"""Are these digits spoken, in this order, and when? Judged by pocketsphinx with the English model its wheel ships.

The grammar is any digits, then the asked ones, then any digits. "Any digits" takes up whatever else is said, however
badly it fits; the asked ones must then fit hardly worse than the best digits do, or the search drops them on its way.
So one pass answers yes or no, and the words of a yes have their times. Measured by ``benchmarks/challenge.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE

__all__ = ["LONGEST_SECONDS", "SpokenDigits", "find_digits", "recogniser"]

LONGEST_SECONDS = 60.0
"""Speech that is listened to. Whoever recites digits for longer would in the end say any six."""
_MOST_PAUSE = 2.0
"""Seconds between one digit and the next."""

_WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# As in CMUdict, with the ways in which British English differs.
_SOUNDS: Final[dict[str, tuple[str, ...]]] = {
    "zero": ("Z IH R OW", "Z IY R OW"),
    "oh": ("OW",),
    "one": ("W AH N",),
    "two": ("T UW",),
    "three": ("TH R IY",),
    "four": ("F AO R", "F AO"),
    "five": ("F AY V",),
    "six": ("S IH K S",),
    "seven": ("S EH V AH N",),
    "eight": ("EY T",),
    "nine": ("N AY N",),
}
# How far behind the best the asked digits may fall before they are dropped, as a ratio of likelihoods.
_BEAM, _WORD_BEAM = 1e-60, 1e-40
_CHANCE = 0.1
_FRAMES = 100
# Pauses are taken out down to this, on either side of what is said.
_MARGIN = SAMPLE_RATE // 4


@dataclass(frozen=True)
class SpokenDigits:
    """Where the asked digits were said.

    Attributes:
        words: (begin, end) of each digit, seconds in the clip.
    """

    words: tuple[tuple[float, float], ...]

    @property
    def begin(self) -> float:
        return self.words[0][0]

    @property
    def end(self) -> float:
        return self.words[-1][1]


def find_digits(sound: NDArray[np.float32], digits: str, spans: Spans) -> SpokenDigits | None:
    """Looks for digits said one by one, in this order, with nothing between them but pauses of up to two seconds.

    Args:
        sound: mono float32 at 16 kHz, shape (N,).
        digits: such as ``"471902"``; a zero may be said "zero" or "oh".
        spans: where there is speech; only there, and a little around, is listened.

    Returns:
        None when they are not there, or when there is more than ``LONGEST_SECONDS`` of speech.
    """
    parts = _widened(spans, len(sound))
    if not parts or sum(end - begin for begin, end in parts) > LONGEST_SECONDS * SAMPLE_RATE:
        return None
    heard = _decode(np.concatenate([sound[begin:end] for begin, end in parts]), digits)
    if heard is None:
        return None
    words = tuple((_second(first, parts), _second(last + 1, parts)) for first, last in heard)
    if any(after[0] - before[1] > _MOST_PAUSE for before, after in pairwise(words)):
        return None
    return SpokenDigits(words)


def recogniser() -> str:
    """What judges, and in which version."""
    return f"pocketsphinx {version('pocketsphinx')} en-us"


def _decode(sound: NDArray[np.float32], digits: str) -> list[tuple[int, int]] | None:
    """First and last frame (100 a second) of each digit, or None."""
    decoder = _decoder()
    # Loudness matters to the model less than clipping does, and silence must not be amplified to noise.
    level = 0.5 / max(float(np.abs(sound).max()), 0.02)
    transitions: list[tuple[Any, ...]] = [(0, 1, 1.0), *((1, 1, _CHANCE, word) for word in _SOUNDS)]
    state = 1
    for digit in digits:
        transitions += [(state, state + 1, _CHANCE, word) for word in _spellings(digit)]
        state += 1
    transitions += [*((state, state, _CHANCE, word) for word in _SOUNDS), (state, state + 1, 1.0)]
    decoder.add_fsg("challenge", decoder.create_fsg("challenge", 0, state + 1, transitions))
    decoder.activate_search("challenge")
    decoder.start_utt()
    decoder.process_raw((sound * level * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return None
    return _chain([(s.word, s.start_frame, s.end_frame) for s in decoder.seg()], digits)


def _chain(heard: Sequence[tuple[str, int, int]], digits: str) -> list[tuple[int, int]] | None:
    """The asked digits among the words heard, the last time they are there."""
    said = [(word.split("(")[0], first, last) for word, first, last in heard if word.split("(")[0] in _SOUNDS]
    for at in range(len(said) - len(digits), -1, -1):
        part = said[at : at + len(digits)]
        if all(word in _spellings(digit) for (word, _, _), digit in zip(part, digits, strict=True)):
            return [(first, last) for _, first, last in part]
    return None


def _spellings(digit: str) -> tuple[str, ...]:
    return ("zero", "oh") if digit == "0" else (_WORDS[int(digit)],)


def _decoder() -> Any:
    from pocketsphinx import Decoder

    decoder = Decoder(
        lm=None,
        dict=None,
        samprate=SAMPLE_RATE,
        loglevel="FATAL",
        beam=_BEAM,
        wbeam=_WORD_BEAM,
        pbeam=_BEAM,
        # What was heard before must not change what is heard now.
        cmn="live",
    )
    for word, spoken in _SOUNDS.items():
        for number, sounds in enumerate(spoken, 1):
            decoder.add_word(word if number == 1 else f"{word}({number})", sounds, False)
    return decoder


def _widened(spans: Spans, length: int) -> list[tuple[int, int]]:
    """Speech with a little around it, overlaps joined."""
    parts: list[tuple[int, int]] = []
    for begin, end in spans:
        begin, end = max(0, begin - _MARGIN), min(length, end + _MARGIN)
        if parts and begin <= parts[-1][1]:
            parts[-1] = parts[-1][0], max(end, parts[-1][1])
        elif begin < end:
            parts.append((begin, end))
    return parts


def _second(frame: int, parts: Sequence[tuple[int, int]]) -> float:
    """Where in the clip a frame of the joined parts was."""
    sample = frame * SAMPLE_RATE // _FRAMES
    for begin, end in parts:
        if sample < end - begin:
            return (begin + sample) / SAMPLE_RATE
        sample -= end - begin
    return parts[-1][1] / SAMPLE_RATE
