"""The autoencoder's first weights against the best that a linear transform of a latent's pixels can do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cameo.backbones.nano import NanoConfig, build
from cameo.training.transform import has_transform, start_from_transform
from cameo.training.video_vae import psnr

SMALL = NanoConfig(
    space=16, time=4, latent_channels=32, encoder_widths=(32, 32, 32, 64), decoder_width=64, decoder_last=32
)


def pictures(count: int, frames: int, seed: int) -> Tensor:
    """Soft blobs of colour that drift: (count, 3, frames, 64, 64)."""
    coarse = torch.randn(count, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    field = functional.interpolate(coarse, 96, mode="bicubic", align_corners=False).mul(0.4).clamp(-1, 1)
    return torch.stack([field[..., 2 * t : 2 * t + 64, t : t + 64] for t in range(frames)], 2)


def batches(seeds: range) -> list[tuple[Tensor, Tensor]]:
    drawn = [pictures(6, 9 if seed % 2 else 1, seed) for seed in seeds]
    return [(x, torch.ones_like(x[:, :1])) for x in drawn]


def principal(train: list[tuple[Tensor, Tensor]], frames: Tensor, count: int) -> Tensor:
    """By singular values: single frames in cells of 16 px through their ``count`` components."""

    def cells(x: Tensor) -> Tensor:
        x = x[:, :, 0].unfold(2, 16, 16).unfold(3, 16, 16)
        return x.permute(0, 2, 3, 1, 4, 5).flatten(3)

    seen = torch.cat([cells(x).flatten(0, 2) for x, _ in train])
    mean = seen.mean(0)
    basis = torch.linalg.svd(seen - mean, full_matrices=False).Vh[:count]
    back = (cells(frames) - mean) @ basis.T @ basis + mean
    return back.unflatten(3, (3, 16, 16)).permute(0, 3, 1, 4, 2, 5).reshape(len(frames), 3, 1, 64, 64)


def test_the_first_weights_are_about_as_good_as_the_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cameo.training.transform._POSITIONS", 4000)
    vae = build(SMALL, ["a"]).vae.eval()
    train, still, clip = batches(range(14)), pictures(6, 1, 99), pictures(6, 9, 98)

    def back(x: Tensor) -> float:
        with torch.no_grad():
            return psnr(vae.decode(vae.encode(x).latent_dist.mode()).sample, x)

    before = back(still), back(clip)
    start_from_transform(vae, train)
    best = psnr(principal(train, still, 32), still)
    assert best > 20
    assert back(still) > best - 3 and back(still) > before[0] + 8
    assert back(clip) > before[1] + 6


def test_which_sizes_have_one() -> None:
    assert has_transform(build(SMALL, ["a"]).vae)
    assert not has_transform(build(NanoConfig(), ["a"]).vae)
