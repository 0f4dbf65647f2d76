"""Picture and sound of a file that is asked about: as much of both as tells where it is from."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE", "SECONDS", "pictures_of", "sound_of", "trimmed"]

SECONDS = 60
"""No more of a file is looked at."""
SAMPLE_RATE = 16_000

_ASKED = 24
_LIT, _LEAST_LIT = 24, 0.02


def pictures_of(path: Path) -> NDArray[np.uint8]:
    """At most 24 frames, evenly over the first minute: RGB uint8 (T, H, W, 3); T is 0 where there is no picture."""
    found: list[NDArray[np.uint8]] = []
    with av.open(str(path)) as container:
        if container.streams.video:
            stream = container.streams.video[0]
            length = min(SECONDS, float(container.duration or 0) / av.time_base or 2.0)
            step, due = length / _ASKED, 0.0
            for frame in container.decode(stream):
                second = frame.time or 0.0
                if second > SECONDS or len(found) >= _ASKED:
                    break
                if second >= due:
                    found.append(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
                    due = second + step
    # A stream may change its size; what is of the first is looked at.
    same = [frame for frame in found if frame.shape == found[0].shape]
    return np.stack(same) if same else np.zeros((0, 0, 0, 3), np.uint8)


def sound_of(path: Path) -> tuple[NDArray[np.float32], int]:
    """The first minute, mono float32 (N,), and its rate; N is 0 where there is no sound."""
    parts: list[NDArray[np.float32]] = []
    with av.open(str(path)) as container:
        if container.streams.audio:
            to_mono = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
            for frame in container.decode(container.streams.audio[0]):
                parts += [block.to_ndarray()[0] for block in to_mono.resample(frame)]
                if sum(map(len, parts)) > SECONDS * SAMPLE_RATE:
                    break
    return np.concatenate([np.zeros(0, np.float32), *parts]), SAMPLE_RATE


def trimmed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) without the black bars a player or a platform put around it."""
    lit = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) > _LIT
    rows, columns = np.flatnonzero(lit.mean(1) > _LEAST_LIT), np.flatnonzero(lit.mean(0) > _LEAST_LIT)
    if len(rows) < picture.shape[0] // 4 or len(columns) < picture.shape[1] // 4:
        return picture
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
