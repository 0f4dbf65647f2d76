"""Stills and short clips of made-up faces, as the video autoencoder learns from them: all in memory, cut on the device.

A batch costs a few gathers, so that an accelerator does not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cameo.training.shards import Shards

__all__ = ["CLIP", "Pictures", "Windows", "face_weight"]

CLIP = 9
"""Frames of a clip to learn from, where nothing else is said."""

_REFERENCES = 0.3
_FACES = 0.75


@dataclass(frozen=True)
class Windows:
    """What is cut out of pictures.

    Attributes:
        frames: (B, 3, T, edge, edge) in [-1, 1].
        points: of the face, pixels of the window, (B, T, 5, 2).
        weight: how much each pixel matters, (B, 1, T, edge, edge).
    """

    frames: Tensor
    points: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Pictures:
    """Every clip and reference with its landmarks: some megabytes a person.

    Attributes:
        clips: RGB uint8, (N, K, T, H, W, 3).
        clip_points: pixels, (N, K, T, 5, 2).
        references: RGB uint8, (N, R, S, S, 3).
        reference_points: pixels, (N, R, 5, 2).
    """

    clips: Tensor
    clip_points: Tensor
    references: Tensor
    reference_points: Tensor

    @classmethod
    def load(cls, shards: Shards, device: torch.device | str = "cpu") -> Pictures:
        everyone = range(len(shards))
        truths = [[clip["cast"][0]["landmarks"] for clip in shards.truths(i)["clips"]] for i in everyone]

        def all_of(name: str) -> Tensor:
            return torch.from_numpy(np.stack([shards.tensor(i, name) for i in everyone])).to(device)

        return cls(
            clips=all_of("frames"),
            clip_points=torch.from_numpy(np.array(truths, np.float32)).to(device),
            references=all_of("reference_frames"),
            reference_points=all_of("reference_landmarks"),
        )

    def stills(self, count: int, edge: int, rng: np.random.Generator) -> Windows:
        """Single frames of clips, or of references, whose crops go through the encoder too; most of them cut about the
        face, where they are cut."""
        people = rng.integers(len(self.clips), size=count)
        if rng.uniform() < _REFERENCES:
            which = rng.integers(self.references.shape[1], size=count)
            frames, points = self.references[people, which], self.reference_points[people, which]
            frames, points = _closer(frames, points, self.clips.shape[3], rng)
        else:
            which, when = (rng.integers(size, size=count) for size in self.clips.shape[1:3])
            frames, points = self.clips[people, which, when].float(), self.clip_points[people, which, when]
        return _cut(frames[:, None], points[:, None], edge, rng)

    def moving(self, count: int, edge: int, rng: np.random.Generator, length: int = CLIP) -> Windows:
        """Clips of ``length`` frames, likewise."""
        people, which = rng.integers(len(self.clips), size=count), rng.integers(self.clips.shape[1], size=count)
        when = rng.integers(self.clips.shape[2] - length + 1, size=count)[:, None] + np.arange(length)
        frames = self.clips[people[:, None], which[:, None], when].float()
        return _cut(frames, self.clip_points[people[:, None], which[:, None], when], edge, rng)


def face_weight(points: Tensor, height: int, width: int) -> Tensor:
    """(..., height, width): 1 in the background, 5 in the middle of the face; of landmarks (..., 5, 2)."""
    centre = points.mean(-2)
    spread = (points - centre[..., None, :]).norm(dim=-1).amax(-1).clamp(min=1.0) * 1.3
    y = torch.arange(height, device=points.device)[:, None]
    x = torch.arange(width, device=points.device)
    far = (x - centre[..., 0, None, None]) ** 2 + (y - centre[..., 1, None, None]) ** 2
    return 1 + 4 * torch.exp(-((far / spread[..., None, None] ** 2) ** 2))


def _cut(frames: Tensor, points: Tensor, edge: int, rng: np.random.Generator) -> Windows:
    """Windows of (B, T, H, W, 3), 0 to 255, the same through a clip; half of them mirrored."""
    count, _, height, width, _ = frames.shape
    middle = points.mean((1, 2)).cpu().numpy()
    near = middle - edge / 2 + rng.uniform(-0.3, 0.3, (count, 2)) * edge
    room = np.array([width - edge, height - edge])
    corner = np.where(rng.uniform(size=(count, 1)) < _FACES, near, rng.uniform(size=(count, 2)) * room)
    left, top = np.clip(corner, 0, room).round().astype(int).T
    mirrored = rng.uniform(size=count) < 0.5
    pictures = torch.stack(
        [
            (window.flip(2) if flip else window)
            for window, flip in (
                (frames[i, :, top[i] : top[i] + edge, left[i] : left[i] + edge], mirrored[i]) for i in range(count)
            )
        ]
    )
    shift = torch.as_tensor(np.stack([left, top], -1), dtype=points.dtype, device=points.device)
    moved = points - shift[:, None, None]
    flips = torch.as_tensor(mirrored, device=points.device)[:, None, None]
    moved = torch.where(flips[..., None], _mirrored(moved, edge), moved)
    return Windows(pictures.movedim(-1, 1) / 127.5 - 1, moved, face_weight(moved, edge, edge)[:, None])


def _mirrored(points: Tensor, width: int) -> Tensor:
    """Landmarks (..., 5, 2) in the mirror: what was left is right, and is named so."""
    flipped = torch.stack([width - 1 - points[..., 0], points[..., 1]], -1)
    return flipped[..., [1, 0, 2, 4, 3], :]


def _closer(frames: Tensor, points: Tensor, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Cut a random square about the head out of each of (B, S, S, 3) and make it ``size`` pixels wide."""
    count, full = len(frames), frames.shape[1]
    edge = torch.as_tensor(rng.uniform(0.6, 1.0, count) * full, dtype=torch.float32, device=frames.device)
    corner = torch.as_tensor(rng.uniform(size=(count, 2)) * [1.0, 0.6], dtype=torch.float32, device=frames.device)
    corner = corner * (full - edge)[:, None]
    middle = (corner + edge[:, None] / 2) * 2 / full - 1
    theta = torch.zeros(count, 2, 3, device=frames.device)
    theta[:, 0, 0] = theta[:, 1, 1] = edge / full
    theta[:, :, 2] = middle
    grid = functional.affine_grid(theta, [count, 3, size, size], align_corners=False)
    near = functional.grid_sample(frames.movedim(-1, 1).float(), grid, padding_mode="border", align_corners=False)
    return near.movedim(1, -1), (points - corner[:, None]) * (size / edge)[:, None, None]
