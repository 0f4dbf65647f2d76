"""Made-up people as enrolled: what a restorer is told of somebody."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cameo.synth.clips import make_clip
from cameo.training.identities import identify
from enroll.identity import Identity

__all__ = ["identity"]


@lru_cache
def identity(seed: int) -> Identity:
    """From a clip that is only for that."""
    clip = make_clip(seed, 1000, seconds=0.4, size=160)
    (member,) = clip.truth["cast"]
    landmarks, yaw, pitch = (np.array(member[name], np.float32) for name in ("landmarks", "yaw", "pitch"))
    return identify(seed, clip.frames, landmarks, yaw, pitch, clip.sound.astype(np.float32))
