"""Flow matching (Lipman et al., 2023) on picture and sound together: the loss of base and adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import LTX2Pipeline, LTX2VideoTransformer3DModel
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from cameo.conditioning.types import IdentityFeatures
from cameo.synth.clips import caption
from cameo.training.people import SIZE
from cameo.training.pictures import face_weight

__all__ = [
    "Batch",
    "Dataset",
    "Noised",
    "compile_blocks",
    "features_of",
    "flow_loss",
    "latent_points",
    "noised",
    "prompt_states",
    "velocities",
    "velocity_loss",
]

FRAME_RATE = 12.5
_NOISE_MEAN, _NOISE_SPREAD = 0.5, 1.3
_AUDIO_WEIGHT = 1.0
_ONCE = 0.1
"""Share of batches whose people are told by a crop that lies still, somewhat beside a head that moves. More of them
teach to mistrust the crop, and to draw less of it."""

_EARLY_OR_LATE = 0.25
"""Seconds by which a time of speech may be told too long, at either end."""


@dataclass(frozen=True)
class Batch:
    """Clips, how they are captioned, and who is in them.

    Attributes:
        video: (B, 128, F, h, w), normalised latents.
        audio: (B, T, D), packed normalised latents.
        captions: B of them.
        people: features of each clip's person, from another clip.
        begins: (B, 2) int, where in its clip each begins, in frames of the video latent and in audio latents.
        weight: (B, F, h, w), how much each video latent matters: most on the faces.
        partners: where two are in each clip, features of those on the right; ``people`` are then on the left.
        spoken: (B, 2, 2), when each of the two may be heard, (begin, end) in seconds.
        sources: (B, 2) int, whose clips these are and which, by number in the dataset; the one with two people, which
            is that of who is on the left, comes after their own. None: of no dataset.
    """

    video: Tensor
    audio: Tensor
    captions: list[str]
    people: IdentityFeatures
    begins: Tensor
    weight: Tensor
    partners: IdentityFeatures | None = None
    spoken: Tensor | None = None
    sources: Tensor | None = None


class Dataset:
    """All latents, in memory: a thousand people are some hundred megabytes.

    Args:
        folder: of the latents.
        below: seeds from here on are left out.
        device: where they are kept.

    Attributes:
        seeds: of the people, in their order.
        points: landmarks of each one's clips, pixels, (N, K, T, 5, 2); ``together_points``, of the two in the one with
            the next person, (N, 2, T, 5, 2).
    """

    def __init__(self, folder: Path, below: int, device: torch.device | str = "cpu") -> None:
        paths = [p for p in sorted(folder.glob("[0-9]*.safetensors")) if int(p.stem) < below]
        if not paths:
            raise SystemExit(f"no latents in {folder}: run `python -m cameo.training.latents` first")
        self.seeds = [int(path.stem) for path in paths]
        video, audio, features = [], [], []
        together_video, together_audio = [], []
        guides, together_guides = [], []
        self.truths: list[list[dict[str, Any]]] = []
        self._together_truths: list[dict[str, Any]] = []
        for path in paths:
            tensors = load_file(path)
            video.append(tensors["video"])
            audio.append(tensors["audio"])
            together_video.append(tensors["together_video"][0])
            together_audio.append(tensors["together_audio"][0])
            features.append(features_of(tensors))
            guides.append(tensors["guides"])
            together_guides.append(tensors["together_guides"])
            with safe_open(path, "pt") as file:
                told = file.metadata()
            self.truths.append(json.loads(told["truths"]))
            self._together_truths += json.loads(told["together_truths"])
        self.video, self.audio = torch.stack(video).to(device), torch.stack(audio).to(device)
        self._together_video = torch.stack(together_video).to(device)
        self._together_audio = torch.stack(together_audio).to(device)
        self.people = IdentityFeatures.stack(features).to(device)
        self._guides, self._together_guides = torch.stack(guides).to(device), torch.stack(together_guides).to(device)
        self._guide_times = tensors["guide_times"].to(device)
        grid = self.video.shape[3:]
        self.points = _points(self.truths, 0)
        self.weight = _face_weight(self.points, *grid).to(device)
        couples = [[truth] for truth in self._together_truths]
        self.together_points = torch.cat([_points(couples, number) for number in (0, 1)], 1)
        self._together_weight = _face_weight(self.together_points, *grid).amax(1).to(device)
        numbers = {seed: number for number, seed in enumerate(self.seeds)}
        self._couples = np.array([(n, numbers[seed + 1]) for seed, n in numbers.items() if seed + 1 in numbers])

    def __len__(self) -> int:
        return len(self.video)

    def batch(self, count: int, rng: np.random.Generator, frames: int | None = None) -> Batch:
        """Clips drawn at random, of random people.

        Args:
            count: of clips.
            rng: draws.
            frames: of the video latent, that many in a row from somewhere in each clip, with the whole sound; None
                takes the clips whole. A moment teaches looks and words for a fraction of what a whole clip costs.
        """
        people, clips = rng.integers(len(self), size=count), rng.integers(self.video.shape[1], size=count)
        guides = self._guides[people, clips]
        video, audio, weight = self.video[people, clips], self.audio[people, clips], self.weight[people, clips]
        begins = np.zeros((count, 2), int)
        if frames is not None:
            begins[:, 0] = rng.integers(video.shape[2] - frames + 1, size=count)
            video = torch.stack([one[:, at : at + frames] for one, at in zip(video, begins[:, 0], strict=True)])
            weight = torch.stack([one[at : at + frames] for one, at in zip(weight, begins[:, 0], strict=True)])
        return Batch(
            video=video.float(),
            audio=audio.float(),
            captions=[self._caption(self.truths[p][c], c, rng) for p, c in zip(people, clips, strict=True)],
            people=self._laid(self.people[torch.from_numpy(people).to(self.video.device)], guides, begins, frames, rng),
            begins=torch.from_numpy(begins),
            weight=weight,
            sources=torch.from_numpy(np.stack([people, clips], 1)),
        )

    @property
    def has_couples(self) -> bool:
        """Whether anybody's neighbour is known too."""
        return len(self._couples) > 0

    def couples(self, count: int, rng: np.random.Generator) -> Batch:
        """Whole clips drawn at random in which two people are beside each other.

        Args:
            count: of clips.
            rng: draws.
        """
        left, right = self._couples[rng.integers(len(self._couples), size=count)].T
        truths = [self._together_truths[n] for n in left]
        # Generation guesses when somebody speaks: what is told is not to the point either.
        spoken = np.array([[member["speaks"] for member in truth["cast"]] for truth in truths])
        spoken += rng.uniform(0, _EARLY_OR_LATE, spoken.shape) * [-1, 1]
        picked, others = (torch.from_numpy(n).to(self.video.device) for n in (left, right))
        begins, guides = np.zeros((count, 2), int), self._together_guides[picked]
        return Batch(
            video=self._together_video[picked].float(),
            audio=self._together_audio[picked].float(),
            captions=[caption(truth, rng) for truth in truths],
            people=self._laid(self.people[picked], guides[:, 0], begins, None, rng),
            begins=torch.from_numpy(begins),
            weight=self._together_weight[picked],
            partners=self._laid(self.people[others], guides[:, 1], begins, None, rng),
            spoken=torch.from_numpy(spoken.astype(np.float32)),
            sources=torch.from_numpy(np.stack([left, np.full_like(left, self.video.shape[1])], 1)),
        )

    def _laid(
        self,
        people: IdentityFeatures,
        guides: Tensor,
        begins: NDArray[np.int64],
        frames: int | None,
        rng: np.random.Generator,
    ) -> IdentityFeatures:
        """The people with their crops laid where the clips show their heads, once for all of it or frame by frame.

        Args:
            people: B of them.
            guides: (B, F + 1, C, h, w), see ``cameo.training.guides``.
            begins: see ``Batch``.
            frames: of the video latent; None: all.
            rng: draws which.
        """
        count, length = len(people), guides.shape[1] - 1
        if rng.uniform() < _ONCE:
            picked, times = guides[:, -1:], torch.full((count, 1), torch.nan, device=guides.device)
        else:
            which = torch.from_numpy(begins[:, :1] + np.arange(frames or length)).to(guides.device)
            picked = guides[torch.arange(count, device=guides.device)[:, None], which]
            times = self._guide_times[which]
        known = people.head_mask[:, :1].expand(times.shape)
        return replace(
            people, head_latents=picked.float() * known[..., None, None, None], head_mask=known, head_times=times
        )

    @staticmethod
    def _caption(truth: dict[str, Any], clip: int, rng: np.random.Generator) -> str:
        # The first clip wears what the reference wears: clothes may come from there. The others must be told.
        return caption(truth, rng, clothes=bool(rng.uniform() < 0.4) if clip == 0 else True)


