"""Does this mouth make this voice? Mouth opening against voice energy, at small lags and at large ones.

Opening of the mouth and the energy of speech between 500 and 2500 Hz rise and fall together at syllable rate
(Chandrasekaran et al., "The Natural Statistics of Audiovisual Speech", 2009). As in SyncNet's confidence (Chung and
Zisserman, "Out of Time", 2016), what counts is how far the agreement at the true lag stands above that at others; no
model is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE
from enroll.spectra import bins, magnitudes
from enroll.tracking import MOUTH_SHAPE, HeadTrack

__all__ = ["Agreement", "Verdict", "agree", "agreements"]

Verdict = Literal["agrees", "undecided", "disagrees"]

RATE = 25
"""Moments a second at which mouth and voice are compared."""
MIN_SECONDS = 0.8
ENOUGH_SECONDS = 4.0
"""Speech with a visible mouth from which on a bad fit says something."""
AGREES, SOON_AGREES, DISAGREES = 3.0, 4.0, 1.5
"""Scores from which on, after enough seconds and before, a mouth makes a voice, and below which it does not.
By ``benchmarks/voice_and_mouth.py`` on real talkers: of 98 wrong pairs of 9 to 10 s one reached 3.0 and ten reached
1.5, of 7 true ones 6 and all; of 600 wrong pairs of 3 s 1 % reached 4.0, of 25 true ones a third."""
MOVES = 0.2
"""Motion, in pixels of twice the crop a moment, from which on a mouth moves. Talking mouths reach it nine tenths of the
time; resting ones stay near 0.1, photographs below 0.02."""
TALKING, LISTENING, STILL_SECONDS = 0.6, 0.25, 1.5
"""A mouth that makes a voice moves for the first share of its speech at least; one that moves for less than the second,
in so many seconds, does not make it."""
PROFILE = 50.0
"""Yaw in degrees beyond which the mouth is not compared."""
LAGS = 2
"""Moments by which sound and picture may be apart: 0.08 s."""
FAR = 12
"""Lags beyond this say what chance gives."""
SLOW = 13
"""Moments over which what is slow is taken off: half a second, two syllables."""

# The second and third formant, where opening the mouth shows most, and what the teeth make.
_BANDS = ((1000.0, 3000.0), (3000.0, 7000.0))
_FRAME_SECONDS = 0.06
_GAP_FRAMES = 3.0
_MOTION_FRAMES = 11
_FEWEST_SHIFTS = 25
_FFT = 512
# Samples of an envelope from one moment to the next, and lags looked at either way: 30 s.
_MOMENT = 100 // RATE
_REACH = 30 * RATE
_TWICE = (2 * MOUTH_SHAPE[1], 2 * MOUTH_SHAPE[0])


@dataclass(frozen=True)
class Agreement:
    """How well one mouth fits one stretch of sound.

    Attributes:
        score: standard deviations by which the agreement near lag 0 stands above that at far lags; about 0 for a
            stranger's mouth.
        lag: seconds by which the sound comes after the picture where they agree best.
        moving: share of the speech in which the mouth moves, 0 to 1.
        resting: share of the moments without any speech in which it moves; None where there are none.
        seconds: speech during which the mouth could be seen.
        verdict: what follows.
    """

    score: float
    lag: float
    moving: float
    resting: float | None
    seconds: float
    verdict: Verdict


def agree(head: HeadTrack, sound: NDArray[np.float32], spans: Spans) -> Agreement:
    """Compares a mouth with the speech ``spans`` of mono float32 sound at 16 kHz, shape (N,), on the head's clock."""
    return agreements([head], sound, [spans])[0][0]


def agreements(
    heads: Sequence[HeadTrack], sound: NDArray[np.float32], speeches: Sequence[Spans]
) -> tuple[tuple[Agreement, ...], ...]:
    """For each head, for each speech: what ``agree`` says, with everything looked at once."""
    envelopes = _envelopes(sound)
    everything = [span for spans in speeches for span in spans]
    found = []
    for head in heads:
        mouth = _mouth(head)
        silent = ~_inside(mouth.seconds, everything)
        found.append(tuple(_compare(mouth, envelopes, _inside(mouth.seconds, spans), silent) for spans in speeches))
    return tuple(found)


def _compare(
    mouth: _Mouth, envelopes: list[NDArray[np.float64]], said: NDArray[np.bool_], silent: NDArray[np.bool_]
) -> Agreement:
    seen, rest = said & mouth.seen, silent & mouth.seen
    seconds = float(seen.sum()) / RATE
    moving = float(mouth.moves[seen].mean()) if seen.any() else 0.0
    resting = float(mouth.moves[rest].mean()) if rest.any() else None
    if seconds < MIN_SECONDS:
        return Agreement(0.0, 0.0, moving, resting, seconds, "undecided")
    score, lag = _score(mouth, envelopes, seen)
    return Agreement(score, lag, moving, resting, seconds, _verdict(score, seconds, moving))


@dataclass(frozen=True, repr=False)
class _Mouth:
    """A mouth at ``RATE``, each (N,): seconds; whether it was seen; the contrast and the darkness of what is between
    the lips; how fast they part; whether the mouth moves."""

    seconds: NDArray[np.float64]
    seen: NDArray[np.bool_]
    contrast: NDArray[np.float64]
    dark: NDArray[np.float64]
    parting: NDArray[np.float64]
    moves: NDArray[np.bool_]


