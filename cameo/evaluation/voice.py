"""Whose voice it is: by pitch, which needs no encoder, and by the encoder the generator was conditioned on.

Pitch is a judge; the encoder's figure is named for what it is. Who had no part in the conditioning is in ``speakers``.
"""

from __future__ import annotations

import librosa
import numpy as np
import torch
from numpy.typing import NDArray

from enroll.clip import SAMPLE_RATE
from enroll.encoders import registry
from enroll.errors import NoSpeech
from enroll.voice import embed_voice, listen, speech_of

__all__ = ["pitch", "semitones", "voice_vector"]

_LOWEST, _HIGHEST = 60.0, 450.0
# Less than this many voiced frames (16 ms apart) is a click or a wave on the beach.
_FEWEST = 6


def pitch(sound: NDArray[np.float32]) -> float | None:
    """Median fundamental frequency of the voiced stretches, Hz, by pYIN (Mauch and Dixon, 2014); None without a voice.

    Args:
        sound: mono at 16 kHz, shape (N,).
    """
    f0, voiced, _ = librosa.pyin(sound, fmin=_LOWEST, fmax=_HIGHEST, sr=SAMPLE_RATE, frame_length=1024)
    heard = f0[voiced]
    return float(np.median(heard)) if len(heard) >= _FEWEST else None


def semitones(frequency: float, reference: float) -> float:
    """Distance of two pitches, never negative."""
    return abs(float(12.0 * np.log2(frequency / reference)))


def voice_vector(sound: NDArray[np.float32], space: str) -> NDArray[np.float32]:
    """The speaker of mono sound at 16 kHz in a voice space, unit length; NaN where too little is said to tell."""
    encoder = registry.get(space)
    try:
        with torch.inference_mode():
            return embed_voice(speech_of(listen(sound), sound), encoder).vector
    except NoSpeech:
        return np.full(encoder.card.dim, np.nan, np.float32)
