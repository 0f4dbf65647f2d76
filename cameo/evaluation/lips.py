"""Does the mouth open with the voice? Seen on the pixels of the mouth, heard in the loudness of the speech.

A mouth that opens shows what is dark inside it. So of each frame's aligned face the darkest quarter between the corners
of the mouth is taken, less what it is over two thirds of a second around, for heads turn and light changes; and
correlated with the voice's loudness at several lags, as lip-sync is judged since Chung and Zisserman ("Out of Time",
2016): in a scene that is in sync the greatest correlation is at lag zero, give or take a frame. It sees less than
there is: of 60 true renders, whose mouths all open in time, it finds 50 in sync.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cameo.evaluation.faces import faces_in
from enroll.alignment import face_chip
from enroll.clip import SAMPLE_RATE

__all__ = ["LAGS", "correlation", "darkness", "lag", "loudness"]

LAGS: Final = 4
"""Frames that picture and sound are shifted against each other, either way."""

_MOUTH: Final = (slice(None), slice(84, 104), slice(46, 66))
"""Of a chip of 112 px: the middle of the mouth, whose corners lie at (41, 92) and (71, 92), and a little below."""
_DARKEST: Final = 0.25
"""Region and share were chosen on the true renders, before any scene was judged by them."""
_AROUND: Final = 9
_FEWEST: Final = 0.6
_VOICE: Final = (200.0, 3_500.0)
_LUMA: Final = np.array([0.299, 0.587, 0.114])


def darkness(frames: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """How dark the mouth is, beside the frames around; a frame without a face takes it from its neighbours.

    Args:
        frames: RGB uint8, shape (T, H, W, 3).

    Returns:
        Shape (T,), shares of white; None where fewer than six in ten frames show a face.
    """
    looks = {look.index: look for look in faces_in(frames)}
    if len(looks) < _FEWEST * len(frames):
        return None
    at = sorted(looks)
    chips = np.stack([face_chip(looks[i].patch, looks[i].landmarks) for i in at])
    light = (chips @ _LUMA / 255)[_MOUTH].reshape(len(at), -1)
    dark = np.interp(np.arange(len(frames)), at, 1 - np.quantile(light, _DARKEST, axis=1))
    half = _AROUND // 2
    usual = np.convolve(np.pad(dark, half, mode="edge"), np.full(_AROUND, 1 / _AROUND), "valid")
    return dark - usual


def loudness(sound: NDArray[np.float32], count: int, fps: float) -> NDArray[np.float64]:
    """Of the voice while each of ``count`` frames is shown, in nepers: what lies between 200 and 3,500 Hz, (count,).

    Args:
        sound: mono at 16 kHz, shape (N,).
        count: of frames.
        fps: frames a second.
    """
    width = round(SAMPLE_RATE / fps)
    padded = np.pad(sound.astype(np.float64), (0, width))
    starts = (np.arange(count) * SAMPLE_RATE / fps).round().astype(int)
    pieces = np.stack([padded[s : s + width] for s in np.minimum(starts, len(padded) - width)])
    spectrum = np.abs(np.fft.rfft(pieces * np.hanning(width), axis=1)) ** 2
    pitch = np.fft.rfftfreq(width, 1 / SAMPLE_RATE)
    power: NDArray[np.float64] = spectrum[:, (pitch >= _VOICE[0]) & (pitch <= _VOICE[1])].sum(1)
    # What is 40 dB below the loudest is a pause.
    return 0.5 * np.log(power / max(float(power.max()), 1e-12) + 1e-4)


def lag(frames: NDArray[np.uint8], sound: NDArray[np.float32], fps: float) -> int | None:
    """Frames by which the mouth follows the voice, -``LAGS`` to ``LAGS``: where they correlate most. None where no
    mouth moves, or none is seen."""
    mouth = darkness(frames)
    if mouth is None:
        return None
    voice = loudness(sound, len(frames), fps)
    most = min(LAGS, len(frames) // 3)
    found = {shift: correlation(mouth, voice, shift) for shift in range(-most, most + 1)}
    best = max(found, key=lambda shift: found[shift])
    return best if found[best] > 0 else None


def correlation(mouth: NDArray[np.float64], voice: NDArray[np.float64], shift: int) -> float:
    """How much a mouth that follows by ``shift`` frames goes with the voice, -1 to 1; both (T,)."""
    length = len(mouth) - abs(shift)
    a, b = mouth[max(0, shift) :][:length], voice[max(0, -shift) :][:length]
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size > 1e-9 else 0.0
