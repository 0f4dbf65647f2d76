"""Does this mouth make this voice? Mouth opening against voice energy, at small lags and at large ones.

Opening of the mouth and the energy of speech between 500 and 2500 Hz rise and fall together at syllable rate
(Chandrasekaran et al., "The Natural Statistics of Audiovisual Speech", 2009). As in SyncNet's confidence (Chung and
Zisserman, "Out of Time", 2016), what counts is how far the agreement at the true lag stands above that at others; no
model is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import stft
from scipy.stats import mannwhitneyu

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE
from enroll.tracking import HeadTrack

__all__ = ["Agreement", "Verdict", "agree"]

Verdict = Literal["agrees", "undecided", "disagrees"]

RATE = 25
"""Moments a second at which mouth and voice are compared."""
MIN_SECONDS = 0.8
ENOUGH_SECONDS = 4.0
"""Speech with a visible mouth from which on a bad fit says something."""
AGREES, DISAGREES = 3.0, 1.5
STILL = 0.02
PROFILE = 50.0
LAGS = 3
FAR = 16
SLOW = 13


@dataclass(frozen=True)
class Agreement:
    """How well one mouth fits one stretch of sound.

    Attributes:
        score: standard deviations by which the agreement near lag 0 stands above that at far lags; about 0 for a
            stranger's mouth.
        lag: seconds by which the sound comes after the picture where they agree best.
        moving: how often the mouth moves more in a moment of speech than in one without: 0 to 1, 0.5 by chance or where
            there is nothing to compare.
        seconds: speech during which the mouth could be seen.
        verdict: what follows.
    """

    score: float
    lag: float
    moving: float
    seconds: float
    verdict: Verdict


def agree(head: HeadTrack, sound: NDArray[np.float32], spans: Spans) -> Agreement:
    """Compares a mouth with the speech ``spans`` of mono float32 sound at 16 kHz, shape (N,)."""
    mouth = _mouth(head)
    said = _inside(mouth.seconds, spans)
    seen = said & mouth.seen
    seconds = float(seen.sum()) / RATE
    moving = _moving(mouth, said)
    if seconds < MIN_SECONDS:
        return Agreement(0.0, 0.0, moving, seconds, "undecided")
    score, lag = _score(mouth, _envelope(sound), seen)
    return Agreement(score, lag, moving, seconds, _verdict(score, seconds, mouth.still(said)))


@dataclass(frozen=True, repr=False)
class _Mouth:
    """A mouth at ``RATE``: seconds, whether it was seen, opening, its change, and how much it moved; each (N,)."""

    seconds: NDArray[np.float64]
    seen: NDArray[np.bool_]
    opening: NDArray[np.float64]
    change: NDArray[np.float64]
    motion: NDArray[np.float64]

    def still(self, said: NDArray[np.bool_]) -> bool:
        moved = self.motion[said & self.seen]
        return len(moved) > 0 and float(np.median(moved)) < STILL


def _mouth(head: HeadTrack) -> _Mouth:
    if len(head) < 2:
        none = np.zeros(0)
        return _Mouth(none, none.astype(bool), none, none, none)
    seconds = np.arange(head.seconds[0], head.seconds[-1] + 1e-6, 1.0 / RATE)
    nearest = np.abs(seconds[:, None] - head.seconds[_nearest(head.seconds, seconds)][:, None])[:, 0]
    frontal = np.abs(head.poses[_nearest(head.seconds, seconds), 0]) < PROFILE
    pixels = head.mouths.astype(np.float64)
    # Teeth make an open mouth bright, the cavity makes it dark; both make it contrast with the skin.
    dark = np.median(pixels, axis=(1, 2)) - np.percentile(pixels[:, 6:18, 8:25], 10, axis=(1, 2))
    opening = dark + pixels.std(axis=(1, 2))
    change, motion = _flow(head.mouths)
    step = np.diff(head.seconds, prepend=head.seconds[0] - 1.0 / RATE)
    change, motion = change / np.maximum(step * RATE, 0.5), motion / np.maximum(step * RATE, 0.5)
    change[step > 0.1], motion[step > 0.1] = 0.0, 0.0
    opening, change, motion = (np.interp(seconds, head.seconds, signal) for signal in (opening, change, motion))
    return _Mouth(seconds, (nearest < 0.06) & frontal, opening, change, motion)


def _flow(mouths: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How fast the lower lip leaves the upper one, and how much moves apart from the whole, pixels a frame; (N,)."""
    large = [cv2.resize(mouth, (64, 48), interpolation=cv2.INTER_CUBIC) for mouth in mouths]
    change, motion = np.zeros(len(large)), np.zeros(len(large))
    nothing = np.zeros((48, 64, 2), np.float32)
    for i in range(1, len(large)):
        flow = cv2.calcOpticalFlowFarneback(large[i - 1], large[i], nothing, 0.5, 2, 9, 2, 5, 1.1, 0)
        change[i] = flow[24:44, 14:50, 1].mean() - flow[4:20, 14:50, 1].mean()
        inner = flow[4:44, 8:56]
        motion[i] = np.abs(inner - inner.mean((0, 1))).mean()
    return change, motion


