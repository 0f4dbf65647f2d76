"""Two people who speak in turn: is it the mouth of whose turn it is that opens, and is it their voice?

Each turn is judged between the two in the scene, so that chance is one in two. Mouths are seen, and the loudness of the
voice is heard, as in ``lips``: in whose half of the picture does a mouth open with what is said in it? Voices are
judged by the encoder of ``speakers``, from the turn's second or so alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cameo.evaluation.likeness import Share
from cameo.evaluation.lips import correlation, darkness, loudness
from cameo.evaluation.measures import Enrolled
from cameo.evaluation.speakers import speaker_of
from enroll.clip import SAMPLE_RATE

__all__ = ["Dialogue", "Turns", "judge_turns"]

_NEAR = 1
"""Frames by which a mouth may lead or follow."""
_SHORTEST = SAMPLE_RATE // 2
"""Samples; of less the encoder says nothing."""


class Turns(BaseModel):
    """What became of turns, two in each scene.

    Attributes:
        mouths: those in which the speaker's mouth opens with the voice, and more than the other one's.
        voices: those whose voice is nearer to the speaker's than to the other one's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mouths: Share
    voices: Share


@dataclass(frozen=True, repr=False)
class Dialogue:
    """A scene of two who speak one after the other.

    Attributes:
        frames: RGB uint8, (T, H, W, 3): one in the left half, the other in the right.
        sound: mono float32 at 16 kHz, (N,).
        fps: frames a second.
        spans: (begin, end) in seconds of the left one's turn and of the right one's.
    """

    frames: NDArray[np.uint8]
    sound: NDArray[np.float32]
    fps: float
    spans: tuple[tuple[float, float], tuple[float, float]]


def judge_turns(dialogues: Sequence[Dialogue], pairs: Sequence[tuple[int, int]], enrolled: Enrolled) -> Turns:
    """Look at the mouths of each scene and listen to its turns.

    Args:
        dialogues: the scenes.
        pairs: who is on the left and on the right of each, by number among ``enrolled``.
        enrolled: all of them.
    """
    mouths = voices = 0
    for scene, pair in zip(dialogues, pairs, strict=True):
        known = np.stack([enrolled.speakers[number] for number in pair])
        seen = _mouths(scene)
        for side in (0, 1):
            mouths += _follows(seen, _turn(scene, side), side)
            voices += int(np.argmax(known @ speaker_of(_heard(scene, side)))) == side
    of = 2 * len(dialogues)
    return Turns(mouths=Share(right=mouths, of=of), voices=Share(right=voices, of=of))


def _mouths(scene: Dialogue) -> list[NDArray[np.float64] | None]:
    """How dark the left one's mouth is and the right one's, (T,) each; None where none is seen."""
    middle = scene.frames.shape[2] // 2
    halves = (scene.frames[:, :, :middle], scene.frames[:, :, middle:])
    return [darkness(np.ascontiguousarray(half)) for half in halves]


def _follows(mouths: Sequence[NDArray[np.float64] | None], voice: NDArray[np.float64], side: int) -> bool:
    """Whether that mouth opens with the voice of a turn, and more than the other one."""
    near = range(-_NEAR, _NEAR + 1)
    scores = [-1.0 if one is None else max(correlation(one, voice, shift) for shift in near) for one in mouths]
    return scores[side] > max(scores[1 - side], 0.0)


def _turn(scene: Dialogue, side: int) -> NDArray[np.float64]:
    """Loudness while it is that one's turn, and silence at other times, (T,)."""
    voice = loudness(scene.sound, len(scene.frames), scene.fps)
    begin, end = scene.spans[side]
    middles = (np.arange(len(voice)) + 0.5) / scene.fps
    return np.where((middles >= begin) & (middles < end), voice, voice.min())


def _heard(scene: Dialogue, side: int) -> NDArray[np.float32]:
    begin, end = (round(at * SAMPLE_RATE) for at in scene.spans[side])
    begin = max(0, min(begin, len(scene.sound) - _SHORTEST))
    return scene.sound[begin : max(end, begin + _SHORTEST)]
