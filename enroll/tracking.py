"""One person's head, frame by frame: what mouth and pose did while the clip ran."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOUTH_SHAPE", "HeadTrack"]

MOUTH_SHAPE = (24, 32)
"""Height and width of a mouth crop, pixels."""


@dataclass(frozen=True, repr=False)
class HeadTrack:
    """One person's head through a clip, one sample for each decoded frame in which it could be followed.

    Attributes:
        seconds: float64, shape (N,), rising; where in the clip. Frames without the head are missing, so gaps occur.
        poses: float32, shape (N, 3): yaw, pitch and roll in degrees, signs as in ``identity.Pose``.
        mouths: uint8 grey, shape (N, *MOUTH_SHAPE): the mouth, upright and of one size, corners at (4, 10) and (28, 10)
            (x, y), so that the lower lip and the chin lie below.
    """

    seconds: NDArray[np.float64]
    poses: NDArray[np.float32]
    mouths: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.seconds)
