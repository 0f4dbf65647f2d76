"""A watermark in the colours of a picture that needs no model: quantised singular values.

The blue chroma of a frame, at a working size of 64 × 64 whatever the frame's own, is cut into blocks of 8 × 8. The
largest singular value of each is moved to the middle of one of two kinds of intervals, by the bit it carries
(quantisation index modulation: Chen and Wornell, 2001; of singular values: Liu and Tan, 2002). Which block carries
which bit is drawn once for all; a bit is in two blocks of every frame and is read from their sum over all frames.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from cameo.marks.watermarks.base import sampled

__all__ = ["ChromaMark"]

_SIZE, _BLOCK = 64, 8
_COUNT: Final = _SIZE // _BLOCK
_STEP: Final = 36.0
"""Width of an interval, grey levels times the edge of a block: the colour of a block moves by 2.25 of 255 at most."""
_BITS: Final = 32
_ORDER: Final = np.random.default_rng(0xCA3E0).permutation(_COUNT**2) % _BITS
"""The bit that each block carries."""
_MIDDLE: Final = 128.0
_GAINS: Final = np.geomspace(0.6, 1 / 0.6, 15)
"""By how much a copy's colours may be paler or stronger."""
_MOST_FRAMES: Final = 48


class ChromaMark:
    """See above. It goes when the picture is cropped, turned, or loses its colours."""

    name: Final = "chroma"
    carrier: Final[Literal["picture"]] = "picture"
    bits: Final = _BITS

    def embed(self, frames: NDArray[np.uint8], message: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """See ``PictureMark``."""
        return np.stack([_marked(frame, 0.25 + 0.5 * message[_ORDER]) for frame in frames])

    def read(self, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """See ``PictureMark``: as it is and mirrored, paler and stronger."""
        some = sampled(frames, _MOST_FRAMES)
        planes = np.stack([_chroma(frame) for frame in some]) if len(some) else np.zeros((0, _SIZE, _SIZE), np.float32)
        ways = [gain * side for side in (planes, planes[:, :, ::-1]) for gain in _GAINS]
        return np.stack([_said(way) > 0 for way in ways]) if len(planes) else np.zeros((0, _BITS), bool)


def _marked(frame: NDArray[np.uint8], wanted: NDArray[Any]) -> NDArray[np.uint8]:
    u, s, v = np.linalg.svd(_blocks(_chroma(frame)[None] + _MIDDLE))
    largest = s[:, 0].copy()
    s[:] = 0
    s[:, 0] = (np.round(largest / _STEP - wanted) + wanted) * _STEP - largest
    blocks = (u * s[:, None]) @ v
    change = blocks.reshape(_COUNT, _COUNT, _BLOCK, _BLOCK).transpose(0, 2, 1, 3).reshape(_SIZE, _SIZE)
    yuv = cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2YUV)
    yuv[..., 1] += cv2.resize(change.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB).round().clip(0, 255).astype(np.uint8)


def _said(planes: NDArray[np.float32]) -> NDArray[Any]:
    """(bits,), above 0 for a one, of chroma (T, size, size)."""
    largest = np.linalg.svd(_blocks(planes + _MIDDLE), compute_uv=False)[:, 0]
    return -np.bincount(np.tile(_ORDER, len(planes)), np.sin(2 * np.pi * largest / _STEP), _BITS)


def _chroma(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = cv2.resize(frame, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
    # OpenCV has its middle at 0.5, whatever the range.
    return np.asarray(cv2.cvtColor(small.astype(np.float32), cv2.COLOR_RGB2YUV)[..., 1], np.float32) - 0.5


def _blocks(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    cut = planes.reshape(-1, _COUNT, _BLOCK, _COUNT, _BLOCK).transpose(0, 1, 3, 2, 4)
    return cut.reshape(-1, _BLOCK, _BLOCK)
