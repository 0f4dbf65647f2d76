"""Clips of made-up people who answer a live challenge: they say its digits and turn their heads as asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cameo.errors import UsageError
from cameo.synth.clips import SAMPLE_RATE, SHOTS, SynthClip, fixed_numbers
from cameo.synth.people import Outfit, Person
from cameo.synth.render import landmarks, render, rotation
from cameo.synth.settings import SETTINGS
from cameo.synth.sounds import ambience
from cameo.synth.voices import Utterance, Voice, mouth_track, speak

__all__ = ["TURNS", "make_answer"]

TURNS = {"left": (34.0, 0.0), "right": (-34.0, 0.0), "up": (0.0, 20.0), "down": (0.0, -20.0)}
"""Yaw and pitch at the far end of each turn, degrees. The person's left is the picture's right."""

_BEFORE = ("hello,", "i", "agree.", "my", "numbers", "are,")
_AFTER = ("now", "i", "turn", "my", "head.")
_LEAD, _TURN, _REST, _TAIL = 0.5, 1.05, 0.3, 0.4


def make_answer(
    seed: int,
    digits: str,
    turns: Sequence[str],
    clip: int = 0,
    *,
    size: int = 256,
    fps: float = 25.0,
    voice: int | None = None,
) -> SynthClip:
    """A made-up person before the camera, about 11 s: a sentence, the digits one by one, then the turns.

    Args:
        seed: the person.
        digits: to be said, in this order, such as ``"471902"``.
        turns: ``left``, ``right``, ``up``, ``down``, in this order; the person's own left and right.
        clip: the occasion: place, light, clothes.
        size: edge of the picture, pixels.
        fps: pictures a second.
        voice: seed of another voice than the person's own.

    Raises:
        UsageError: other characters than digits, or another turn.
    """
    if not digits.isascii() or not digits.isdigit() or not set(turns) <= set(TURNS):
        raise UsageError(f"digits are 0 to 9, turns are {', '.join(TURNS)}", hint="such as 471902 and left,up,right")
    rng = np.random.default_rng([0xA45E, seed, clip])
    said = speak(Voice.from_seed(seed if voice is None else voice), _words(digits), seed=int(rng.integers(2**31)))
    turning = _LEAD + said.seconds + _REST
    seconds = turning + len(turns) * (_TURN + _REST) + _TAIL
    count = round(seconds * fps)
    setting = list(SETTINGS.values())[int(rng.integers(len(SETTINGS)))]
    worn = Outfit.from_seed(seed, clip)
    light = setting.light(rng)
    fixed = fixed_numbers(
        Person.from_seed(seed), worn, light, setting, float(rng.uniform()), float(rng.normal(0, 0.03))
    )
    poses = _poses(rng, turns, turning, np.arange(count) / fps)
    numbers = [fixed | moment for moment in _moments(rng, poses, mouth_track(said, fps, count, _LEAD), fps)]
    truth = {
        "setting": setting.name,
        "shot": "close-up",
        "action": "",
        "digits": digits,
        "turns": list(turns),
        "cast": [
            {
                "person": seed,
                "side": "middle",
                "clothes": worn.colour,
                "hair": Person.from_seed(seed).hair_name,
                "words": list(_words(digits)),
                "speaks": [_LEAD, _LEAD + said.seconds],
                "turning": [turning, turning + len(turns) * (_TURN + _REST)],
                "yaw": [round(float(yaw), 2) for yaw in poses[:, 0]],
                "pitch": [round(float(pitch), 2) for pitch in poses[:, 1]],
                "landmarks": [landmarks(n, size, size).round(2).tolist() for n in numbers],
            }
        ],
    }
    sound = _sound(rng, said, setting.name, round(count / fps * SAMPLE_RATE))
    caption = "close-up of a person who says numbers and turns their head"
    return SynthClip(render(numbers, size, size), sound, fps, SAMPLE_RATE, caption, truth)


def _words(digits: str) -> tuple[str, ...]:
    # Pauses after every other digit, as people make them.
    said = [digit + ("," if place % 2 else "") for place, digit in enumerate(digits)]
    return (*_BEFORE, *said[:-1], digits[-1:] + ".", *_AFTER)


def _sound(rng: np.random.Generator, said: Utterance, setting: str, samples: int) -> NDArray[np.float32]:
    background = ambience(setting, samples / SAMPLE_RATE, seed=int(rng.integers(2**31))).astype(np.float32)
    sound = np.resize(background, samples) * float(rng.uniform(0.15, 0.3))
    first = round(_LEAD * SAMPLE_RATE)
    sound[first : first + len(said.samples)] += said.samples[: samples - first]
    return np.clip(sound, -1, 1).astype(np.float32)


def _poses(
    rng: np.random.Generator, turns: Sequence[str], start: float, time: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Yaw and pitch, shape (N, 2): nearly still while speaking, then out and back for each turn."""
    sway = [1.5 * np.sin(2 * np.pi * (time * rng.uniform(0.2, 0.5) + rng.uniform())) for _ in range(2)]
    poses = np.stack(sway, axis=1) + rng.normal(0, 2, 2)
    for number, turn in enumerate(turns):
        progress = np.clip((time - start - number * (_TURN + _REST)) / _TURN, 0, 1)
        # Out in the first third, back in the last.
        out = np.clip(np.minimum(progress, 1 - progress) * 3, 0, 1)
        poses += (out * out * (3 - 2 * out))[:, None] * np.array(TURNS[turn]) * float(rng.uniform(0.9, 1.1))
    return poses


def _moments(
    rng: np.random.Generator, poses: NDArray[np.float64], mouth: NDArray[np.float32], fps: float
) -> list[dict[str, float]]:
    """What changes from frame to frame."""
    zoom, head_x = SHOTS["close-up"] * float(rng.uniform(0.85, 0.95)), float(rng.normal(0, 0.02))
    roll, smile = float(rng.normal(0, 2)), float(rng.uniform(0, 0.2))
    blinks = rng.uniform(0, len(poses) / fps, max(1, round(len(poses) / fps / 3)))
    moments = []
    for i, (yaw, pitch) in enumerate(poses):
        second = i / fps
        moments.append(
            rotation(float(yaw), float(pitch), roll)
            | {
                "yaw": float(yaw),
                "pitch": float(pitch),
                "zoom": zoom,
                "cx": head_x + 0.006 * float(np.sin(1.7 * second)),
                "cy": 0.02 + 0.004 * float(np.sin(2.3 * second)),
                "mouth": float(mouth[i, 0]),
                "round": float(mouth[i, 1]),
                "smile": smile,
                "blink": float(np.clip(1 - np.abs(second - blinks).min() / 0.12, 0, 1)),
                "gaze": 0.0,
            }
        )
    return moments
