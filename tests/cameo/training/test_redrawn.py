"""Clips drawn again: by a generator that knows the way they are the same, and their frames stay beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cameo.backbones.nano import NanoConfig, build
from cameo.conditioning.attach import attach
from cameo.training import redrawn
from cameo.training.flow import Noised
from cameo.training.pictures import Pictures
from cameo.training.redrawn import Redrawn, draw_again, generator
from tests.cameo.training.test_stages import batch, new_adapter_of


@pytest.mark.parametrize("led", [0.0, 0.5])
def test_a_generator_that_knows_the_way_draws_the_same_clip(led: float, monkeypatch: pytest.MonkeyPatch):
    """And one that strays from it when it is told who is there strays further under guidance."""

    def known(pipeline: object, noisy: Noised) -> tuple[Tensor, Tensor]:
        aside = 0.0 if noisy.batch.captions[0] == "" else led
        return noisy.video_velocity + aside, noisy.audio_velocity

    monkeypatch.setattr(redrawn, "velocities", known)
    pipeline, adapter = build(NanoConfig(layers=1), ["a"]), new_adapter_of(1)
    attach(pipeline.transformer, adapter)
    pipeline.vae.latents_std.fill_(2.0)
    pipeline.vae.latents_mean.fill_(1.0)
    given = batch()
    made = draw_again(pipeline, adapter, given, np.random.default_rng(0))
    strayed = given.video - (made - 1) / 2
    assert strayed.std() < 1e-5
    # From somewhere about half noise, by as much as guidance makes of it.
    low, high = (2.5 * led * share for share in (0.3, 0.65))
    assert low - 1e-5 <= strayed.mean().item() <= high + 1e-5


def test_a_generator_draws_something_else_from_noise():
    pipeline, adapter = build(NanoConfig(layers=1), ["a", "person", "says", "hello"]), new_adapter_of(1)
    attach(pipeline.transformer, adapter)
    given = batch()
    made = draw_again(pipeline, adapter, given, np.random.default_rng(0))
    assert made.shape == given.video.shape and bool(made.isfinite().all())
    assert (made - given.video).std() > 0.1


def test_frames_and_landmarks_are_those_of_the_latents():
    """Every cell of the latents says where it lies, and so does every pixel."""
    rng = np.random.default_rng(0)
    grid = torch.arange(8)
    latents = torch.stack(torch.meshgrid(torch.arange(7), grid, grid, indexing="ij"))[None].expand(2, -1, -1, -1, -1)
    cells = torch.arange(128) // 16
    pixels = torch.stack((*torch.meshgrid(cells, cells, indexing="ij"), torch.zeros(128, 128)), -1).byte()
    pictures = Pictures(
        clips=pixels.expand(3, 2, 25, -1, -1, -1),
        clip_points=torch.from_numpy(rng.uniform(70, 100, (3, 2, 25, 5, 2)).astype(np.float32)),
        references=torch.zeros(3, 1, 1, 1, 3, dtype=torch.uint8),
        reference_points=torch.zeros(3, 1, 5, 2),
    )
    made = Redrawn(latents, torch.tensor([[2, 1], [0, 0]]), pictures)
    for _ in range(20):
        seen, cut = made.window(96, rng)
        assert seen.frames.shape == (1, 3, 25, 96, 96) and cut.shape == (1, 3, 7, 6, 6)
        shown = ((seen.frames[0, :2, 0] + 1) * 127.5).round()
        assert torch.equal(shown[:, ::16, ::16], cut[0, 1:, 0])
        corner = cut[0, [2, 1], 0, 0, 0] * 16
        assert any(torch.equal(seen.points[0] + corner, clip) for clip in pictures.clip_points.flatten(0, 1))
        assert seen.weight.shape == (1, 1, 25, 96, 96)


def test_without_a_generator_nothing_is_drawn(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"cameo\.training\.base"):
        generator(tmp_path)
