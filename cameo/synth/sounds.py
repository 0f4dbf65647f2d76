"""The sound of places and of things: quiet beds behind the voices, and short effects.

Everything is noise and tones shaped in the spectrum; nothing is a recording. A bed is quiet (peaks of about 0.05 to
0.1) so that speech stays the loudest thing in a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cameo.errors import UsageError

__all__ = ["AMBIENCES", "ambience", "bounce", "rain", "steps"]

Sound = NDArray[np.float32]
_Array = NDArray[np.float64]


def ambience(setting: str, seconds: float, *, seed: int, sample_rate: int = 16_000) -> Sound:
    """The background of a place, mono float32, shape (round(seconds * sample_rate),), peak 0.05 to 0.1.

    Args:
        setting: a key of ``AMBIENCES``.
        seed: the occasion; the same one gives the same samples.

    Raises:
        UsageError: there is no such setting.
    """
    if setting not in AMBIENCES:
        raise UsageError(f"no background sound for {setting!r}", hint=f"one of: {', '.join(AMBIENCES)}")
    draw = np.random.default_rng([0xA3B1E, seed % 2**63])
    bed = AMBIENCES[setting](_Canvas(seconds, sample_rate, draw))
    peak = float(np.abs(bed).max(initial=0.0))
    return (bed * draw.uniform(0.05, 0.1) / max(peak, 1e-9)).astype(np.float32)


def bounce(hardness: float = 0.5, *, seed: int, sample_rate: int = 16_000) -> Sound:
    """A ball hits something: 0.25 s, peak 0.5. ``hardness`` 0 (sand) to 1 (a board)."""
    canvas = _Canvas(0.25, sample_rate, np.random.default_rng([0xB0, seed % 2**63]))
    pitch = (90 + 160 * hardness) * canvas.draw.uniform(0.9, 1.1)
    thud = np.sin(2 * np.pi * pitch * canvas.time * (1 - 0.15 * canvas.time / 0.25))
    slap = canvas.noise(300, 1200 + 4000 * hardness)
    sound = thud * np.exp(-canvas.time / 0.045) + (0.2 + 0.6 * hardness) * slap * np.exp(-canvas.time / 0.008)
    return _peak(sound * np.minimum(1, canvas.time / 0.001), 0.5)


def steps(
    times: Sequence[float],
    seconds: float,
    *,
    seed: int,
    surface: Literal["hard", "soft"] = "hard",
    sample_rate: int = 16_000,
) -> Sound:
    """Footsteps at ``times`` (seconds), shape (round(seconds * sample_rate),), peak 0.3.

    Args:
        surface: hard is floor or pavement, soft is sand, snow or leaves.
    """
    draw = np.random.default_rng([0x57E9, seed % 2**63])
    out = np.zeros(round(seconds * sample_rate))
    for moment in times:
        step = _Canvas(0.2, sample_rate, draw)
        if surface == "hard":
            heel = step.noise(80, 900) * np.exp(-step.time / 0.012) + 0.4 * step.noise(1500, 5000) * np.exp(
                -step.time / 0.004
            )
        else:
            crunch = np.abs(step.noise(10, 90))
            heel = step.noise(700, 5500) * crunch * np.sin(np.pi * step.time / 0.2) ** 0.7
        first = round(moment * sample_rate)
        if 0 <= first < len(out):
            piece = _peak(heel, 0.3 * draw.uniform(0.75, 1.0))[: len(out) - first]
            out[first : first + len(piece)] += piece
    return out.astype(np.float32)


def rain(seconds: float, *, seed: int, strength: float = 0.5, sample_rate: int = 16_000) -> Sound:
    """Rain, shape (round(seconds * sample_rate),), peak 0.05 to 0.15 by ``strength`` (0 drizzle, 1 downpour)."""
    canvas = _Canvas(seconds, sample_rate, np.random.default_rng([0x4A17, seed % 2**63]))
    drops = canvas.impulses(40 + 260 * strength, canvas.tap(2500, 0.004))
    return _peak(canvas.noise(900, 7000) * (0.5 + strength) + 2.5 * drops, 0.05 + 0.1 * strength)


class _Canvas:
    """Noise, gusts and scattered events of one length and rate, all from one generator."""

    def __init__(self, seconds: float, sample_rate: int, draw: np.random.Generator) -> None:
        self.count = round(seconds * sample_rate)
        self.rate = sample_rate
        self.draw = draw
        self.time: _Array = np.arange(self.count) / sample_rate

    def noise(self, low: float, high: float, slope: float = 0.0) -> _Array:
        """Gaussian noise between two frequencies (soft edges), ``slope`` dB per octave, RMS 1."""
        size = scipy.fft.next_fast_len(max(self.count, 16), real=True)
        frequencies = np.arange(size // 2 + 1) * self.rate / size
        gain = 1 / np.sqrt(1 + (low / np.maximum(frequencies, 1e-3)) ** 4) / np.sqrt(1 + (frequencies / high) ** 4)
        gain *= np.maximum(frequencies / 1000, 1e-3) ** (slope / 6.02)
        wave = scipy.fft.irfft(scipy.fft.rfft(self.draw.standard_normal(size)) * gain, size)
        return wave[: self.count] / max(float(np.sqrt(np.mean(wave**2))), 1e-9)

    def swell(self, period: float, depth: float) -> _Array:
        """A slow random rise and fall around 1, never negative: a knot every ``period`` seconds."""
        knots = np.arange(0.0, self.count / self.rate + 2 * period, period)
        values = 1 + depth * self.draw.uniform(-1, 1, len(knots))
        smooth = (1 - np.cos(np.pi * ((self.time / period) % 1))) / 2
        index = (self.time / period).astype(int)
        return values[index] * (1 - smooth) + values[index + 1] * smooth

    def hum(self, base: float, strengths: Sequence[float]) -> _Array:
        """A tone and its harmonics."""
        phase = 2 * np.pi * (base * self.time + self.draw.uniform())
        return np.sum([s * np.sin((i + 1) * phase) for i, s in enumerate(strengths)], axis=0)

    def tap(self, pitch: float, decay: float) -> _Array:
        """One short click with a pitch."""
        time = np.arange(round(6 * decay * self.rate)) / self.rate
        return np.sin(2 * np.pi * pitch * time) * np.exp(-time / decay)

    def impulses(self, per_second: float, shape: _Array) -> _Array:
        """Copies of ``shape`` at random moments and of random strength."""
        train = np.zeros(self.count)
        hits = self.draw.poisson(per_second * self.count / self.rate)
        np.add.at(train, self.draw.integers(0, max(self.count, 1), hits), self.draw.uniform(0.1, 1.0, hits) ** 2)
        return np.convolve(train, shape)[: self.count]

    def sweeps(self, per_second: float, low: float, high: float, length: float) -> _Array:
        """Chirps between two frequencies, as birds make them."""
        out = np.zeros(self.count)
        for _ in range(max(1, self.draw.poisson(per_second * self.count / self.rate))):
            size = round(length * self.draw.uniform(0.5, 1.3) * self.rate)
            first = int(self.draw.integers(0, max(1, self.count - size)))
            share = np.linspace(0, 1, size)
            trill = 1 + 0.06 * np.sin(2 * np.pi * self.draw.uniform(12, 35) * share * length)
            pitch = np.interp(share, [0, 0.5, 1], self.draw.uniform(low, high, 3)) * trill
            call = np.sin(2 * np.pi * np.cumsum(pitch) / self.rate) * np.sin(np.pi * share) ** 2
            piece = call[: self.count - first]
            out[first : first + len(piece)] += piece * self.draw.uniform(0.3, 1.0)
        return out


def _indoor(c: _Canvas) -> _Array:
    return c.noise(40, 400, -6) + 0.5 * c.hum(50, (1.0, 0.6, 0.2)) + 0.15 * c.noise(500, 4000)


def _street(c: _Canvas) -> _Array:
    passing = c.swell(1.3, 0.8) ** 2
    return c.noise(60, 500, -3) + 0.7 * passing * c.noise(200, 1800) + 0.1 * c.noise(1000, 6000)


def _beach(c: _Canvas) -> _Array:
    wave = c.swell(1.7, 0.9) ** 2
    return wave * c.noise(250, 3500, -2) + 0.25 * wave**2 * c.noise(2500, 7500) + 0.2 * c.noise(60, 400)


def _forest(c: _Canvas) -> _Array:
    leaves = c.swell(0.9, 0.7) * c.noise(800, 5500, -3)
    return 0.5 * leaves + 1.4 * c.sweeps(1.5, 2200, 5200, 0.22) + 0.2 * c.noise(80, 500)


def _snow(c: _Canvas) -> _Array:
    gust = c.swell(1.1, 0.8)
    return gust * c.noise(150, 700, -3) + 0.35 * gust**2 * c.noise(500, 1100)


def _night_city(c: _Canvas) -> _Array:
    siren = np.sin(2 * np.pi * np.cumsum(650 + 220 * np.sin(2 * np.pi * 0.4 * c.time + c.draw.uniform(0, 6))) / c.rate)
    far = siren * c.swell(2.0, 0.8) * float(c.draw.uniform() < 0.6)
    return (
        c.noise(40, 300, -3)
        + 0.35 * c.hum(100, (1.0, 0.5, 0.3))
        + 0.3 * far
        + 0.15 * c.swell(1.5, 0.8) * c.noise(300, 2000)
    )


AMBIENCES: dict[str, Callable[[_Canvas], _Array]] = {
    "indoor": _indoor,
    "street": _street,
    "beach": _beach,
    "forest": _forest,
    "snow": _snow,
    "night_city": _night_city,
}
"""How each setting sounds, by the names of ``settings.SETTINGS``."""


def _peak(sound: _Array, level: float) -> Sound:
    return (sound * (level / max(float(np.abs(sound).max(initial=0.0)), 1e-9))).astype(np.float32)
