"""What throat, tract and lips do during an utterance, as tracks over time.

Formants run between targets; around consonants the targets come from the place of the narrowing and the vowel next to
it (locus equations), which is most of what makes a consonant heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cameo.synth.phonemes import LOCI, PHONEMES, Formants, Noise, Phoneme
from cameo.synth.prosody import Sound, melody, schedule

if TYPE_CHECKING:
    from cameo.synth.voices import Voice

__all__ = ["FRAME", "Burst", "Phone", "Tracks", "articulate"]

FRAME = 0.005
"""Seconds between two states of the tract."""


@dataclass(frozen=True)
class Phone:
    """One sound as it was spoken.

    Attributes:
        symbol: ARPAbet without stress; ``SIL`` for a pause.
        start: seconds.
        end: seconds.
        word_index: of the words given to ``speak``; -1 for a pause.
        mouth: opening of the mouth, 0 closed to 1 wide.
        round: rounding of the lips, 0 spread to 1 pursed.
        emphasis: how fully it is articulated, up to 1.
    """

    symbol: str
    start: float
    end: float
    word_index: int
    mouth: float
    round: float
    emphasis: float = 1.0


@dataclass(frozen=True)
class Burst:
    """Turbulence from ``start`` to ``end`` seconds at ``centre`` Hz, rising and falling within ``attack`` and
    ``decay`` seconds."""

    noise: Noise
    start: float
    end: float
    attack: float
    decay: float
    centre: float


@dataclass(frozen=True)
class Tracks:
    """The states of throat and tract, one every ``FRAME`` seconds; T of them.

    Attributes:
        formants: F1 to F3 in Hz, shape (T, 3), already the voice's own.
        pitch: Hz, shape (T,).
        creak: how far the voice breaks into creak, shape (T,), 0 to 1.
        voicing: amplitude of the glottal pulses, shape (T,); 1 in a stressed vowel.
        breath: amplitude of aspiration, shape (T,).
        nasal: how far the nose is open, shape (T,), 0 to 1.
        damping: factor of the formants' bandwidths, shape (T,).
        bursts: turbulence at the narrowings.
    """

    formants: NDArray[np.float64]
    pitch: NDArray[np.float64]
    creak: NDArray[np.float64]
    voicing: NDArray[np.float64]
    breath: NDArray[np.float64]
    nasal: NDArray[np.float64]
    damping: NDArray[np.float64]
    bursts: tuple[Burst, ...]


def articulate(voice: Voice, words: Sequence[str], draw: np.random.Generator) -> tuple[Tracks, tuple[Phone, ...]]:
    """Plan an utterance: the tracks of the tract, and the sounds with their times.

    Raises:
        UnknownWord: a word holds nothing that can be read.
    """
    sounds, phrases = schedule(voice, words, draw)
    time: NDArray[np.float64] = (np.arange(int(np.ceil(sounds[-1].end / FRAME)), dtype=np.float64) + 0.5) * FRAME
    pitch, creak = melody(voice, sounds, phrases, time, draw)
    tracks = Tracks(
        formants=_formants(voice, sounds, time),
        pitch=pitch,
        creak=creak,
        voicing=_track(time, [knot for i in range(len(sounds)) for knot in _voicing(sounds, i)]),
        breath=_track(time, [knot for i in range(len(sounds)) for knot in _breath(sounds, i)]),
        nasal=np.maximum(_track(time, _steps(sounds, ("nasal",), 0.0, 1.0)), 0.35 * voice.nasality),
        damping=_track(time, _steps(sounds, ("nasal", "aspirate"), 1.0, 2.0)),
        bursts=tuple(_burst(voice, sounds, i, s.phoneme.noise) for i, s in enumerate(sounds) if s.phoneme.noise),
    )
    return tracks, tuple(_phone(sound) for sound in sounds)


def _phone(sound: Sound) -> Phone:
    phoneme = sound.phoneme
    emphasis = 1.0 if sound.stress or phoneme.kind != "vowel" else 0.75
    opening, rounding = float(np.mean(phoneme.mouth)) * emphasis, float(np.mean(phoneme.round))
    return Phone(phoneme.symbol, sound.start, sound.end, sound.word, opening, rounding, emphasis)


def _formants(voice: Voice, sounds: Sequence[Sound], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 to F3 at each time, shape (T, 3), Hz."""
    knots: list[tuple[float, Formants]] = []
    for i, sound in enumerate(sounds):
        phoneme, length = sound.phoneme, sound.seconds
        if phoneme.kind in ("vowel", "glide"):
            start, end = _own(voice, phoneme, phoneme.start), _own(voice, phoneme, phoneme.end)
            edge = min(0.055, 0.35 * length)
            if phoneme.start == phoneme.end:
                knots += [(sound.start + edge, start), (sound.end - edge, end)]
            else:
                knots += [(sound.start + edge, start), (sound.start + 0.4 * length, start)]
                knots += [(sound.end - 0.15 * length, end)]
            continue
        before, after = _neighbour(voice, sounds, i, -1), _neighbour(voice, sounds, i, +1)
        if phoneme.place:
            knots += [(sound.start + 0.01, _locus(phoneme, before)), (sound.end - 0.008, _locus(phoneme, after))]
        else:
            knots += [(sound.start + 0.2 * length, after), (sound.end, after)]
    at = [knot[0] for knot in knots]
    targets = np.array([knot[1] for knot in knots]) * (voice.tract * np.array(voice.formants[:3]))
    # Articulators have mass: no formant turns a corner.
    kernel = np.hanning(9)[1:-1] / np.hanning(9).sum()
    tracks = [np.pad(np.interp(time, at, targets[:, j]), 3, mode="edge") for j in range(3)]
    f1, f2, f3 = (np.convolve(track, kernel, mode="valid") for track in tracks)
    f2 = np.maximum(f2, f1 + 150)
    return np.stack([f1, f2, np.maximum(f3, f2 + 200)], axis=1)


