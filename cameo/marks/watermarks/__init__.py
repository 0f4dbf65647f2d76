"""Watermarks: what is in picture and sound themselves, and is there when the file's manifest is not.

``chroma`` is always there; ``audioseal``, ``videoseal`` and ``trustmark`` are when they are installed, and so is what
another package offers under the entry point ``cameo.watermarks``: something to call that returns a ``PictureMark``, a
``SoundMark``, or None where it cannot serve. ``CAMEO_WATERMARK`` names those to use, separated by commas; ``off`` is
none.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import combine_pvalues

from cameo.errors import UsageError
from cameo.marks.signals import pictures_of, sound_of, trimmed
from cameo.marks.watermarks.base import CHANCE, SECRET_BYTES, PictureMark, SoundMark, bits_of, chance_of, message

__all__ = [
    "CHANCE",
    "SECRET_BYTES",
    "PictureMark",
    "Said",
    "SoundMark",
    "chance_that",
    "embed",
    "installed",
    "read",
    "used",
]

Said = dict[str, NDArray[np.bool_]]
"""What a file says, by watermark: (V, bits) each, see ``PictureMark.read``."""

_GROUP: Final = "cameo.watermarks"
_OFF: Final = frozenset({"off", "no", "0", "false"})


def installed() -> tuple[PictureMark | SoundMark, ...]:
    """Every watermark that can be made here, whether it is wished for or not."""
    from cameo.marks.watermarks.audioseal import AudioSealMark
    from cameo.marks.watermarks.chroma import ChromaMark
    from cameo.marks.watermarks.trust_mark import TrustMarkMark
    from cameo.marks.watermarks.video_seal import VideoSealMark

    others = [entry.load()() for entry in entry_points(group=_GROUP)]
    found = [ChromaMark(), VideoSealMark.find(), TrustMarkMark.find(), AudioSealMark.find(), *others]
    return tuple(mark for mark in found if mark is not None)


def used() -> tuple[PictureMark | SoundMark, ...]:
    """Those that go into the scenes of this home.

    Raises:
        UsageError: ``CAMEO_WATERMARK`` names one that is not here.
    """
    wish = os.environ.get("CAMEO_WATERMARK", "").strip().lower()
    if wish in _OFF:
        return ()
    here = {mark.name: mark for mark in installed()}
    if not wish:
        return tuple(here.values())
    names = [name.strip() for name in wish.split(",") if name.strip()]
    if missing := [name for name in names if name not in here]:
        raise UsageError(
            f"CAMEO_WATERMARK asks for {', '.join(missing)}, which is not here", hint=f"here are: {', '.join(here)}"
        )
    return tuple(here[name] for name in names)


def embed(
    frames: NDArray[np.uint8], sound: NDArray[np.float32], sample_rate: int, secret: bytes
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Frames and sound of a scene with every watermark that is used.

    Args:
        frames: RGB uint8 (T, H, W, 3).
        sound: float32 in [-1, 1], (N,) or (C, N).
        sample_rate: hertz.
        secret: the scene's, ``SECRET_BYTES``.
    """
    for mark in used():
        if mark.carrier == "picture":
            frames = mark.embed(frames, message(secret, mark))
        else:
            sound = mark.embed(sound, sample_rate, message(secret, mark))
    return frames, sound


def read(path: Path) -> Said:
    """What the watermarks say of a file."""
    frames, (sound, rate) = [trimmed(frame) for frame in pictures_of(path)], sound_of(path)
    return {
        mark.name: mark.read(_alike(frames)) if mark.carrier == "picture" else mark.read(sound, rate)
        for mark in installed()
    }


def chance_that(said: Said, secret: bytes) -> float:
    """How likely a file that has nothing to do with the scene says what this one does."""
    # Asked of every scene there is: nothing is looked for on the machine.
    alone = [chance_of(read_, bits_of(secret, name, read_.shape[1])) for name, read_ in said.items() if len(read_)]
    # Fisher's method: of several that say something, all are heard.
    return float(combine_pvalues(alone).pvalue) if alone else 1.0


def _alike(frames: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """All of the first one's size."""
    if not frames:
        return np.zeros((0, 0, 0, 3), np.uint8)
    size = frames[0].shape[1::-1]
    return np.stack([frame if frame.shape[1::-1] == size else cv2.resize(frame, size) for frame in frames])
