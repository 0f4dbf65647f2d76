"""Made-up talkers: a drawn mouth that follows the phonemes of a made-up voice, as a ``HeadTrack``."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cameo.synth.voices import Voice, mouth_track, speak
from enroll.tracking import MOUTH_SHAPE, HeadTrack

RATE = 16_000
FPS = 25.0
WORDS = (
    "hello",
    "name",
    "seven",
    "welcome",
    "home",
    "today",
    "look",
    "sea",
    "sun",
    "five",
    "nine",
    "two",
    "please",
    "go",
)


def say(seed: int, seconds: float, *, start: float = 0.3) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``seconds`` of sound in which a made-up voice talks from ``start`` on, shape (N,), and its mouth, (T, 2)."""
    draw = np.random.default_rng(seed)
    words = [str(word) for word in draw.permutation(WORDS * 3)]
    sound = np.zeros(round(seconds * RATE), np.float32)
    mouth = np.zeros((round(seconds * FPS), 2), np.float32)
    at = start
    while words and at < seconds - 0.8:
        utterance = speak(Voice.from_seed(seed), words[:4], seed=len(words))
        begin = round(at * RATE)
        said = utterance.samples[: len(sound) - begin]
        sound[begin : begin + len(said)] += said
        mouth = np.maximum(mouth, mouth_track(utterance, FPS, len(mouth), at))
        at, words = at + utterance.seconds + 0.25, words[4:]
    return 0.5 * sound, mouth


def draw_head(mouth: NDArray[np.float32], *, seed: int = 0, noise: float = 2.0, yaw: float = 0.0) -> HeadTrack:
    """Lips around a dark opening on grey skin with the noise of a camera; ``mouth`` as from ``say``."""
    draw = np.random.default_rng(seed)
    height, width = MOUTH_SHAPE
    pictures = []
    for opening, rounding in mouth:
        large = np.full((height * 8, width * 8), 165, np.uint8)
        centre = (16 * 8, int((10.5 + 3 * opening) * 8))
        half = (int((11 - 4 * rounding) * 8), int((1.2 + 5 * opening) * 8))
        cv2.ellipse(large, centre, (half[0], half[1] + 14), 0, 0, 360, 118, -1)
        cv2.ellipse(large, centre, (int(half[0] * 0.85), max(1, half[1] - 6)), 0, 0, 360, 42, -1)
        small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        pictures.append(np.clip(small + draw.normal(0, noise, small.shape), 0, 255).astype(np.uint8))
    count = len(mouth)
    poses = np.tile(np.array([[yaw, 0.0, 0.0]], np.float32), (count, 1))
    return HeadTrack(np.arange(count) / FPS, poses, np.stack(pictures))
