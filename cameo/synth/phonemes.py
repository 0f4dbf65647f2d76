"""The sounds of English as a made-up mouth makes them: formant targets, noise, lips.

Formants are those of an adult male tract of 17.5 cm (after Klatt, JASA 1980, and Hillenbrand et al., JASA 1995); a
voice scales and bends them. Symbols are ARPAbet. The articulators' part is coarse on purpose: how far the jaw opens
and how round the lips are is all that a face of a hundred pixels can show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LOCI", "PHONEMES", "SILENCE", "Formants", "Kind", "Locus", "Noise", "Phoneme"]

Formants = tuple[float, float, float]
Kind = Literal["vowel", "glide", "nasal", "fricative", "stop", "affricate", "aspirate", "pause"]

SILENCE = "SIL"


@dataclass(frozen=True)
class Noise:
    """A band of turbulence: where it peaks, how wide it is and how loud against a stressed vowel.

    Attributes:
        centre: Hz, for a tract of 17.5 cm.
        width: Hz, standard deviation of the band below its centre; above it the band is ``skew`` times as wide.
        level: RMS relative to a stressed vowel.
        skew: see ``width``.
    """

    centre: float
    width: float
    level: float
    skew: float = 2.0


@dataclass(frozen=True)
class Phoneme:
    """One sound: what it needs from throat, tract and lips.

    Attributes:
        symbol: ARPAbet, without stress.
        kind: how it is made.
        seconds: its length when stressed, at an ordinary rate.
        start: F1 to F3 in Hz at its beginning; for a consonant with a place these come from the place's locus.
        end: F1 to F3 at its end; differs from ``start`` in diphthongs.
        mouth: jaw opening at its start and end, 0 closed to 1 wide.
        round: lip rounding at its start and end, 0 spread to 1 pursed.
        voicing: how strongly the vocal folds sound, 0 to 1.
        place: where the tract is narrowed; a key of ``LOCI``, or "" for none.
        noise: turbulence of a fricative or of a plosive's release.
        aspiration: seconds of breath after a plosive's release.
    """

    symbol: str
    kind: Kind
    seconds: float
    start: Formants
    end: Formants
    mouth: tuple[float, float]
    round: tuple[float, float]
    voicing: float = 1.0
    place: str = ""
    noise: Noise | None = None
    aspiration: float = 0.0


@dataclass(frozen=True)
class Locus:
    """Where the formants of a vowel seem to come from when a consonant of this place precedes it.

    F2 at the consonant is ``slope * F2(vowel) + intercept`` (locus equations: Sussman et al., JASA 1991), F3 is
    midway between ``f3`` and the vowel's.
    """

    f1: float
    slope: float
    intercept: float
    f3: float


LOCI = {
    "labial": Locus(220, 0.78, 120, 2150),
    "dental": Locus(250, 0.50, 680, 2500),
    "alveolar": Locus(230, 0.42, 1020, 2680),
    "palatal": Locus(260, 0.40, 1180, 2450),
    "velar": Locus(220, 0.95, 270, 2150),
}

_NEUTRAL: Formants = (500.0, 1450.0, 2500.0)


def _vowel(
    symbol: str,
    ms: float,
    start: Formants,
    end: Formants | None = None,
    *,
    mouth: tuple[float, float],
    rounding: tuple[float, float] = (0.1, 0.1),
) -> Phoneme:
    return Phoneme(symbol, "vowel", ms / 1000, start, end or start, mouth, rounding)


def _glide(symbol: str, ms: float, target: Formants, *, mouth: float, rounding: float) -> Phoneme:
    return Phoneme(symbol, "glide", ms / 1000, target, target, (mouth, mouth), (rounding, rounding), voicing=0.75)


def _consonant(
    symbol: str,
    kind: Kind,
    ms: float,
    place: str,
    *,
    voicing: float,
    noise: Noise | None = None,
    mouth: float = 0.15,
    rounding: float = 0.1,
    aspiration_ms: float = 0.0,
) -> Phoneme:
    return Phoneme(
        symbol,
        kind,
        ms / 1000,
        _NEUTRAL,
        _NEUTRAL,
        (mouth, mouth),
        (rounding, rounding),
        voicing=voicing,
        place=place,
        noise=noise,
        aspiration=aspiration_ms / 1000,
    )


_S = Noise(5900, 1200, 0.38, 2.0)
_SH = Noise(3000, 600, 0.42, 3.2)
_F = Noise(6500, 4000, 0.055)
_TH = Noise(6800, 3200, 0.045)

_ALL = (
    _vowel("IY", 155, (285, 2220, 2950), mouth=(0.3, 0.25), rounding=(0, 0)),
    _vowel("IH", 130, (410, 1940, 2560), mouth=(0.4, 0.4), rounding=(0, 0)),
    _vowel("EY", 185, (500, 1800, 2520), (320, 2180, 2800), mouth=(0.5, 0.3), rounding=(0, 0)),
    _vowel("EH", 145, (570, 1740, 2500), mouth=(0.6, 0.6), rounding=(0, 0)),
    _vowel("AE", 190, (680, 1680, 2430), mouth=(0.85, 0.8), rounding=(0, 0)),
    _vowel("AA", 200, (730, 1160, 2500), mouth=(1.0, 0.95)),
    _vowel("AO", 200, (580, 870, 2450), mouth=(0.8, 0.75), rounding=(0.5, 0.5)),
    _vowel("AH", 135, (620, 1220, 2500), mouth=(0.6, 0.6)),
    _vowel("AX", 75, (500, 1400, 2480), mouth=(0.4, 0.4)),
    _vowel("OW", 195, (540, 1060, 2350), (380, 820, 2300), mouth=(0.6, 0.35), rounding=(0.6, 0.9)),
    _vowel("UH", 130, (440, 1080, 2300), mouth=(0.35, 0.35), rounding=(0.6, 0.6)),
    _vowel("UW", 165, (320, 1400, 2250), (300, 1000, 2230), mouth=(0.25, 0.2), rounding=(0.9, 1.0)),
    _vowel("ER", 180, (470, 1290, 1620), mouth=(0.4, 0.4), rounding=(0.4, 0.4)),
    _vowel("AY", 215, (740, 1220, 2500), (370, 2020, 2620), mouth=(0.95, 0.4), rounding=(0.05, 0)),
    _vowel("AW", 225, (730, 1300, 2480), (420, 900, 2350), mouth=(0.95, 0.4), rounding=(0.1, 0.8)),
    _vowel("OY", 240, (550, 900, 2400), (360, 1900, 2500), mouth=(0.65, 0.35), rounding=(0.8, 0.1)),
    _glide("W", 80, (300, 660, 2200), mouth=0.15, rounding=1.0),
    _glide("Y", 75, (265, 2180, 2980), mouth=0.2, rounding=0.0),
    _glide("R", 85, (330, 1100, 1450), mouth=0.25, rounding=0.6),
    _glide("L", 80, (350, 1000, 2750), mouth=0.35, rounding=0.05),
    _consonant("M", "nasal", 85, "labial", voicing=0.5, mouth=0.0),
    _consonant("N", "nasal", 80, "alveolar", voicing=0.5),
    _consonant("NG", "nasal", 95, "velar", voicing=0.5, mouth=0.25),
    _consonant("F", "fricative", 115, "labial", voicing=0, noise=_F, mouth=0.08),
    _consonant("V", "fricative", 75, "labial", voicing=0.4, noise=Noise(6500, 4000, 0.02), mouth=0.08),
    _consonant("TH", "fricative", 105, "dental", voicing=0, noise=_TH, mouth=0.2),
    _consonant("DH", "fricative", 55, "dental", voicing=0.45, noise=Noise(6800, 3200, 0.015), mouth=0.2),
    _consonant("S", "fricative", 125, "alveolar", voicing=0, noise=_S),
    _consonant("Z", "fricative", 90, "alveolar", voicing=0.3, noise=Noise(5900, 1200, 0.2, 2.0)),
    _consonant("SH", "fricative", 130, "palatal", voicing=0, noise=_SH, rounding=0.6),
    _consonant("ZH", "fricative", 85, "palatal", voicing=0.3, noise=Noise(3000, 600, 0.2, 3.2), rounding=0.6),
    _consonant("HH", "aspirate", 70, "", voicing=0.12, mouth=0.4),
    _consonant("P", "stop", 95, "labial", voicing=0, noise=Noise(900, 700, 0.16, 3), mouth=0.0, aspiration_ms=40),
    _consonant("B", "stop", 80, "labial", voicing=0.22, noise=Noise(800, 600, 0.1, 3), mouth=0.0, aspiration_ms=4),
    _consonant("T", "stop", 85, "alveolar", voicing=0, noise=Noise(5200, 1500, 0.32), aspiration_ms=45),
    _consonant("D", "stop", 70, "alveolar", voicing=0.22, noise=Noise(4800, 1500, 0.16), aspiration_ms=6),
    _consonant("K", "stop", 90, "velar", voicing=0, noise=Noise(1900, 450, 0.28, 2), mouth=0.25, aspiration_ms=50),
    _consonant("G", "stop", 75, "velar", voicing=0.22, noise=Noise(1800, 450, 0.15, 2), mouth=0.25, aspiration_ms=12),
    _consonant("CH", "affricate", 135, "palatal", voicing=0, noise=_SH, rounding=0.6),
    _consonant("JH", "affricate", 105, "palatal", voicing=0.2, noise=Noise(3000, 600, 0.24, 3.2), rounding=0.6),
    Phoneme(SILENCE, "pause", 0.12, _NEUTRAL, _NEUTRAL, (0.0, 0.0), (0.0, 0.0), voicing=0.0),
)

PHONEMES: dict[str, Phoneme] = {phoneme.symbol: phoneme for phoneme in _ALL}
"""By ARPAbet symbol."""
