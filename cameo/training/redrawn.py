"""Clips as the generator draws them again from half noise, with what they truly show: for a decoder to learn from.

A decoder that only ever saw what an encoder made shows every flaw of a generator's latents as it is. Where a clip is
noised half-way and made clean again (as by Meng et al., "SDEdit", ICLR 2022), its latents have the generator's flaws,
and the true frames still belong to them.
"""

from __future__ import annotations

import itertools
import typing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers import LTX2Pipeline
from torch import Tensor

from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.attach import attach
from cameo.training.casting import cast
from cameo.training.flow import Batch, Dataset, Noised, noised, velocities
from cameo.training.nano_adapter import base_adapter
from cameo.training.parts import base
from cameo.training.pictures import Pictures, Windows, face_weight

__all__ = ["Redrawn", "draw_again", "generator"]

_NOISE: Final = (0.3, 0.65)
_STEPS: Final = 4
_GUIDANCE: Final = 2.5
_AT_ONCE: Final = 4


@dataclass(frozen=True, eq=False)
class Redrawn:
    """Clips drawn again.

    Attributes:
        latents: as the decoder takes them, (M, C, F, h, w).
        sources: whose clips they are and which, by number in ``pictures``, (M, 2).
        pictures: what they truly show.
    """

    latents: Tensor
    sources: Tensor
    pictures: Pictures

    @classmethod
    def of(cls, runs: Path, data: Dataset, pictures: Pictures, seeds: list[int], count: int, seed: int) -> Redrawn:
        """Draw clips again with what ``base`` has learned.

        Args:
            runs: folder of the run.
            data: latents of clips.
            pictures: the same clips, and more.
            seeds: of the people in ``pictures``, in their order.
            count: clips, at least.
            seed: of what is drawn.
        """
        pipeline, adapter = generator(runs)
        pipeline.to(data.video.device)
        adapter.to(data.video.device)
        numbers = torch.tensor([seeds.index(one) for one in data.seeds])
        rng = np.random.default_rng([0x4ED4, seed])
        latents, sources = [], []
        for _ in range(0, count, _AT_ONCE):
            batch = data.batch(_AT_ONCE, rng)
            people, clips = typing.cast("Tensor", batch.sources).unbind(1)
            latents.append(draw_again(pipeline, adapter, batch, rng).half())
            sources.append(torch.stack([numbers[people], clips], 1))
        return cls(torch.cat(latents), torch.cat(sources), pictures)

    def window(self, edge: int, rng: np.random.Generator) -> tuple[Windows, Tensor]:
        """What one of the clips shows about the face, all through, and the latents of that.

        Args:
            edge: pixels, in whole cells of the latent.
            rng: draws.
        """
        number = int(rng.integers(len(self.latents)))
        person, clip = self.sources[number].tolist()
        frames, points = self.pictures.clips[person, clip], self.pictures.clip_points[person, clip]
        cell = frames.shape[1] // self.latents.shape[-2]
        cells, room = edge // cell, (frames.shape[1] - edge) // cell
        near = points.mean((0, 1)).cpu().numpy() - edge / 2 + rng.uniform(-0.2, 0.2, 2) * edge
        left, top = np.clip((near / cell).round().astype(int), 0, room)
        shown = frames[:, top * cell : top * cell + edge, left * cell : left * cell + edge]
        moved = points - torch.tensor([left, top], device=points.device) * cell
        seen = Windows(
            shown.movedim(-1, 0).float()[None] / 127.5 - 1, moved[None], face_weight(moved, edge, edge)[None, None]
        )
        return seen, self.latents[number, :, :, top : top + cells, left : left + cells][None].float()


def generator(runs: Path) -> tuple[LTX2Pipeline, IdentityAdapter]:
    """What ``base`` has learned, averaged weights; the adapter is attached.

    Raises:
        SystemExit: it has not run.
    """
    if not (runs / "base" / "checkpoint.safetensors").exists():
        raise SystemExit(f"nothing draws in {runs}: run `python -m cameo.training.base` first")
    pipeline, adapter = base(runs), base_adapter(runs).eval().requires_grad_(False)
    pipeline.transformer.eval()
    attach(pipeline.transformer, adapter)
    return pipeline, adapter


@torch.no_grad()
def draw_again(
    pipeline: LTX2Pipeline,
    adapter: IdentityAdapter,
    batch: Batch,
    rng: np.random.Generator,
    noise: tuple[float, float] = _NOISE,
    steps: int = _STEPS,
) -> Tensor:
    """(B, C, F, h, w): latents of the batch's clips, as the decoder takes them, from part noise by Euler steps under
    classifier-free guidance.

    Args:
        pipeline: and ``adapter``, see ``generator``.
        batch: of clips, with one person in each or two.
        rng: draws how much noise.
        noise: the share it is begun from lies between these, 0 to 1.
        steps: to none.
    """
    nobody = replace(batch, captions=[""] * len(batch.captions), people=batch.people.null_like())
    noisy = noised(pipeline, batch, rng)
    begun = float(rng.uniform(*noise))
    levels = np.linspace(begun, 0, steps + 1)
    clean = (pipeline._pack_latents(batch.video), batch.audio)
    ways = (noisy.video_velocity, noisy.audio_velocity)
    video, audio = (one.to(way.device) + begun * way for one, way in zip(clean, ways, strict=True))
    for now, then in itertools.pairwise(levels):
        at = replace(noisy, sigma=torch.full_like(noisy.sigma, now), video=video, audio=audio)
        led, not_led = (_velocities(pipeline, adapter, replace(at, batch=told)) for told in (batch, nobody))
        video, audio = (
            x + (then - now) * (without + _GUIDANCE * (towards - without))
            for x, towards, without in zip((video, audio), led, not_led, strict=True)
        )
    vae = pipeline.vae
    latents = pipeline._unpack_latents(video, *batch.video.shape[2:])
    return pipeline._denormalize_latents(latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)


def _velocities(pipeline: LTX2Pipeline, adapter: IdentityAdapter, noisy: Noised) -> tuple[Tensor, Tensor]:
    with cast(pipeline.transformer, adapter, noisy.batch):
        return velocities(pipeline, noisy)
