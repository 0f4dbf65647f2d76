"""Are these digits spoken, in this order, and when? Judged by pocketsphinx with the English model its wheel ships.

First they are found: the grammar is any digits, then the asked ones, then any digits, which take up whatever else is
said, however badly it fits. That always finds the asked ones where they fit best, with times, unless they fit so badly
that the search dropped them. Then they are doubted: over that stretch alone, the six digits that fit best must not fit
much better than the asked ones, and no two of these may be shorter than a digit can be said. Measured by
``benchmarks/challenge.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE

__all__ = ["LONGEST_SECONDS", "SpokenDigits", "find_digits", "likeliest_digits", "recogniser"]

LONGEST_SECONDS = 60.0
"""Speech that is listened to. Whoever recites digits for longer would in the end say any six."""
_MOST_PAUSE = 2.0
"""Seconds between one digit and the next."""

_WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# As in CMUdict, with the ways in which British English differs.
_SOUNDS: Final[dict[str, tuple[str, ...]]] = {
    "zero": ("Z IH R OW", "Z IY R OW"),
    "oh": ("OW", "AH UH"),
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
# How far behind the best the asked digits may fall on the way before they are dropped, as a ratio of likelihoods.
_BEAM, _WORD_BEAM = 1e-100, 1e-100
# And how far at the end, in nats: nine in ten of those that were said lag by less, nine in ten of random ones by more.
_MOST_LAG = 75.0
_CHANCE, _PAUSE_CHANCE = 0.1, 0.3
_FRAMES = 100
# Digits that were not said are squeezed in beside those that were. A fast one takes 0.2 s, and one of six may end up
# cut: so much at least the shortest has, and so much the second.
_FEWEST_FRAMES = (9, 15)
_AROUND_FRAMES = 12
# The recogniser drops ten bits of what it adds up.
_SCALE = 1 << 10
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


def likeliest_digits(sound: NDArray[np.float32], count: int) -> str:
    """The ``count`` digits that fit the sound best, whatever is said in it; fewer where the search finds no way.

    Args:
        sound: mono float32 at 16 kHz, shape (N,).
        count: how many are said.
    """
    heard = _listen(sound, [tuple(_SOUNDS)] * count)
    names = {"oh": "0"} | {word: str(digit) for digit, word in enumerate(_WORDS)}
    return "" if heard is None else "".join(names[word] for word, _, _ in heard.words)


def recogniser() -> str:
    """What judges, and in which version."""
    return f"pocketsphinx {version('pocketsphinx')} en-us"


@dataclass(frozen=True)
class _Heard:
    """What fits best under a grammar: (word, first frame, last frame), silence left out, and how well, in nats."""

    words: tuple[tuple[str, int, int], ...]
    fit: float


def _decode(sound: NDArray[np.float32], digits: str) -> list[tuple[int, int]] | None:
    """First and last frame (100 a second) of each digit, or None."""
    asked = [_spellings(digit) for digit in digits]
    heard = _listen(sound, asked, among_others=True)
    found = _chain(heard.words, asked) if heard else None
    if found is None or _squeezed(found):
        return None
    begin, end = found[0][0] - _AROUND_FRAMES, found[-1][1] + _AROUND_FRAMES
    step = SAMPLE_RATE // _FRAMES
    return None if _lags(sound[max(0, begin) * step : end * step], asked) else found


def _squeezed(found: Sequence[tuple[int, int]]) -> bool:
    lengths = sorted(last - first + 1 for first, last in found)
    return any(length < least for length, least in zip(lengths, _FEWEST_FRAMES, strict=False))


def _lags(sound: NDArray[np.float32], asked: Sequence[tuple[str, ...]]) -> bool:
    """Whether some other digits, as many, fit the sound much better than the asked ones."""
    this = _listen(sound, asked)
    other = _listen(sound, [tuple(_SOUNDS)] * len(asked))
    if this is None or other is None or _chain(this.words, asked) is None:
        return True
    # Where only one word may follow, its context is modelled more closely; so these are heard once more by themselves.
    rival = _listen(sound, [(word,) for word, _, _ in other.words])
    return rival is not None and rival.fit - this.fit > _MOST_LAG


def _listen(
    sound: NDArray[np.float32], asked: Sequence[tuple[str, ...]], *, among_others: bool = False
) -> _Heard | None:
    """What fits best when one word of each set is said after the other; on request with any digits around them."""
    # Fits under two grammars can be compared only where all of the model was weighed, which takes twice as long.
    decoder = _decoder(compallsen=not among_others)
    last = len(asked)
    steps: list[tuple[Any, ...]] = [
        (place, place + 1, _CHANCE, word) for place, words in enumerate(asked) for word in words
    ]
    if among_others:
        steps += [(place, place, _CHANCE, word) for place in (0, last) for word in _SOUNDS]
    decoder.add_fsg("digits", decoder.create_fsg("digits", 0, last, steps))
    decoder.activate_search("digits")
    # Loudness matters to the model less than clipping does, and silence must not be amplified to noise.
    level = 0.5 / max(float(np.abs(sound).max(initial=0)), 0.02)
    decoder.start_utt()
    decoder.process_raw((sound * level * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    best = decoder.hyp()
    if best is None or best.score <= 0:
        return None
    words = [(part.word.split("(")[0], part.start_frame, part.end_frame) for part in decoder.seg()]
    said = tuple(word for word in words if word[0] in _SOUNDS)
    return _Heard(said, _SCALE * math.log(best.score))


def _chain(said: Sequence[tuple[str, int, int]], asked: Sequence[tuple[str, ...]]) -> list[tuple[int, int]] | None:
    """The asked digits among the words heard, the last time they are there."""
    for at in range(len(said) - len(asked), -1, -1):
        part = said[at : at + len(asked)]
        if all(word in words for (word, _, _), words in zip(part, asked, strict=True)):
            return [(first, last) for _, first, last in part]
    return None


def _spellings(digit: str) -> tuple[str, ...]:
    return ("zero", "oh") if digit == "0" else (_WORDS[int(digit)],)


def _decoder(*, compallsen: bool) -> Any:
    from pocketsphinx import Decoder

    # A new one every time: what was heard before must not change what is heard now.
    decoder = Decoder(
        lm=None,
        dict=None,
        samprate=SAMPLE_RATE,
        loglevel="FATAL",
        beam=_BEAM,
        wbeam=_WORD_BEAM,
        pbeam=_BEAM,
        silprob=_PAUSE_CHANCE,
        compallsen=compallsen,
        # The best path through a lattice of words knows nothing of the grammar's order.
        bestpath=False,
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
