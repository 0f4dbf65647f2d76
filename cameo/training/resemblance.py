"""Whether those who are drawn look like themselves, as a loss beside flow matching.

The error of a velocity counts all that can be drawn alike, and what tells faces apart is little of it. So where the
noise is low, the clip that the velocity leads to is decoded about the head, and a recogniser (``recognition``) compares
it with the true one. As in PuLID (Guo et al., NeurIPS 2024), but frame by frame, and without a second generator: a
single step is enough where little noise is left. The decoder stays as it is, and so what it blurs can be allowed for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from diffusers import LTX2Pipeline
from torch import Tensor

from cameo.training.flow import Dataset, Noised
from cameo.training.recognition import Gallery, chips, recognition_loss, told_apart
from cameo.training.shards import Shards, to_unit
from cameo.training.video_vae import fold_time

__all__ = ["Resemblance"]

_CLEAR: Final = 0.85
"""Share of noise up to which a face can be told from a single step."""
_MOVING: Final = 3
"""Single frames that cost as much as one among others."""
_CELLS: Final = 6
"""Edge of what is decoded about a head, in cells of the latent."""
_AROUND: Final = 3
"""Latent frames decoded of a clip; the middle one is looked at."""


@dataclass(frozen=True)
class _Look:
    """Attributes:
    latents: which latent frames are decoded.
    decoded: which of the frames that come of them is looked at.
    frame: which of the clip that is.
    """

    latents: slice
    decoded: int
    frame: int


_FIRST: Final = _Look(slice(0, 1), 0, 0)


@dataclass(frozen=True, eq=False)
class Resemblance:
    """The loss, with the true clips it compares with.

    Attributes:
        pipeline: whose video autoencoder decodes; its single frames are decoded as the pictures they are.
        frames: of every clip of a dataset, those with two people last, RGB uint8, (N, K + 1, T, H, W, 3).
        points: landmarks of the one or two in them, pixels, (N, K + 1, 2, T, 5, 2).
        gallery: of all the people.
        beside: who is on the right of each in the clip with two people, by number; -1: nobody of the dataset, (N,).
        faces: compared in a step on single frames, at most; on clips a third of them.
    """

    pipeline: LTX2Pipeline
    frames: Tensor
    points: Tensor
    gallery: Gallery
    beside: Tensor
    faces: int

    @classmethod
    def of(cls, pipeline: LTX2Pipeline, data: Dataset, shards: Shards, faces: int) -> Resemblance:
        """For the clips of ``data``, whose pictures are in ``shards``.

        Args:
            pipeline: see above.
            data: latents of clips.
            shards: with everybody of ``data``.
            faces: see above.
        """
        fold_time(pipeline.vae)
        numbers = {int(path.stem): number for number, path in enumerate(shards.paths)}
        names = ("frames", "together_frames")
        everybody = [[shards.tensor(numbers[seed], name) for name in names] for seed in data.seeds]
        frames = torch.from_numpy(np.stack([np.concatenate(clips) for clips in everybody]))
        alone = data.points[:, :, None].expand(-1, -1, 2, -1, -1, -1)
        points = torch.cat([alone, data.together_points[:, None]], 1)
        beside = torch.tensor([data.seeds.index(seed + 1) if seed + 1 in data.seeds else -1 for seed in data.seeds])
        return cls(pipeline, frames, points, Gallery.of(data.people.face[:, 0].float()), beside, faces)

    def __call__(self, noisy: Noised, velocity: Tensor, rng: np.random.Generator) -> Tensor | None:
        """``recognition_loss`` of some of the faces that the velocities lead to.

        Args:
            noisy: a batch on its way to noise.
            velocity: of its picture, (B, N, C), float32.
            rng: draws whose faces, and when.

        Returns:
            None where there is none to be told.
        """
        batch = noisy.batch
        if batch.sources is None:
            return None
        chosen = self._chosen(noisy, rng)
        if not chosen:
            return None
        video = self._led_to(noisy, velocity)
        drawn, true, where, who = [], [], [], []
        for number, look in chosen:
            person, clip = batch.sources[number].tolist()
            # Of two in a clip either may be looked at.
            member = int(rng.integers(2))
            points = self.points[person, clip, member, look.frame]
            both = clip == self.frames.shape[1] - 1
            who.append(int(self.beside[person]) if both and member else person)
            corner = _corner(points, video.shape[-1], self._cell)
            rows, columns = (slice(at, at + _CELLS) for at in reversed(corner))
            decoded = self._decode(video[number : number + 1, :, look.latents, rows, columns])
            drawn.append(decoded[0, :, look.decoded])
            rows, columns = (slice(at * self._cell, (at + _CELLS) * self._cell) for at in reversed(corner))
            true.append(to_unit(self.frames[person, clip, look.frame, rows, columns][None].numpy())[:, 0])
            where.append(points - torch.tensor(corner) * self._cell)
        points = torch.stack(where)
        whole = told_apart(points, _CELLS * self._cell)
        if not len(whole):
            return None
        ours, theirs = torch.stack(drawn)[whole], torch.stack(true)[whole.cpu()].to(video.device)
        names = torch.tensor(who, device=video.device)[whole.to(video.device)]
        return recognition_loss(chips(ours, points[whole]), chips(theirs, points[whole]), self.gallery, names)

    def _chosen(self, noisy: Noised, rng: np.random.Generator) -> list[tuple[int, _Look]]:
        """Who is looked at, by their numbers in the batch, and when."""
        batch = noisy.batch
        length, clear = batch.video.shape[2], noisy.sigma.flatten().cpu().numpy() < _CLEAR
        if length == 1:
            # The latent of a first frame is that frame; of any other, the decoder has to see what is around it.
            first = batch.begins[:, 0].numpy() == 0
            return [(int(n), _FIRST) for n in rng.permutation(np.flatnonzero(clear & first))[: self.faces]]
        found = rng.permutation(np.flatnonzero(clear))[: max(1, self.faces // _MOVING)]
        return [(int(n), self._look(int(rng.integers(length - _AROUND + 1)), rng)) for n in found]

    def _look(self, start: int, rng: np.random.Generator) -> _Look:
        ratio = self.pipeline.vae_temporal_compression_ratio
        within = 1 + int(rng.integers(ratio))
        return _Look(slice(start, start + _AROUND), within, start * ratio + within)

    @property
    def _cell(self) -> int:
        """Pixels that share a cell of the latent, across."""
        return int(self.pipeline.vae_spatial_compression_ratio)

    def _led_to(self, noisy: Noised, velocity: Tensor) -> Tensor:
        """(B, C, F, h, w): latents without noise, as the decoder takes them."""
        vae = self.pipeline.vae
        clean = self.pipeline._unpack_latents(noisy.video - noisy.sigma * velocity, *noisy.batch.video.shape[2:])
        return self.pipeline._denormalize_latents(clean, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)

    def _decode(self, latents: Tensor) -> Tensor:
        """In full precision, as the autoencoder learned."""
        with torch.autocast(latents.device.type, enabled=False):
            return self.pipeline.vae.decode(latents.float()).sample


def _corner(points: Tensor, width: int, cell: int) -> tuple[int, int]:
    """Column and row, in cells, from where what is decoded has the face in its middle."""
    x, y = (points.mean(0) / cell - _CELLS / 2).round().clamp(0, width - _CELLS).int().tolist()
    return x, y
