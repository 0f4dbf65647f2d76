"""Two people at once: is the right face on the right side, or are they swapped, or neither of them there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cameo.evaluation.faces import faces_in, spread_frames
from cameo.evaluation.likeness import Share
from cameo.evaluation.measures import Enrolled
from cameo.evaluation.subjects import Subject
from cameo.script import Script, parse
from cameo.synth.clips import WORDS, SynthClip, make_clip
from cameo.synth.settings import SETTINGS
from cameo.training.people import SECONDS, SIZE

__all__ = ["PairRequest", "Pairs", "couples", "judge_pairs", "render_pair", "request_pair"]

_TOGETHER = 3000


class Pairs(BaseModel):
    """What became of scenes with two people in them.

    Attributes:
        right: scenes in which each is nearest to whoever is on their side.
        swapped: scenes in which somebody is nearest to whoever is on the other one's side.
        faces: sides on which a face is found in at least half of the frames.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    right: Share
    swapped: Share
    faces: Share


@dataclass(frozen=True)
class PairRequest:
    """One scene that is asked for: who is on the left, who on the right (by number), and the noise."""

    left: int
    right: int
    prompt: str
    seed: int

    @property
    def script(self) -> Script:
        return parse(self.prompt)


def couples(subjects: Sequence[Subject]) -> list[tuple[int, int]]:
    """Neighbours by seed, whom the renderer can draw together, by their numbers; nobody twice."""
    return [(n, n + 1) for n in range(0, len(subjects) - 1, 2) if subjects[n + 1].seed == subjects[n].seed + 1]


def request_pair(subjects: Sequence[Subject], pair: tuple[int, int], seed: int) -> PairRequest:
    """What is asked of two people; the same ``seed`` asks for the same."""
    left, right = (subjects[number] for number in pair)
    rng = np.random.default_rng([0x9A12, seed, left.seed])
    place = SETTINGS[str(rng.choice(list(SETTINGS)))].phrases[0]
    said = [" ".join(str(word) for word in rng.choice(WORDS, 2)) for _ in pair]
    people = [
        f'@{subject.identity.handle} on the {side} says "{words}"'
        for subject, side, words in zip((left, right), ("left", "right"), said, strict=True)
    ]
    return PairRequest(*pair, f"close-up of two people {place} {people[0]} {people[1]}", int(rng.integers(2**31)))


def render_pair(left: int) -> SynthClip:
    """The person of this seed and the next one as they truly are beside each other."""
    return make_clip(left, _TOGETHER, people=2, seconds=SECONDS, size=SIZE, shot="close-up")


def judge_pairs(scenes: Sequence[NDArray[np.uint8]], pairs: Sequence[tuple[int, int]], enrolled: Enrolled) -> Pairs:
    """Look at each half of each scene by itself.

    Args:
        scenes: (T, H, W, 3) each, RGB uint8.
        pairs: who should be on the left and on the right of each, by number among ``enrolled``.
        enrolled: everybody they could be taken for.
    """
    right = swapped = faces = 0
    known = np.stack(enrolled.faces)
    for frames, pair in zip(scenes, pairs, strict=True):
        watched = spread_frames(frames)
        middle = watched.shape[2] // 2
        nearest: list[int | None] = []
        for half in (watched[:, :, :middle], watched[:, :, middle:]):
            looks = faces_in(np.ascontiguousarray(half))
            faces += 2 * len(looks) >= len(half)
            likeness = known @ enrolled.judge.person(looks)
            nearest.append(int(np.argmax(likeness)) if np.isfinite(likeness).all() else None)
        right += nearest == list(pair)
        swapped += nearest[0] == pair[1] or nearest[1] == pair[0]
    count = len(scenes)
    return Pairs(
        right=Share(right=right, of=count),
        swapped=Share(right=swapped, of=count),
        faces=Share(right=faces, of=2 * count),
    )
