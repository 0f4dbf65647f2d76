"""What every watermark has in common: what it carries, and when two messages are one.

A scene has a secret of 32 bytes, made from a key of the vault and sealed there beside its fingerprint. Each watermark
carries bits of a digest of it, so that no two carry the same and none gives away another. A message that is read is
held against those of all scenes: it names one when so few of its bits differ that chance would do that once in ten
thousand questions.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from enroll.encoders.base import weights_folder

__all__ = [
    "CHANCE",
    "SECRET_BYTES",
    "Mark",
    "PictureMark",
    "SoundMark",
    "bits_of",
    "chance_of",
    "message",
    "sampled",
    "weights_of",
]

SECRET_BYTES: Final = 32
CHANCE: Final = 1e-4
"""How often, at most, a file that carries nothing is taken for one of the scenes."""


class Mark(Protocol):
    """
    Attributes:
        name: what it is called, and what its bits are derived by.
        bits: how many it carries.
    """

    @property
    def name(self) -> str: ...

    @property
    def bits(self) -> int: ...


class PictureMark(Mark, Protocol):
    """A watermark in pictures, RGB uint8 (T, H, W, 3)."""

    @property
    def carrier(self) -> Literal["picture"]: ...

    def embed(self, frames: NDArray[np.uint8], message: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """The same frames with ``message``, (bits,), in them."""
        ...

    def read(self, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """(V, bits): what some frames may say, in each of V ways to look at them. V is 0 where they say nothing."""
        ...


class SoundMark(Mark, Protocol):
    """A watermark in sound, float32 in [-1, 1], (N,) or (C, N)."""

    @property
    def carrier(self) -> Literal["sound"]: ...

    def embed(self, sound: NDArray[np.float32], sample_rate: int, message: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The same sound with ``message``, (bits,), in it."""
        ...

    def read(self, sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.bool_]:
        """As ``PictureMark.read``."""
        ...


def message(secret: bytes, mark: Mark) -> NDArray[np.bool_]:
    """What a watermark carries in the scene with this secret."""
    return bits_of(secret, mark.name, mark.bits)


def bits_of(secret: bytes, name: str, count: int) -> NDArray[np.bool_]:
    """The same, of a watermark that need not be here: its name and how many bits it has say all."""
    digest = sha256(b"cameo/1 watermark " + name.encode() + b" " + secret).digest()
    return np.unpackbits(np.frombuffer(digest, np.uint8))[:count].astype(bool)


def chance_of(said: NDArray[np.bool_], sent: NDArray[np.bool_]) -> float:
    """How likely noise comes as near to ``sent``, (bits,), as ``said`` does, (V, bits); 1 where nothing is said."""
    if not len(said):
        return 1.0
    wrong = int((said != sent).sum(1).min())
    return min(1.0, len(said) * float(binom.cdf(wrong, len(sent), 0.5)))


def weights_of(name: str, *files: str) -> Path | None:
    """The folder of a watermark's weights; None where not all of these files are in it."""
    folder = weights_folder(name)
    return folder if all((folder / file).is_file() for file in files) else None


def sampled(frames: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """Frames at even distances, fewer than twice ``most``, for what all of them say alike."""
    return frames[:: max(1, len(frames) // most)]
