"""Made-up people as enrolled, and as they truly are in scenes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cameo.synth.clips import SynthClip, make_clip
from cameo.training.identities import identify
from enroll.identity import Identity

__all__ = ["alone", "couple", "identity"]


@lru_cache
def identity(seed: int) -> Identity:
    """From a clip that is only for that."""
    clip = make_clip(seed, 1000, seconds=0.4, size=160)
    (member,) = clip.truth["cast"]
    landmarks, yaw, pitch = (np.array(member[name], np.float32) for name in ("landmarks", "yaw", "pitch"))
    return identify(seed, clip.frames, landmarks, yaw, pitch, clip.sound.astype(np.float32))


@lru_cache
def alone() -> SynthClip:
    """31."""
    return make_clip(31, 1, seconds=0.8, size=128, shot="close-up")


@lru_cache
def couple() -> SynthClip:
    """31 on the left, 32 on the right."""
    return make_clip(31, 3, people=2, seconds=0.6, size=128, shot="close-up")