def _own(voice: Voice, phoneme: Phoneme, target: Formants) -> Formants:
    """A vowel as this speaker says it: its class bent, and drawn towards the middle by a lazy tongue."""
    f1, f2, f3 = target
    bend = voice.open if f1 > 560 else voice.front if f2 > 1500 else voice.back
    f1, f2 = f1 * bend[0], f2 * bend[1]
    if phoneme.kind == "vowel":
        f1, f2 = 490 * (f1 / 490) ** voice.clarity, 1420 * (f2 / 1420) ** voice.clarity
    return f1, f2, f3


def _neighbour(voice: Voice, sounds: Sequence[Sound], i: int, step: int) -> Formants:
    """Where the nearest vowel or glide begins (``step`` 1) or ends (-1); failing that, one on the other side."""
    for direction in (step, -step):
        j = i + direction
        while 0 <= j < len(sounds) and sounds[j].phoneme.kind != "pause":
            phoneme = sounds[j].phoneme
            if phoneme.kind in ("vowel", "glide"):
                return _own(voice, phoneme, phoneme.start if direction > 0 else phoneme.end)
            j += direction
    return PHONEMES["AX"].start


def _locus(phoneme: Phoneme, vowel: Formants) -> Formants:
    locus = LOCI[phoneme.place]
    f1 = 280.0 if phoneme.kind == "nasal" else locus.f1
    f2 = locus.slope * vowel[1] + locus.intercept
    f3 = (locus.f3 + vowel[2]) / 2
    # The velar pinch: F2 and F3 meet at the closure.
    return (f1, f2, max(f2 + 250, f3 - 150)) if phoneme.place == "velar" else (f1, f2, f3)


_Knots = list[tuple[float, float]]


def _track(time: NDArray[np.float64], knots: _Knots) -> NDArray[np.float64]:
    at, values = zip(*sorted([(0.0, knots[0][1] if knots else 0.0), *knots]), strict=True)
    return np.interp(time, at, values)


