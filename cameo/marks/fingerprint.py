"""A fingerprint of picture and sound, by which a scene is found again when its manifest was stripped.

Picture: the signs of the low frequencies of a still (Zauner, "Implementation and Benchmarking of Perceptual Image Hash
Functions", 2010), 256 bits, of the whole frame and of windows in it, so that a cropped copy is found by the window it
kept. Sound: the signs of how energy differs from band to band and moment to moment (Haitsma and Kalker, "A Highly
Robust Audio Fingerprinting System", 2002), 32 bits each 16 ms.

It tells what looks and sounds the same, not who is in it: no face comes out of 256 signs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save
from scipy.fft import dctn
from scipy.signal import resample_poly, stft

from cameo.marks.signals import SECONDS, pictures_of, sound_of, trimmed

__all__ = ["Fingerprint", "fingerprint_file", "fingerprint_of"]

_STILLS = 4
_EDGE, _LOW = 64, 16
# Windows as shares of the frame, at nine places each, and the whole.
_WINDOWS: Final = (0.9, 0.8, 0.7)
_RATE, _FRAME, _HOP = 8000, 2048, 128
_BANDS: Final = np.geomspace(300, 2800, 34)
# Share of the bits that differ, below which two are the same; see docs/marks.md for how they were chosen.
_SAME_PICTURE, _SAME_SOUND, _OTHER_SOUND = 0.25, 0.33, 0.4
# Moments that must be compared: 1.3 s.
_LEAST_SOUND = 80
_SILENT = 1e-4
_FLAT = 4.0


@dataclass(frozen=True, repr=False)
class Fingerprint:
    """Of one scene.

    Attributes:
        pictures: uint8, shape (K, W, 32): K stills that show something, W windows each, the whole frame first.
        sound: uint8, shape (T, 4); T is 0 where it is silent.
        secret: of its watermarks (``cameo.marks.watermarks``), 32 bytes; empty where it has none, and of a copy.
    """

    pictures: NDArray[np.uint8]
    sound: NDArray[np.uint8]
    secret: bytes = b""

    def to_bytes(self) -> bytes:
        tensors = {"pictures": self.pictures, "sound": self.sound, "secret": np.frombuffer(self.secret, np.uint8)}
        return save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        tensors = load(data)
        secret = tensors.get("secret")  # absent in fingerprints from before there were watermarks
        return cls(tensors["pictures"], tensors["sound"], b"" if secret is None else secret.tobytes())

    def picture_distance(self, asked: Fingerprint) -> float:
        """Share of the bits, 0 to 1, by which the stills of a copy differ from the nearest of these; the median over
        its stills. A mirrored copy counts as one. 1 where either shows nothing."""
        if not len(self.pictures) or not len(asked.pictures):
            return 1.0
        kept = self.pictures.reshape(-1, _LOW * _LOW // 8)
        return min(_median_nearest(kept, asked.pictures[:, n]) for n in range(asked.pictures.shape[1]))

    def sound_distance(self, asked: Fingerprint) -> float | None:
        """Share of the bits by which the sound differs at the offset that fits best; None where either is silent or
        too short."""
        ours, theirs = sorted((self.sound, asked.sound), key=len, reverse=True)
        if len(theirs) < _LEAST_SOUND:
            return None
        shifts = range(len(ours) - len(theirs) + 1)
        apart = [float(np.bitwise_count(ours[at : at + len(theirs)] ^ theirs).sum()) for at in shifts]
        return min(apart) / (32 * len(theirs))

    def matches(self, asked: Fingerprint) -> bool:
        """Whether this is the same scene: its picture is the same and its sound no other's, or its sound is the same,
        whatever was done to the picture."""
        sound = self.sound_distance(asked)
        if sound is not None and sound < _SAME_SOUND:
            return True
        return (sound is None or sound < _OTHER_SOUND) and self.picture_distance(asked) < _SAME_PICTURE


def fingerprint_of(frames: NDArray[np.uint8], sound: NDArray[np.float32], sample_rate: int) -> Fingerprint:
    """Of a scene that was just made.

    Args:
        frames: RGB uint8, (T, H, W, 3).
        sound: float32 in [-1, 1], (N,) or (2, N).
        sample_rate: hertz.
    """
    places = np.linspace(0, len(frames) - 1, min(_STILLS, len(frames))).round().astype(int)
    stills = [_grey(frames[place]) for place in dict.fromkeys(places.tolist())]
    return Fingerprint(_hashes([list(_windows(still)) for still in stills]), _sound(sound, sample_rate))


def fingerprint_file(path: Path) -> Fingerprint | None:
    """Of a file to be asked about: its stills whole and mirrored, black borders off; None where it holds no picture."""
    stills = [_grey(trimmed(picture)) for picture in pictures_of(path)]
    if not stills:
        return None
    return Fingerprint(_hashes([[still, still[:, ::-1]] for still in stills]), _sound(*sound_of(path)))


def _hashes(stills: Sequence[Sequence[NDArray[np.float32]]]) -> NDArray[np.uint8]:
    """Of stills in windows, (K, W, 32); those as good as black or of one colour are left out: their bits are noise."""
    shown = [windows for windows in stills if float(windows[0].std()) >= _FLAT]
    hashes = [[_hash(window) for window in windows] for windows in shown]
    return np.array(hashes, np.uint8).reshape(len(shown), -1 if shown else 1, _LOW * _LOW // 8)


def _median_nearest(kept: NDArray[np.uint8], asked: NDArray[np.uint8]) -> float:
    apart = np.bitwise_count(asked[:, None] ^ kept[None]).sum(-1, dtype=np.int64)
    return float(np.median(apart.min(1))) / (_LOW * _LOW)


def _windows(still: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    yield still
    height, width = still.shape
    for share in _WINDOWS:
        h, w = max(1, round(height * share)), max(1, round(width * share))
        for y in (0, (height - h) // 2, height - h):
            for x in (0, (width - w) // 2, width - w):
                yield still[y : y + h, x : x + w]


def _hash(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    small = cv2.resize(np.ascontiguousarray(grey), (_EDGE, _EDGE), interpolation=cv2.INTER_AREA)
    low = dctn(small, norm="ortho")[:_LOW, :_LOW].ravel()
    # The mean is not asked: brighter is the same picture.
    low[0] = 0.0
    return np.packbits(low > np.median(low[1:]))


def _grey(pixels: NDArray[Any]) -> NDArray[np.float32]:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _sound(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.uint8]:
    mono: NDArray[Any] = np.atleast_2d(sound).mean(0)[: SECONDS * sample_rate]
    if mono.size < sample_rate // 2 or float(np.abs(mono).max()) < _SILENT:
        return np.zeros((0, 4), np.uint8)
    mono = resample_poly(mono, _RATE, sample_rate)
    hertz, _, spectrum = stft(mono, _RATE, nperseg=_FRAME, noverlap=_FRAME - _HOP, padded=False, boundary=None)
    power = np.abs(spectrum) ** 2
    edges = np.searchsorted(hertz, _BANDS)
    energy = np.log(np.stack([power[a:b].sum(0) for a, b in _pairs(edges)]) + 1e-9)
    # From band to band, and that from one moment to the next.
    return np.packbits(np.diff(np.diff(energy, axis=0), axis=1).T > 0, axis=1)


def _pairs(edges: Sequence[int] | NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    for a, b in pairwise(edges):
        yield int(a), max(int(b), int(a) + 1)