def _envelope(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log energy from 500 to 2500 Hz at 100 Hz, smoothed over 50 ms."""
    frequency, _, spectrum = stft(sound, SAMPLE_RATE, nperseg=512, noverlap=512 - SAMPLE_RATE // 100)
    band = (frequency >= 500) & (frequency < 2500)
    energy = np.log((np.abs(spectrum[band]) ** 2).sum(0) + 1e-8)
    return np.asarray(uniform_filter1d(energy, 5), np.float64)


def _score(mouth: _Mouth, envelope: NDArray[np.float64], seen: NDArray[np.bool_]) -> tuple[float, float]:
    """z of the best agreement within ``LAGS`` against that within as many lags elsewhere, and where it is."""
    n = len(envelope)
    at = np.round(mouth.seconds * 100).astype(int)
    opening, change = _fast(mouth.opening, mouth.seen), mouth.change
    shifts = np.arange(0, n // 4 * 4, 4)
    voice = np.stack([envelope[(at + shift) % n] for shift in shifts])
    level = _correlation(_fast(voice, mouth.seen), opening, seen)
    slope = _correlation(np.gradient(voice, axis=1), change, seen)
    fit = level + slope
    best = maximum_filter1d(fit, 2 * LAGS + 1, mode="wrap")
    far = best[FAR:-FAR:LAGS]
    if len(far) < 6:
        return 0.0, 0.0
    near = np.r_[fit[-LAGS:], fit[: LAGS + 1]]
    return float((near.max() - far.mean()) / max(far.std(), 1e-3)), float((near.argmax() - LAGS) / RATE)


def _fast(signal: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What changes within half a second; unseen moments do not count."""
    weight = uniform_filter1d(seen.astype(np.float64), SLOW, mode="constant")
    slow = uniform_filter1d(signal * seen, SLOW, axis=-1, mode="constant") / np.maximum(weight, 1e-6)
    return np.asarray((signal - slow) * seen, np.float64)


def _correlation(
    voice: NDArray[np.float64], mouth: NDArray[np.float64], seen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    a = voice[:, seen] - voice[:, seen].mean(1, keepdims=True)
    b = mouth[seen] - mouth[seen].mean()
    return np.asarray(a @ b / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b), 1e-9), np.float64)


def _moving(mouth: _Mouth, said: NDArray[np.bool_]) -> float:
    """The Mann-Whitney statistic of motion in speech against motion without."""
    speaks, rests = mouth.motion[mouth.seen & said], mouth.motion[mouth.seen & ~said]
    if len(speaks) < RATE / 2 or len(rests) < RATE / 2:
        return 0.5
    return float(mannwhitneyu(speaks, rests).statistic / (len(speaks) * len(rests)))


def _verdict(score: float, seconds: float, still: bool) -> Verdict:
    if score >= AGREES and not still:
        return "agrees"
    if seconds >= ENOUGH_SECONDS and (still or score < DISAGREES):
        return "disagrees"
    return "undecided"


def _inside(seconds: NDArray[np.float64], spans: Spans) -> NDArray[np.bool_]:
    inside = np.zeros(len(seconds), bool)
    for begin, end in spans:
        inside |= (seconds >= begin / SAMPLE_RATE - 0.1) & (seconds < end / SAMPLE_RATE + 0.1)
    return inside


def _nearest(known: NDArray[np.float64], asked: NDArray[np.float64]) -> NDArray[np.intp]:
    right = np.clip(np.searchsorted(known, asked), 1, len(known) - 1)
    return np.asarray(np.where(asked - known[right - 1] < known[right] - asked, right - 1, right), np.intp)
