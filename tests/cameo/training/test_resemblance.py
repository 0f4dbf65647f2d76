"""Faces that velocities lead to, seen by a recogniser: those of that clip at that time, where the noise is low."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import LTX2Pipeline
from safetensors.torch import save_file
from torch import Tensor

from cameo.backbones.checkpoint import NANO
from cameo.training.flow import Batch, Noised
from cameo.training.resemblance import Resemblance
from cameo.training.shards import Shards
from tests.cameo.training.test_recognition import a_face, descriptors
from tests.cameo.training.test_stages import people

SEEDS = (3, 8)


@pytest.fixture(scope="module")
def pipeline() -> LTX2Pipeline:
    pipeline = LTX2Pipeline.from_pretrained(NANO, dtype=torch.float32)
    pipeline.vae.requires_grad_(False)
    return pipeline


@pytest.fixture(scope="module")
def clips() -> tuple[Tensor, Tensor]:
    """Two people, each in a clip that begins with the other one's face: (2, 3, 9, 128, 128), and landmarks."""
    (one, points), (other, others) = (a_face(seed) for seed in SEEDS)
    frames = [torch.stack([a[0], *[b[0]] * 8], 1) for a, b in ((other, one), (one, other))]
    return torch.stack(frames), torch.stack([torch.cat([a, *[b] * 8]) for a, b in ((others, points), (points, others))])


@pytest.fixture(scope="module")
def resemblance(
    pipeline: LTX2Pipeline, clips: tuple[Tensor, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Resemblance:
    folder = tmp_path_factory.mktemp("people")
    pixels = ((clips[0] + 1) * 127.5).round().byte().movedim(1, -1)
    # As a clip of two serves what the other one has of their own.
    for seed, alone, together in zip(SEEDS, pixels, pixels.flip(0), strict=True):
        tensors = {"frames": alone[None], "together_frames": together[None]}
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / f"{seed:06d}.safetensors")
    # Whoever has latents need not come in the order of the shards.
    points = clips[1].flip(0)
    data = SimpleNamespace(
        seeds=list(reversed(SEEDS)),
        # As they were enrolled: by what each one's clip begins with.
        people=replace(people(2), face=descriptors(*(a_face(seed) for seed in SEEDS))[:, None]),
        points=points[:, None],
        together_points=points.flip(0)[:, None].expand(-1, 2, -1, -1, -1),
    )
    # Both in a clip of two are drawn in the same place here, and are one person.
    return replace(Resemblance.of(pipeline, data, Shards.open(folder), faces=6), beside=torch.arange(2))


def on_the_way(
    pipeline: LTX2Pipeline, latents: Tensor, sigma: list[float], sources: list[int], at: int = 0, clip: int = 0
) -> Noised:
    """Latents (B, C, F, h, w) of the clips of those people, by their numbers in the data, mixed with noise."""
    count = len(latents)
    batch = Batch(
        video=latents,
        audio=torch.zeros(count, 1, 64),
        captions=["a"] * count,
        people=people(count),
        begins=torch.full((count, 2), at),
        weight=torch.ones(count, *latents.shape[2:]),
        sources=torch.tensor([[number, clip] for number in sources]),
    )
    clean, share = pipeline._pack_latents(latents), torch.tensor(sigma).view(-1, 1, 1)
    velocity = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) - clean
    still = torch.zeros_like(batch.audio)
    return Noised(batch, share, clean + share * velocity, batch.audio, velocity, still)


@pytest.fixture(scope="module")
def latents(pipeline: LTX2Pipeline, clips: tuple[Tensor, Tensor]) -> Tensor:
    with torch.no_grad():
        found = pipeline.vae.encode(clips[0]).latent_dist.mode()
    return pipeline._normalize_latents(found, pipeline.vae.latents_mean, pipeline.vae.latents_std)


def test_a_face_is_taken_for_whose_clip_it_is(pipeline: LTX2Pipeline, resemblance: Resemblance, latents: Tensor):
    noisy = on_the_way(pipeline, latents[:, :, :1], [0.5, 0.5], [1, 0])
    gallery = resemblance.gallery
    swapped = replace(resemblance, gallery=replace(gallery, directions=gallery.directions.flip(0)))
    own, other = (one(noisy, noisy.video_velocity, np.random.default_rng(0)) for one in (resemblance, swapped))
    assert own is not None and other is not None
    assert own.item() < other.item() - 1


def test_beside_somebody_is_the_next_person(pipeline: LTX2Pipeline, tmp_path: Path):
    for seed in (3, 4, 6):
        frames = torch.zeros(1, 1, 128, 128, 3, dtype=torch.uint8)
        save_file({"frames": frames, "together_frames": frames + 0}, tmp_path / f"{seed:06d}.safetensors")
    points = torch.zeros(3, 1, 1, 5, 2)
    data = SimpleNamespace(
        seeds=[4, 3, 6], people=people(3), points=points, together_points=points.expand(-1, 2, -1, -1, -1)
    )
    assert Resemblance.of(pipeline, data, Shards.open(tmp_path), faces=1).beside.tolist() == [-1, 0, -1]


@pytest.mark.parametrize(("frames", "clip"), [(1, 0), (3, 0), (3, 1)])
def test_the_truth_costs_less_than_somebody_else(
    pipeline: LTX2Pipeline, resemblance: Resemblance, latents: Tensor, frames: int, clip: int
):
    """In a single frame it is the first that is looked at, in a clip one of the others, who are other people. Clips of
    two people come after those of one."""
    # By how they look beside the true frame alone: nobody is taken for anybody.
    gallery = replace(resemblance.gallery, directions=torch.zeros_like(resemblance.gallery.directions))
    resemblance = replace(resemblance, gallery=gallery)
    video = (latents if clip == 0 else latents.flip(0))[:, :, :frames]
    right, wrong = (on_the_way(pipeline, video, [0.5, 0.5], sources, clip=clip) for sources in ([1, 0], [0, 1]))
    true, false = (resemblance(n, n.video_velocity, np.random.default_rng(0)) for n in (right, wrong))
    assert true is not None and false is not None
    assert true.item() < 0.75 * false.item()


def test_only_faces_with_little_noise_teach(pipeline: LTX2Pipeline, resemblance: Resemblance, latents: Tensor):
    noisy = on_the_way(pipeline, latents, [0.95, 0.4], [1, 0])
    velocity = (noisy.video_velocity * 0.9).requires_grad_()
    unlike = resemblance(noisy, velocity, np.random.default_rng(0))
    assert unlike is not None
    unlike.backward()
    assert velocity.grad is not None
    assert float(velocity.grad[0].abs().sum()) == 0 < float(velocity.grad[1].abs().sum())
    assert all(weight.grad is None for weight in pipeline.vae.parameters())


def test_nothing_is_said_where_no_face_can_be_told(pipeline: LTX2Pipeline, resemblance: Resemblance, latents: Tensor):
    rng, video = np.random.default_rng(0), latents[:, :, :1]
    later = on_the_way(pipeline, video, [0.5, 0.5], [1, 0], at=2)
    dark = on_the_way(pipeline, video, [0.9, 0.9], [1, 0])
    two = on_the_way(pipeline, latents, [0.5, 0.5], [1, 0])
    two = replace(two, batch=replace(two.batch, sources=None))
    assert [resemblance(n, n.video_velocity, rng) for n in (later, dark, two)] == [None] * 3
