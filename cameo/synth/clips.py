"""Clips of made-up people: who, where, in what clothes and light, doing and saying what; with caption and full truth.

The same ``seed`` is the same person, another ``clip`` another occasion: other clothes, light, place, pose and words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cameo.synth.people import CLOTHES, Outfit, Person
from cameo.synth.render import landmarks, render, rotation
from cameo.synth.settings import SETTINGS, Light, Setting
from cameo.synth.sounds import ambience
from cameo.synth.voices import Utterance, Voice, mouth_track, speak

__all__ = [
    "ACTIONS",
    "SHOTS",
    "WORDS",
    "Occasion",
    "SynthClip",
    "caption",
    "fixed_numbers",
    "make_clip",
    "spoken",
    "vocabulary",
]

WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("hello", "hi", "goodbye", "welcome", "thanks", "yes", "no", "okay", "please", "sorry"),
    *("good", "morning", "night", "day", "here", "today", "look", "come", "go", "home"),
    *("i", "am", "you", "we", "love", "the", "my", "happy", "time", "friend", "sea", "sun", "rain", "snow", "music"),
)
"""What made-up people say."""

SHOTS = {"close-up": 0.285, "medium shot": 0.185}
"""Zoom of each shot a caption can name: picture heights per head unit. A close-up at 128 px shows a face 64 px high."""

_BESIDE = 0.78
"""How large two people beside each other are drawn, by how large one alone is in the same shot."""

ACTIONS = ("turning left", "turning right", "nodding", "looking up", "smiling")

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Occasion:
    """Everything of a clip that is not the person.

    Attributes:
        setting: where.
        shot: name of the shot.
        action: what the head does; empty for nothing much.
        words: spoken, in order.
        wide: True for a long clip whose head turns through all poses, as an enrollment asks for.
    """

    setting: Setting
    shot: str
    action: str
    words: tuple[str, ...]
    wide: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, *, seconds: float, wide: bool) -> Occasion:
        count = max(1, round(seconds * 1.6)) if wide else int(rng.integers(1, 4))
        setting = list(SETTINGS.values())[int(rng.integers(len(SETTINGS)))]
        shot = "close-up" if wide or rng.uniform() < 0.65 else "medium shot"
        action = "" if wide or rng.uniform() < 0.35 else str(rng.choice(ACTIONS))
        return cls(setting, shot, action, tuple(str(w) for w in rng.choice(WORDS, count)), wide)


@dataclass(frozen=True, repr=False)
class SynthClip:
    """One clip.

    Attributes:
        frames: RGB uint8, shape (T, H, W, 3).
        sound: float32 mono in [-1, 1], shape (N,).
        fps: pictures a second.
        sample_rate: Hz.
        caption: one way of saying what the clip shows; ``caption()`` makes others from ``truth``.
        truth: who, where, in which light and pose, what is said when; JSON-ready.
    """

    frames: NDArray[np.uint8]
    sound: NDArray[np.float32]
    fps: float
    sample_rate: int
    caption: str
    truth: dict[str, Any]


def make_clip(
    seed: int,
    clip: int = 0,
    *,
    people: int = 1,
    seconds: float = 8.0,
    size: int = 256,
    fps: float = 12.5,
    outfit: int | None = None,
    shot: str | None = None,
    device: str | torch.device = "cpu",
) -> SynthClip:
    """A clip of one made-up person, or of two side by side.

    Args:
        seed: the person; with two people the second is ``seed + 1``.
        clip: the occasion.
        people: 1 or 2.
        seconds: length. From 4 s on the head turns through all poses, as an enrollment asks for.
        size: edge of the picture, pixels.
        fps: pictures a second.
        outfit: number of the outfit worn; by default one of the occasion's own.
        shot: one of ``SHOTS``; by default the occasion's own.
        device: where the pictures are drawn.
    """
    rng = np.random.default_rng([0xC11B, seed, clip])
    count = int(seconds * fps) + (0 if seconds * fps % 1 == 0 else 1)
    occasion = Occasion.draw(rng, seconds=seconds, wide=seconds >= 4)
    occasion = replace(occasion, shot=shot or occasion.shot, action="" if people == 2 else occasion.action)
    light = occasion.setting.light(rng)
    place, pan = float(rng.uniform()), float(rng.normal(0, 0.03))
    sound = ambience(occasion.setting.name, seconds, seed=int(rng.integers(2**31))).astype(np.float32)
    sound = np.resize(sound, round(seconds * SAMPLE_RATE)) * float(rng.uniform(0.2, 0.7))
    cast: list[dict[str, Any]] = []
    drawings: list[NDArray[np.uint8]] = []
    turn = 0.15
    for number in range(people):
        person, voice = Person.from_seed(seed + number), Voice.from_seed(seed + number)
        worn = Outfit.from_seed(seed + number, clip if outfit is None else outfit)
        words = occasion.words[number::people] or ("yes",)
        spoken_ = _fit(speak(voice, words, seed=int(rng.integers(2**31))), seconds / people)
        start = turn if people == 2 else float(rng.uniform(0.1, max(0.12, seconds - spoken_.seconds - 0.1)))
        turn = start + spoken_.seconds + 0.2
        first = round(start * SAMPLE_RATE)
        heard = spoken_.samples[: max(0, len(sound) - first)]
        sound[first : first + len(heard)] += heard * float(rng.uniform(0.8, 1.1))
        centre = 0.0 if people == 1 else (-0.25, 0.25)[number]
        motion = _motion(rng, occasion, count, fps, mouth_track(spoken_, fps, count, start), centre)
        fixed = fixed_numbers(person, worn, light, occasion.setting, place, pan)
        numbers = [fixed | moment for moment in motion]
        drawings.append(render(numbers, size, size, device=device))
        cast.append(
            {
                "person": seed + number,
                "side": "middle" if people == 1 else ("left", "right")[number],
                "clothes": worn.colour,
                "hair": person.hair_name,
                "words": list(words),
                "speaks": [start, start + spoken_.seconds],
                "mouth": [round(m["mouth"], 4) for m in motion],
                "yaw": [round(m["yaw"], 2) for m in motion],
                "pitch": [round(m["pitch"], 2) for m in motion],
                "landmarks": [landmarks(n, size, size).round(2).tolist() for n in numbers],
            }
        )
    picture = drawings[0]
    if people == 2:
        picture[:, :, size // 2 :] = drawings[1][:, :, size // 2 :]
    truth = {
        "setting": occasion.setting.name,
        "shot": occasion.shot,
        "action": occasion.action,
        "cast": cast,
    }
    return SynthClip(picture, np.clip(sound, -1, 1), fps, SAMPLE_RATE, caption(truth, rng), truth)


def fixed_numbers(
    person: Person, worn: Outfit, light: Light, setting: Setting, place: float, pan: float
) -> dict[str, float]:
    """What a renderer needs to know of a clip that stays the same in each of its frames.

    Args:
        place: which spot of the setting, 0 to 1.
        pan: where the camera looks, picture heights.
    """
    return person.traits() | {
        "lx": light.direction[0],
        "ly": light.direction[1],
        "lz": light.direction[2],
        "key": light.key,
        "ambient": light.ambient,
        **{f"light_{c}": v for c, v in zip("rgb", light.tint, strict=True)},
        **{f"cloth_{c}": v for c, v in zip("rgb", worn.rgb, strict=True)},
        "stripes": worn.stripes,
        "collar": worn.collar,
        "setting": float(setting.index),
        "place": place,
        "pan": pan,
    }


def caption(truth: dict[str, Any], rng: np.random.Generator, *, clothes: bool | None = None) -> str:
    """One way of saying what a clip shows. The order and the choice of what is said are drawn; who it is, is not said.

    Args:
        truth: of a ``SynthClip``.
        rng: draws the wording.
        clothes: whether the colour of the clothes is named; drawn when None.
    """
    who = "a person" if len(truth["cast"]) == 1 else "two people"
    lead = f"{truth['shot']} of {who}" if rng.uniform() < 0.6 else who
    parts = [str(rng.choice(SETTINGS[truth["setting"]].phrases))]
    first = truth["cast"][0]
    if clothes if clothes is not None else rng.uniform() < 0.6:
        parts.append(f"in {first['clothes']}" if rng.uniform() < 0.5 else f"wearing {first['clothes']}")
    if truth["action"] and rng.uniform() < 0.85:
        parts.append(truth["action"])
    said = [spoken(member["words"]) for member in truth["cast"]]
    if len(said) == 1:
        parts.append(said[0])
    else:
        parts += [f"a person on the {m['side']} {s}" for m, s in zip(truth["cast"], said, strict=True)]
    order = rng.permutation(len(parts)) if len(said) == 1 else np.arange(len(parts))
    return " ".join([lead, *(parts[i] for i in order)])


def spoken(words: Sequence[str]) -> str:
    """How a caption says that something is said."""
    return f'says "{" ".join(words)}"'


def vocabulary() -> tuple[str, ...]:
    """Every word a caption can hold, sorted: what a text encoder for these clips must know."""
    text = [*SHOTS, *ACTIONS, *CLOTHES, *WORDS, "two people a person of on the left right in wearing says"]
    text += [phrase for setting in SETTINGS.values() for phrase in setting.phrases]
    return tuple(sorted({word for phrase in text for word in phrase.replace("-", " - ").split()}))


def _fit(utterance: Utterance, seconds: float) -> Utterance:
    """Cut what would not end in time."""
    limit = int((seconds - 0.15) * utterance.sample_rate)
    if len(utterance.samples) <= limit:
        return utterance
    phones = tuple(p for p in utterance.phones if p.start * utterance.sample_rate < limit)
    return Utterance(utterance.samples[:limit], utterance.sample_rate, phones)


def _motion(
    rng: np.random.Generator,
    occasion: Occasion,
    count: int,
    fps: float,
    mouth: NDArray[np.float32],
    centre: float,
) -> list[dict[str, float]]:
    """What changes from frame to frame."""
    time = np.arange(count) / fps
    length = max(count / fps, 1e-6)
    if occasion.wide:
        yaw = 34 * np.sin(2 * np.pi * time / length * 1.5) + rng.normal(0, 3)
        pitch = 9 * np.sin(2 * np.pi * time / length * 2.5 + 1) + rng.normal(0, 2)
    else:
        yaw = rng.uniform(-28, 28) * np.ones(count) + 5 * np.sin(
            2 * np.pi * (time * rng.uniform(0.2, 0.6) + rng.uniform())
        )
        pitch = rng.uniform(-8, 8) + 2 * np.sin(2 * np.pi * (time * rng.uniform(0.2, 0.8) + rng.uniform()))
    ramp = np.clip((time - 0.2) / (0.7 * length), 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    if occasion.action == "turning left":
        yaw = rng.uniform(8, 16) - (36 + rng.uniform(0, 6)) * ramp
    elif occasion.action == "turning right":
        yaw = -rng.uniform(8, 16) + (36 + rng.uniform(0, 6)) * ramp
    elif occasion.action == "nodding":
        pitch = pitch * 0.3 - 4 + 11 * np.sin(2 * np.pi * time * 1.5)
    elif occasion.action == "looking up":
        pitch = -2 + 18 * ramp
    smile = np.full(count, rng.uniform(0.0, 0.3))
    if occasion.action == "smiling":
        smile = 0.1 + 0.9 * ramp
    blink = np.zeros(count)
    for moment in rng.uniform(0, length, max(1, round(length / 2.5))):
        blink = np.maximum(blink, np.clip(1 - np.abs(time - moment) / 0.12, 0, 1))
    zoom = SHOTS[occasion.shot] * rng.uniform(0.94, 1.06)
    if centre:
        zoom *= _BESIDE
    drift = rng.uniform(0.97, 1.03)
    head_y = (0.015 if occasion.shot == "close-up" else 0.13) + rng.normal(0, 0.012)
    head_x = centre + rng.normal(0, 0.03 if not centre else 0.01)
    roll = rng.normal(0, 3) + 1.5 * np.sin(2 * np.pi * (time * 0.3 + rng.uniform()))
    gaze = rng.normal(0, 0.012) + 0.0 * time
    moments = []
    for i in range(count):
        moments.append(
            rotation(float(yaw[i]), float(pitch[i]), float(roll[i]))
            | {
                "yaw": float(yaw[i]),
                "pitch": float(pitch[i]),
                "zoom": float(zoom * (1 + (drift - 1) * time[i] / length)),
                "cx": float(head_x + 0.006 * np.sin(1.7 * time[i])),
                "cy": float(head_y + 0.004 * np.sin(2.3 * time[i])),
                "mouth": float(mouth[i, 0]),
                "round": float(mouth[i, 1]),
                "smile": float(smile[i]),
                "blink": float(blink[i]),
                "gaze": float(gaze[i]),
            }
        )
    return moments