def _steps(sounds: Sequence[Sound], kinds: tuple[str, ...], rest: float, level: float) -> _Knots:
    """``level`` during sounds of these kinds, ``rest`` otherwise."""
    values = [(sound, level if sound.phoneme.kind in kinds else rest) for sound in sounds]
    return [knot for sound, value in values for knot in ((sound.start + 0.008, value), (sound.end - 0.008, value))]


def _voicing(sounds: Sequence[Sound], i: int) -> _Knots:
    """How strongly the folds sound. A phrase dies away, and does not begin with a blow."""
    sound, length = sounds[i], sounds[i].seconds
    if sound.phoneme.kind == "pause":
        return [(sound.start, 0.0), (sound.end, 0.0)]
    level = sound.phoneme.voicing
    if sound.phoneme.kind == "vowel":
        level *= (1.0 if sound.stress else 0.72) * (0.85 if sound.final else 1.0)
    ramp = min(0.012, 0.25 * length)
    onset = min(0.03, 0.4 * length) if sounds[i - 1].phoneme.kind == "pause" else ramp
    fade = 0.6 * length if sounds[i + 1].phoneme.kind == "pause" else ramp
    return [(sound.start + onset, level), (sound.end - fade, level)]


def _breath(sounds: Sequence[Sound], i: int) -> _Knots:
    """Aspiration of h, and after a voiceless plosive."""
    sound = sounds[i]
    if sound.phoneme.kind == "aspirate":
        return _plateau(sound.start - 0.01, sound.start + 0.012, sound.end - 0.012, sound.end + 0.02, 0.2)
    if sound.phoneme.kind == "stop" and sound.phoneme.voicing == 0:
        release = _release(sounds, i)
        level = 0.16 if _opens_syllable(sounds, i) else 0.04
        return _plateau(release, release + 0.008, max(sound.end - 0.01, release + 0.012), sound.end + 0.015, level)
    return []


def _plateau(start: float, full: float, fading: float, end: float, level: float) -> _Knots:
    return [(start, 0.0), (full, level), (fading, level), (end, 0.0)]


def _burst(voice: Voice, sounds: Sequence[Sound], i: int, noise: Noise) -> Burst:
    sound = sounds[i]
    centre = noise.centre
    if sound.phoneme.symbol in ("K", "G"):
        # The tongue meets the palate where the next vowel wants it.
        centre = float(np.clip(1.15 * _neighbour(voice, sounds, i, +1)[1] + 150, 1100, 3000))
    # The cavity before the teeth varies less from head to head than the tract does.
    centre = min(centre * voice.tract**0.5 * voice.sibilance, 7200.0)
    if sound.phoneme.kind == "fricative":
        return Burst(noise, sound.start - 0.01, sound.end + 0.01, 0.035, 0.03, centre)
    if sound.phoneme.kind == "affricate":
        return Burst(noise, sound.start + 0.42 * sound.seconds, sound.end + 0.005, 0.004, 0.03, centre)
    release = _release(sounds, i)
    weak = replace(noise, level=0.35 * noise.level)
    return Burst(noise if _opens_syllable(sounds, i) else weak, release - 0.003, release + 0.016, 0.0015, 0.012, centre)


def _release(sounds: Sequence[Sound], i: int) -> float:
    """When a plosive's closure opens, seconds."""
    sound = sounds[i]
    aspiration = sound.phoneme.aspiration * (1.0 if _opens_syllable(sounds, i) else 0.4)
    return max(sound.end - aspiration, sound.start + 0.45 * sound.seconds)


def _opens_syllable(sounds: Sequence[Sound], i: int) -> bool:
    """Plosives are released with a puff before a vowel of their own word, weakly at its end and after s."""
    word, after = sounds[i].word, sounds[i + 1]
    after_s = sounds[i - 1].phoneme.symbol == "S" and sounds[i - 1].word == word
    return after.word == word and after.phoneme.kind in ("vowel", "glide") and not after_s
