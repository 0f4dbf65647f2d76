"""What a step learns from: a scene of somebody, and what is known of them from another clip.

Every example is drawn by the seed, the step, and its number in the step. So it does not matter which process draws it,
nor whether the run was interrupted before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from cameo.conditioning.types import IdentityFeatures

__all__ = ["Batch", "Clip", "Examples", "Scenes", "known"]

_SHARES = {"face": 0.1, "body": 0.2, "voice": 0.1}
"""How often a modality alone is left out: adapters meet people of whom not everything is known."""

Entry = Mapping[str, Tensor]


@dataclass(frozen=True)
class Clip:
    """A prepared clip.

    Attributes:
        person: whose; see ``consents.Admitted``.
        consent_id: of the consent it rests on.
        entry: opens what was prepared, see ``prepare.Preparer.tensors``.
    """

    person: str
    consent_id: str
    entry: Callable[[], Entry]


@dataclass(frozen=True, repr=False)
class Scenes:
    """Scenes of one pass, and how each is mixed with noise.

    Attributes:
        video: (B, C, F, h, w), normalised latents; ``audio`` (B, T, D), packed.
        heard: (B,) bool, whether the sound is the person's.
        picture_prompt: (B, L, P), ``sound_prompt`` (B, L, Q), ``prompt_mask`` (B, L): what the transformer reads.
        level: (B,) float, standard normal: how far on its way to noise each is, before the pipeline's shift.
        video_noise, audio_noise: as ``video`` and ``audio``.
    """

    video: Tensor
    audio: Tensor
    heard: Tensor
    picture_prompt: Tensor
    sound_prompt: Tensor
    prompt_mask: Tensor
    level: Tensor
    video_noise: Tensor
    audio_noise: Tensor

    def to(self, device: torch.device) -> Self:
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True, repr=False)
class Batch(Scenes):
    """Examples of one pass.

    Attributes:
        people: features of each scene's person, from another clip.
    """

    people: IdentityFeatures


def known(entry: Entry) -> IdentityFeatures:
    """The features of an entry, a batch of one."""
    return IdentityFeatures(
        **{name.removeprefix("features/"): tensor for name, tensor in entry.items() if name.startswith("features/")}
    )


class Examples:
    """The clips that are learned from.

    Args:
        clips: of at least one person, at least two of everybody: scene and person never come from the same clip, for
            that would teach to copy it.
        seed: of all that is drawn.
        drop: share of examples of which nothing is told who is in them: what guidance contrasts with.
    """

    def __init__(self, clips: Iterable[Clip], *, seed: int, drop: float) -> None:
        of: dict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            of[clip.person].append(clip)
        self._people = [of[person] for person in sorted(of)]
        self._seed, self._drop = seed, drop

    def batch(self, step: int, numbers: Sequence[int]) -> Batch:
        """The examples of a step with these numbers."""
        return _stacked([self._example(step, number) for number in numbers])

    def _example(self, step: int, number: int) -> Batch:
        rng = np.random.default_rng([self._seed, step, number])
        clips = self._people[rng.integers(len(self._people))]
        shown, told = rng.permutation(len(clips))[:2]
        scene = clips[shown].entry()
        windows = sum(name.startswith("video/") for name in scene)
        window = rng.integers(windows)
        video, audio = (scene[f"{kind}/{window}"][None].float() for kind in ("video", "audio"))
        people = known(clips[told].entry())
        nobody = rng.uniform() < self._drop
        kept = {kind: torch.tensor([not nobody and rng.uniform() >= share]) for kind, share in sorted(_SHARES.items())}
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return Batch(
            video=video,
            audio=audio,
            heard=scene["heard"][None],
            picture_prompt=scene["prompt/video"][None],
            sound_prompt=scene["prompt/audio"][None],
            prompt_mask=scene["prompt/mask"][None],
            people=people.keep(**kept),
            level=torch.randn(1, generator=generator),
            video_noise=torch.randn(video.shape, generator=generator),
            audio_noise=torch.randn(audio.shape, generator=generator),
        )


def _stacked(examples: Sequence[Batch]) -> Batch:
    joined = {
        field.name: torch.cat([getattr(one, field.name) for one in examples])
        for field in fields(Batch)
        if field.name != "people"
    }
    return Batch(**joined, people=IdentityFeatures.stack([one.people for one in examples]))
