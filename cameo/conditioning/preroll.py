"""A scene that begins earlier than it is shown, so that what goes wrong at a beginning is cut away.

With a reference voice the first 0.2 to 0.5 s of a scene are known to be in another voice, or in none that can be
understood, before the right one settles. A pre-roll is drawn and heard with the rest, and is not handed out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import ceil
from typing import Any

from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

__all__ = ["cut", "later", "preroll_frames"]


def preroll_frames(seconds: float, frame_rate: float, compression: int) -> int:
    """The fewest frames that last ``seconds`` and leave a scene of whole latents behind them.

    Args:
        seconds: 0 or more.
        frame_rate: frames a second.
        compression: frames of a latent, see the video VAE.
    """
    # Rounded first: 0.64 s at 12.5 frames a second is eight frames, and not eight and a rounding error.
    return compression * ceil(round(seconds * frame_rate, 6) / compression)


def later(condition: LTX2VideoCondition, latents: int) -> LTX2VideoCondition:
    """The same frames given for a scene that begins ``latents`` later. What counts from its end stays.

    Frames for the very beginning become a keyframe of the second frame: a latent amid a scene stands for the frames
    that end with it, and only the first of all for one frame.
    """
    if condition.index < 0:
        return condition
    return replace(condition, index=condition.index + latents + (condition.index == 0))


def cut(made: Any, frames: int, samples: int) -> Any:
    """What a pipeline returned, without its beginning.

    Args:
        made: pictures and sound, as a tuple or as diffusers' output. Pictures are (B, T, …) arrays or lists of lists.
        frames: of each clip to leave out.
        samples: likewise of the sound, (B, C, N).
    """
    pictures, sound = made if isinstance(made, tuple) else (made.frames, made.audio)
    pictures = _each_from(pictures, frames) if isinstance(pictures, list) else pictures[:, frames:]
    sound = sound[..., samples:]
    return (pictures, sound) if isinstance(made, tuple) else type(made)(frames=pictures, audio=sound)


def _each_from(clips: Iterable[list[Any]], frames: int) -> list[list[Any]]:
    return [clip[frames:] for clip in clips]
