"""When each sound of an utterance is spoken, and on which pitch.

Durations follow the rules of Klatt (JASA 1976) in their simplest form: an inherent length, shorter when unstressed or
in a cluster, longer at the end of a phrase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cameo.synth.lexicon import pronounce
from cameo.synth.phonemes import PHONEMES, SILENCE, Phoneme

if TYPE_CHECKING:
    from cameo.synth.voices import Voice

__all__ = ["Phrase", "Sound", "melody", "schedule"]

_LEAD, _TAIL = 0.08, 0.12
"""Seconds of silence before the first sound and after the last."""


@dataclass(frozen=True)
class Sound:
    """A phoneme with its place in time: seconds, and the index of its word (-1 in a pause)."""

    phoneme: Phoneme
    start: float
    end: float
    word: int = -1
    stress: bool = False
    final: bool = False

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Phrase:
    """What is said in one breath, in seconds; a question rises at its end."""

    start: float
    end: float
    question: bool


def schedule(voice: Voice, words: Sequence[str], draw: np.random.Generator) -> tuple[list[Sound], list[Phrase]]:
    """Every sound of the utterance in order, pauses included, without gaps; and its phrases.

    Raises:
        UnknownWord: a word holds nothing that can be read.
    """
    speed = voice.rate * float(np.exp(draw.normal(0, 0.03)))
    sounds = [Sound(PHONEMES[SILENCE], 0.0, _LEAD)]
    phrases: list[Phrase] = []
    opened = _LEAD
    for index, word in enumerate(words):
        mark = word.strip("\"'”’ ")[-1:]
        last = index == len(words) - 1
        closes = last or mark in tuple(",.;:!?")
        spoken = pronounce(word)
        final_from = max((i for i, symbol in enumerate(spoken) if symbol[-1].isdigit()), default=0)
        for i, symbol in enumerate(spoken):
            final = closes and i >= final_from
            seconds = _length(voice, spoken, i, final) / speed * float(np.exp(draw.normal(0, 0.06)))
            start = sounds[-1].end
            phoneme = PHONEMES[symbol.rstrip("01")]
            sounds.append(Sound(phoneme, start, start + seconds, index, symbol.endswith("1"), final))
        if closes:
            end = sounds[-1].end
            phrases.append(Phrase(opened, end, mark == "?"))
            pause = _TAIL if last else float(draw.uniform(0.14, 0.3)) / speed
            opened = end + pause
            sounds.append(Sound(PHONEMES[SILENCE], end, opened))
    return sounds, phrases


def _length(voice: Voice, spoken: Sequence[str], i: int, final: bool) -> float:
    """Seconds at an ordinary rate."""
    phoneme = PHONEMES[spoken[i].rstrip("01")]
    seconds = phoneme.seconds * (1.3 if final else 1.0)
    if phoneme.kind == "vowel":
        return seconds * (0.95 * voice.rhythm**0.3 if spoken[i].endswith("1") else 0.72 / voice.rhythm**0.5)
    clustered = any(0 <= j < len(spoken) and not spoken[j][-1].isdigit() for j in (i - 1, i + 1))
    return seconds * (0.8 if clustered else 1.0)


def melody(
    voice: Voice,
    sounds: Sequence[Sound],
    phrases: Sequence[Phrase],
    time: NDArray[np.float64],
    draw: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pitch in Hz and creak in 0 to 1 at each of ``time``, both shape (T,).

    A declining line with a bump on every stressed syllable and a turn at the end of each phrase. Its geometric mean
    over voiced sounds is the voice's own pitch, an eighth of a semitone more or less by the occasion.
    """
    semitones = np.zeros_like(time)
    creak = np.zeros_like(time)
    for phrase in phrases:
        inside = (time >= phrase.start) & (time < phrase.end + 0.05)
        progress = np.clip((time - phrase.start) / max(phrase.end - phrase.start, 0.3), 0, 1)
        turn = np.clip((time - phrase.end + 0.28) / 0.28, 0, 1) ** 1.5
        target = abs(voice.final) + 3.0 if phrase.question else voice.final
        semitones += inside * (target * turn - voice.declination * (progress - 0.5))
        if draw.uniform() < voice.creak and not phrase.question:
            creak = np.maximum(creak, inside * np.clip((time - phrase.end + 0.2) / 0.08, 0, 1))
    for sound in (s for s in sounds if s.stress):
        peak = sound.start + (voice.accent_lag + draw.normal(0, 0.08)) * sound.seconds
        height = voice.pitch_range * float(np.exp(draw.normal(0, 0.3)))
        semitones += height * np.exp(-0.5 * ((time - peak) / 0.085) ** 2)
    semitones += voice.vibrato * np.sin(2 * np.pi * (voice.vibrato_rate * time + draw.uniform()))
    turns = np.arange(0.0, time[-1] + 0.5, 0.25)
    semitones += np.interp(time, turns, draw.normal(0, 0.35, len(turns)))
    voiced = np.zeros_like(time, dtype=bool)
    for sound in (s for s in sounds if s.phoneme.voicing > 0.4):
        voiced |= (time >= sound.start) & (time < sound.end)
    middle = semitones[voiced].mean() if voiced.any() else 0.0
    return voice.pitch * 2 ** ((semitones - middle + float(draw.normal(0, 0.12))) / 12), creak
