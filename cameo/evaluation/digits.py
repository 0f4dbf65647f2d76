"""Whether digits that somebody was asked to say can be understood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enroll.digits import likeliest_digits

__all__ = ["right_digits"]


def right_digits(said: str, sound: NDArray[np.float32]) -> int:
    """How many a recogniser hears in their places.

    Args:
        said: such as ``"41"``; it listens for as many.
        sound: mono float32 at 16 kHz, shape (N,).
    """
    found = likeliest_digits(sound, len(said))
    return sum(one == other for one, other in zip(said, found, strict=False))
