"""Scenes cut from a clip: pictures of the size and rate that are learned from, with their sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from enroll.clip import SAMPLE_RATE, Clip
from enroll.errors import BadInput, ClipTooShort

__all__ = ["MARGIN", "Framing", "Scene", "scenes_of"]

_SLOWER = 0.9
"""A clip may have this share of the pictures a second that are asked for; below, they would stutter."""
MARGIN = 0.25
"""Seconds of sound beyond the last picture: what encodes it looks a little ahead."""


@dataclass(frozen=True, repr=False)
class Scene:
    """Part of a clip.

    Attributes:
        pictures: RGB uint8, shape (T, H, W, 3).
        sound: mono float32 in [-1, 1] at 16 kHz, a little longer than the pictures; None where there is none.
    """

    pictures: NDArray[np.uint8]
    sound: NDArray[np.float32] | None


class Framing(Protocol):
    """Of scenes: pixels; ``frames`` in one, ``fps`` of them in a second; how many ``windows`` of a clip at most."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def fps(self) -> float: ...
    @property
    def windows(self) -> int: ...


def scenes_of(clip: Clip, framing: Framing, centre: tuple[float, float]) -> Iterator[Scene]:
    """The first ``framing.windows`` scenes of a clip, one after the other.

    Args:
        clip: whose.
        framing: their size, length and rate.
        centre: what stays in the picture where it is cut, in shares of the clip's width and height.

    Raises:
        ClipTooShort: it is shorter than one scene.
        BadInput: it has fewer pictures a second than are asked for.
        ClipUnreadable: see ``Clip.frames``.
    """
    if clip.fps < _SLOWER * framing.fps:
        raise BadInput(
            f"it has {clip.fps:.3g} pictures a second, {framing.fps:.3g} are learned from",
            hint="leave it out, or have fewer pictures a second made of all",
        )
    made, seconds = 0, framing.frames / framing.fps
    pictures: list[NDArray[np.uint8]] = []
    for frame in clip.frames(framing.fps):
        if frame.pixels is None:
            continue
        wanted = made * framing.frames + len(pictures)
        while wanted / framing.fps <= frame.second + 0.5 / framing.fps and len(pictures) < framing.frames:
            pictures.append(_cut(frame.pixels, framing.width, framing.height, centre))
            wanted += 1
        if len(pictures) == framing.frames:
            yield Scene(np.stack(pictures), _sound(clip, made * seconds, seconds))
            made, pictures = made + 1, []
            if made == framing.windows:
                return
    if not made:
        raise ClipTooShort(f"it is {clip.seconds:.1f} s long, a scene is {seconds:.1f} s", hint="give a longer one")


def _cut(picture: NDArray[np.uint8], width: int, height: int, centre: tuple[float, float]) -> NDArray[np.uint8]:
    """The largest part of the picture that has the scene's shape, as near to the centre as there is room."""
    down, across = picture.shape[:2]
    scale = min(across / width, down / height)
    w, h = min(across, round(width * scale)), min(down, round(height * scale))
    left = int(np.clip(round(centre[0] * across - w / 2), 0, across - w))
    top = int(np.clip(round(centre[1] * down - h / 2), 0, down - h))
    part = picture[top : top + h, left : left + w]
    resized = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)
    return np.ascontiguousarray(resized, np.uint8)


def _sound(clip: Clip, begin: float, seconds: float) -> NDArray[np.float32] | None:
    if clip.sound is None:
        return None
    first, length = round(begin * SAMPLE_RATE), round((seconds + MARGIN) * SAMPLE_RATE)
    heard = clip.sound[first : first + length]
    return np.pad(heard, (0, length - len(heard)))