def features_of(tensors: Mapping[str, Tensor]) -> IdentityFeatures:
    """Of what ``latents`` wrote for one person, how they are told to an adapter."""
    named = {k.removeprefix("features/"): v for k, v in tensors.items() if k.startswith("features/")}
    return IdentityFeatures(**named)


def prompt_states(pipeline: LTX2Pipeline, captions: list[str]) -> tuple[Tensor, Tensor, Tensor]:
    """What the transformer reads of the captions, with gradient: for the picture, for the sound, and the mask."""
    states, mask = pipeline._get_gemma_prompt_embeds(
        captions, max_sequence_length=pipeline.tokenizer.model_max_length, dtype=torch.float32
    )
    return pipeline.connectors(states, mask, padding_side="left")


@dataclass(frozen=True)
class Noised:
    """A batch on its way to noise, both streams equally far, as they are in generation.

    Attributes:
        batch: what it was.
        sigma: (B, 1, 1), the share of noise, 0 to 1.
        video: (B, N, C), packed; ``audio`` (B, T, D).
        video_velocity: (B, N, C), from the batch to the noise; ``audio_velocity`` (B, T, D).
    """

    batch: Batch
    sigma: Tensor
    video: Tensor
    audio: Tensor
    video_velocity: Tensor
    audio_velocity: Tensor