def _mouth(head: HeadTrack) -> _Mouth:
    if len(head) < 2:
        none = np.zeros(0)
        return _Mouth(none, none.astype(bool), none, none, none, none.astype(bool))
    seconds = np.arange(head.seconds[0], head.seconds[-1] + 1e-6, 1.0 / RATE)
    nearest = _nearest(head.seconds, seconds)
    seen = (np.abs(head.seconds[nearest] - seconds) < _FRAME_SECONDS) & (np.abs(head.poses[nearest, 0]) < PROFILE)
    pixels = head.mouths.astype(np.float64)
    # Teeth make an open mouth bright, the cavity makes it dark; both make it contrast with the skin.
    dark = np.median(pixels, axis=(1, 2)) - np.percentile(pixels[:, 6:18, 8:25], 10, axis=(1, 2))
    parting, motion = _flow(head)
    signals = (pixels.std(axis=(1, 2)), dark, parting, motion)
    contrast, dark, parting, motion = (np.interp(seconds, head.seconds, signal) for signal in signals)
    return _Mouth(seconds, seen, contrast, dark, parting, uniform_filter1d(motion, _MOTION_FRAMES) >= MOVES)


def _flow(head: HeadTrack) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How fast the lower lip leaves the upper one, and how much moves apart from the whole: pixels of twice the crop in
    1/25 s, (N,); by dense optical flow (Farnebäck, 2003)."""
    large = [cv2.resize(mouth, _TWICE, interpolation=cv2.INTER_CUBIC) for mouth in head.mouths]
    parting, motion, nothing = np.zeros(len(large)), np.zeros(len(large)), np.zeros((*_TWICE[::-1], 2), np.float32)
    for i in range(1, len(large)):
        step = (head.seconds[i] - head.seconds[i - 1]) * RATE
        if step <= _GAP_FRAMES:
            flow = cv2.calcOpticalFlowFarneback(large[i - 1], large[i], nothing, 0.5, 2, 9, 2, 5, 1.1, 0) / step
            parting[i] = flow[24:44, 14:50, 1].mean() - flow[4:20, 14:50, 1].mean()
            inner = flow[4:44, 8:56]
            motion[i] = np.abs(inner - inner.mean((0, 1))).mean()
    return parting, motion


def _envelopes(sound: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Log energy in each of ``_BANDS`` at 100 Hz, smoothed over 50 ms."""
    rows = [bins(*band, _FFT) for band in _BANDS]
    pieces = [[(piece[row] ** 2).sum(0) for row in rows] for piece in magnitudes(sound, _FFT, SAMPLE_RATE // 100)]
    bands = [np.concatenate(parts).astype(np.float64) for parts in zip(*pieces, strict=True)]
    return [uniform_filter1d(np.log(band + 1e-8), 5) for band in bands]


def _score(mouth: _Mouth, envelopes: list[NDArray[np.float64]], seen: NDArray[np.bool_]) -> tuple[float, float]:
    """z of the best agreement within ``LAGS`` against that within as many lags elsewhere, and where it is."""
    count = len(envelopes[0]) // _MOMENT
    # From lag 0 up, and round to it from below; in a long clip no farther than _REACH either way.
    lags = np.arange(count) if count <= 2 * _REACH else np.r_[0:_REACH, -_REACH:0]
    fit = np.concatenate([_fit(mouth, envelopes, seen, some) for some in np.array_split(lags, len(lags) // 64 + 1)])
    far = maximum_filter1d(fit, 2 * LAGS + 1, mode="wrap")[FAR:-FAR]
    if len(far) < _FEWEST_SHIFTS:
        return 0.0, 0.0
    near = np.concatenate([fit[-LAGS:], fit[: LAGS + 1]])
    return float((near.max() - far.mean()) / max(far.std(), 1e-3)), float((near.argmax() - LAGS) / RATE)


def _fit(
    mouth: _Mouth, envelopes: list[NDArray[np.float64]], seen: NDArray[np.bool_], lags: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The agreement at each lag, (K,)."""
    at = (np.round(mouth.seconds * _MOMENT * RATE).astype(int) + _MOMENT * lags[:, None]) % len(envelopes[0])
    formants, hiss = (envelope[at] for envelope in envelopes)
    voice = _fast(formants, mouth.seen)
    return np.asarray(
        _correlation(np.gradient(formants, axis=1), mouth.parting, seen)
        + 0.5 * _correlation(np.gradient(hiss, axis=1), mouth.parting, seen)
        + 0.5 * _correlation(voice, _fast(mouth.contrast, mouth.seen), seen)
        + 0.5 * _correlation(voice, _fast(mouth.dark, mouth.seen), seen)
    )


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


def _verdict(score: float, seconds: float, moving: float) -> Verdict:
    enough = seconds >= ENOUGH_SECONDS
    if score >= (AGREES if enough else SOON_AGREES) and moving >= TALKING:
        return "agrees"
    if (enough and score < DISAGREES) or (moving < LISTENING and seconds >= STILL_SECONDS):
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