def noised(pipeline: LTX2Pipeline, batch: Batch, rng: np.random.Generator) -> Noised:
    """Mix every scene of a batch with noise, at a level drawn for it."""
    device = pipeline.transformer.device
    video, audio = pipeline._pack_latents(batch.video.to(device)), batch.audio.to(device)
    level = 1 / (1 + np.exp(-rng.normal(_NOISE_MEAN, _NOISE_SPREAD, len(video))))
    sigma = torch.tensor(level, dtype=torch.float32, device=device).view(-1, 1, 1)
    video_velocity, audio_velocity = torch.randn_like(video) - video, torch.randn_like(audio) - audio
    return Noised(
        batch, sigma, video + sigma * video_velocity, audio + sigma * audio_velocity, video_velocity, audio_velocity
    )


def velocities(pipeline: LTX2Pipeline, noisy: Noised) -> tuple[Tensor, Tensor]:
    """What the transformer takes the velocities to be, of the picture and of the sound; float32."""
    batch, timestep = noisy.batch, noisy.sigma.flatten() * 1000
    frames, height, width = batch.video.shape[2:]
    video_coords, audio_coords = _positions(pipeline, batch)
    picture, sound, mask = prompt_states(pipeline, batch.captions)
    video, audio = pipeline.transformer(
        hidden_states=noisy.video,
        audio_hidden_states=noisy.audio,
        encoder_hidden_states=picture,
        audio_encoder_hidden_states=sound,
        timestep=timestep,
        sigma=timestep,
        encoder_attention_mask=mask,
        audio_encoder_attention_mask=mask,
        num_frames=frames,
        height=height,
        width=width,
        fps=FRAME_RATE,
        audio_num_frames=noisy.audio.shape[1],
        video_coords=video_coords.to(noisy.video.device),
        audio_coords=audio_coords.to(noisy.video.device),
        return_dict=False,
    )
    return video.float(), audio.float()


def flow_loss(pipeline: LTX2Pipeline, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """``velocity_loss`` of a batch at some level of noise."""
    noisy = noised(pipeline, batch, rng)
    return velocity_loss(noisy, *velocities(pipeline, noisy))


def velocity_loss(noisy: Noised, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error of the velocity, of the picture, weighted, and of the sound."""
    batch = noisy.batch
    weight = batch.weight.to(video.device).flatten(1)[..., None]
    error = (video - noisy.video_velocity).square()
    return (
        (weight * error).mean() / weight.mean(),
        functional.mse_loss(audio, noisy.audio_velocity) * _AUDIO_WEIGHT,
    )


def compile_blocks(transformer: LTX2VideoTransformer3DModel) -> None:
    """Compile the transformer's blocks, which share one program, for every shape that training shows them: clips and
    moments, with one crop of a head to all of them, with somebody or nobody."""
    torch._dynamo.config.recompile_limit = 64
    for block in transformer.transformer_blocks:
        block.compile(dynamic=False)


def _points(truths: Sequence[Sequence[dict[str, Any]]], member: int) -> Tensor:
    """(N, K, T, 5, 2): the landmarks of one of the cast."""
    return torch.tensor([[clip["cast"][member]["landmarks"] for clip in clips] for clips in truths])


def _face_weight(points: Tensor, frames: int, height: int, width: int) -> Tensor:
    """(N, K, frames, height, width) for the cells of the latents of whole clips, from landmarks (N, K, T, 5, 2) in
    pixels."""
    return face_weight(latent_points(points, frames) * width / SIZE - 0.5, height, width)


def latent_points(points: Tensor, frames: int) -> Tensor:
    """(..., frames, 5, 2): landmarks of clips (..., T, 5, 2) at their latent frames."""
    ratio = (points.shape[-3] - 1) // (frames - 1)
    # The first frame has a latent of its own.
    first, rest = points[..., :1, :, :], points[..., 1 : 1 + (frames - 1) * ratio, :, :]
    return torch.cat([first, rest.unflatten(-3, (frames - 1, ratio)).mean(-3)], -3)


def _positions(pipeline: LTX2Pipeline, batch: Batch) -> tuple[Tensor, Tensor]:
    """Where and when the tokens of a batch are: (B or 1, 3, N, 2) of the picture and (B or 1, 1, T, 2) of the sound, as
    the transformer would lay them out for the whole clip; one row where all begin with their clips."""
    frames, height, width = batch.video.shape[2:]
    transformer, length = pipeline.transformer, batch.audio.shape[1]
    first, heard = (int(last) for last in batch.begins.amax(0))
    video = transformer.rope.prepare_video_coords(1, first + frames, height, width, "cpu", fps=FRAME_RATE)[0]
    audio = transformer.audio_rope.prepare_audio_coords(1, heard + length, "cpu")[0]
    grid = height * width
    if not first and not heard:
        return video[None], audio[None]
    return (
        torch.stack([video[:, at * grid : (at + frames) * grid] for at in batch.begins[:, 0].tolist()]),
        torch.stack([audio[:, at : at + length] for at in batch.begins[:, 1].tolist()]),
    )
