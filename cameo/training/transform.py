"""Start a video autoencoder from the Karhunen-Loève transform, so that its first step is better than its
ten-thousandth from random weights.

The path without residual blocks is nearly linear: convolutions, space to depth and back, a normalisation and a gate at
either end. It is fitted to pictures stage by stage, encoder first:

- downsampling convolutions become principal components of what reaches them, loud enough to drown the mean
  that a downsampler adds to its output;
- the encoder's last convolution gives the principal components of a whole latent's pixels, by least squares;
- each convolution of the decoder gives, by least squares over its 3×3×3 neighbourhood, the components of the finer
  cells it draws, and the last one pixels.

A large constant in every channel before the two gates (SiLU after root mean square) keeps both near linear. Residual
blocks begin silent and learn the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, cast

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import LTX2VideoResnetBlock3d, LTX2VideoUpsampler3d
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["has_transform", "start_from_transform"]

_GAIN: Final = 2.0
_OFFSET: Final = 8.0
"""Standard deviations that the constant before a gate is away from zero."""
_POSITIONS: Final = 60_000
_RIDGE: Final = 1e-6

Batches = list[tuple[Tensor, Tensor]]
"""Clips (B, 3, T, H, W) in [-1, 1], of one frame or of a multiple of the latent's frames and one; and how much a pixel
matters, (B, 1, T, H, W)."""


def has_transform(vae: AutoencoderKLLTX2Video) -> bool:
    """Whether the path without residual blocks leads all the way: no stage of the decoder changes its width."""
    return all(block.conv_in is None for block in vae.decoder.up_blocks)


@torch.no_grad()
def start_from_transform(vae: AutoencoderKLLTX2Video, batches: Batches, seed: int = 0) -> None:
    """Give ``vae`` its first weights.

    Args:
        vae: one that ``has_transform``.
        batches: some hundred pictures and clips.
        seed: which positions are fitted to.
    """
    rng = torch.Generator().manual_seed(seed)
    for block in vae.modules():
        if isinstance(block, LTX2VideoResnetBlock3d):
            block.conv2.conv.weight.mul_(0.0)
            block.conv2.conv.bias.zero_()
    _encoder(vae, batches, rng)
    _decoder(vae, batches, rng)


def _encoder(vae: AutoencoderKLLTX2Video, batches: Batches, rng: torch.Generator) -> None:
    encoder, config = vae.encoder, vae.config
    patch = config.patch_size
    downs = [block.downsamplers[0] for block in encoder.down_blocks]
    first = downs[0].conv.conv
    kept = first.out_channels
    # A downsampler adds to its output o the mean of its input o: inputs that are copies make that harmless.
    copies = encoder.conv_in.conv.out_channels // kept
    cells = _sampled([(_cells(x, patch, 1), w) for x, w in batches], _POSITIONS, rng, patch, 1)
    mean, basis, spread = _principal(*cells, kept)
    into = encoder.conv_in.conv
    rows = (basis / spread[0]).T.repeat_interleave(copies, 0)
    _set(into, _patch_order(rows, patch), -rows @ mean)
    _set(first, _GAIN * torch.eye(into.out_channels)[::copies][:kept])
    for index, down in enumerate(downs[1:], 1):
        conv = down.conv.conv
        if conv.out_channels == conv.in_channels:  # nothing is thrown away: what the downsampler adds is all there is
            _set(conv)
            continue
        hidden, matters = _inside(batches, functools.partial(_down_to, vae, stage=index))
        mean, basis, spread = _principal(
            *_sampled(list(zip(hidden, matters, strict=True)), _POSITIONS, rng), conv.out_channels
        )
        _set(conv, _GAIN * basis.T, -_GAIN * basis.T @ mean)
    last = downs[-1].conv.conv
    hidden, _ = _inside(batches, functools.partial(_down_to, vae, stage=len(downs)))
    loud = torch.cat([h.movedim(1, 0).flatten(1) for h in hidden], 1).std()
    _bias(last).add_(_OFFSET * loud)
    space, time = config.spatial_compression_ratio, config.temporal_compression_ratio
    targets = [(_cells(x, space, time), w) for x, w in batches]
    mean, basis, spread = _principal(*_sampled(targets, _POSITIONS, rng, space, time), config.latent_channels)
    scale = (spread * spread[-1]).sqrt()
    wanted = [((c.movedim(1, -1) - mean) @ basis / scale).movedim(-1, 1) for c, _ in targets]
    # The output behind the last latent is its logarithmic variance, which nothing reads: it stays zero.
    gated = [_gate(_down_to(vae, x, len(downs))) for x, _ in batches]
    _fit(encoder.conv_out.conv, gated, wanted, _pool(batches, space, time), rng, causal=True)


def _decoder(vae: AutoencoderKLLTX2Video, batches: Batches, rng: torch.Generator) -> None:
    decoder, config = vae.decoder, vae.config
    space, time = config.spatial_compression_ratio, config.temporal_compression_ratio
    hidden = [vae.encode(x).latent_dist.mode() for x, _ in batches]
    wanted = _components(batches, space, time, decoder.conv_in.conv.out_channels, rng)
    _fit(decoder.conv_in.conv, hidden, wanted, _pool(batches, space, time), rng)
    hidden = [decoder.conv_in(h, causal=False) for h in hidden]
    for index, block in enumerate(decoder.up_blocks):
        up = block.upsamplers[0]
        space, time = space // up.stride[1], time // up.stride[0]
        width = up.conv.conv.out_channels // int(np.prod(up.stride))
        last = index == len(decoder.up_blocks) - 1
        wanted = _components(batches, space, time, width, rng)
        if last:
            loud = float(torch.cat([w.flatten() for w in wanted]).std())
            wanted = [w + _OFFSET * loud for w in wanted]
        _fit_up(up, hidden, wanted, _pool(batches, space, time), rng)
        hidden = [up(h, causal=False) for h in hidden]
    pixels = [_patchify(x, config.patch_size) for x, _ in batches]
    _fit(decoder.conv_out.conv, [_gate(h) for h in hidden], pixels, _pool(batches, space, time), rng)


def _down_to(vae: AutoencoderKLLTX2Video, x: Tensor, stage: int) -> Tensor:
    """What leaves the encoder's first ``stage`` blocks."""
    encoder = vae.encoder
    hidden = encoder.conv_in(_patchify(x, vae.config.patch_size), causal=True)
    for block in encoder.down_blocks[:stage]:
        hidden = block(hidden, causal=True)
    return hidden


def _inside(batches: Batches, inner: Callable[[Tensor], Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """What is there for each batch, and how much each position of it matters."""
    hidden = [inner(x) for x, _ in batches]
    matters = []
    for (_, w), h in zip(batches, hidden, strict=True):
        frames, height, width = h.shape[2:]
        matters.append(functional.adaptive_avg_pool3d(w, (frames, height, width)))
    return hidden, matters


def _gate(x: Tensor) -> Tensor:
    return functional.silu(x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt())


def _patchify(x: Tensor, patch: int) -> Tensor:
    """(B, 3, T, H, W) to (B, 3·patch², T, H/patch, W/patch), in the order of the encoder's first convolution."""
    b, c, t, h, w = x.shape
    x = x.reshape(b, c, t, h // patch, patch, w // patch, patch)
    return x.permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)


def _cells(x: Tensor, space: int, time: int) -> Tensor:
    """(B, 3·time·space², T', H', W'): the pixels of each cell; the first frame stands for a whole cell in time."""
    x = torch.cat([x[:, :, :1].repeat(1, 1, time - 1, 1, 1), x], 2)
    b, c, t, h, w = x.shape
    x = x.reshape(b, c, t // time, time, h // space, space, w // space, space)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def _patch_order(rows: Tensor, patch: int) -> Tensor:
    """Rows over ``_cells``' order (3, 1, y, x) in ``_patchify``'s (3, x, y)."""
    return rows.reshape(-1, 3, patch, patch).transpose(2, 3).flatten(1)


def _pool(batches: Batches, space: int, time: int) -> list[Tensor]:
    """How much each cell matters, (B, 1, T', H', W')."""
    return [_cells(w, space, time).mean(1, keepdim=True) for _, w in batches]


def _sampled(pairs: Batches, count: int, rng: torch.Generator, space: int = 1, time: int = 1) -> tuple[Tensor, Tensor]:
    """(N, C) vectors at random positions, and (N,) how much each matters."""
    vectors, matters = [], []
    for x, w in pairs:
        x, w = x.movedim(1, -1).flatten(0, -2), _cells(w, space, time).mean(1).flatten()
        some = torch.randperm(len(x), generator=rng)[: 1 + count // len(pairs)]
        vectors.append(x[some])
        matters.append(w[some])
    return torch.cat(vectors), torch.cat(matters)


def _principal(x: Tensor, matters: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The mean (C,), the first components (C, count), their standard deviations, the largest first."""
    x, share = x.double(), (matters / matters.sum()).double()[:, None]
    mean = (share * x).sum(0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (share * (x - mean)))
    chosen = vectors.flip(1)[:, :count]
    return mean.float(), chosen.float(), values.flip(0)[:count].clamp(min=1e-9).sqrt().float()


def _components(batches: Batches, space: int, time: int, width: int, rng: torch.Generator) -> list[Tensor]:
    """Principal components of cells, scaled to the first's spread, with empty channels where there are no more."""
    cells = [(_cells(x, space, time), w) for x, w in batches]
    count = min(width, cells[0][0].shape[1])
    mean, basis, spread = _principal(*_sampled(cells, _POSITIONS, rng, space, time), count)
    found = [((c.movedim(1, -1) - mean) @ basis / spread[0] * 4).movedim(-1, 1) for c, _ in cells]
    return [functional.pad(f, (0, 0, 0, 0, 0, 0, 0, width - count)) for f in found]


def _fit_up(
    up: LTX2VideoUpsampler3d, hidden: list[Tensor], wanted: list[Tensor], matters: list[Tensor], rng: torch.Generator
) -> None:
    """An upsampler's convolution: what is wanted, less what its shortcut already gives."""
    _set(up.conv.conv)
    given = [up(h, causal=False) for h in hidden]
    st, sh, sw = up.stride

    def fold(x: Tensor) -> Tensor:
        x = torch.cat([x[:, :, :1].repeat(1, 1, st - 1, 1, 1), x], 2)
        b, c, t, h, w = x.shape
        x = x.reshape(b, c, t // st, st, h // sh, sh, w // sw, sw)
        return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)

    missing = [fold(w - g) for w, g in zip(wanted, given, strict=True)]
    pooled = [fold(m).mean(1, keepdim=True) for m in matters]
    _fit(up.conv.conv, hidden, missing, pooled, rng)


def _fit(
    conv: nn.Conv3d,
    hidden: list[Tensor],
    wanted: list[Tensor],
    matters: list[Tensor],
    rng: torch.Generator,
    *,
    causal: bool = False,
) -> None:
    """Least squares: the convolution that gives ``wanted`` from ``hidden``; its first outputs, when it has more."""
    count = conv.weight[0].numel() + 1
    normal = torch.zeros(count, count, dtype=torch.float64)
    right = torch.zeros(count, wanted[0].shape[1], dtype=torch.float64)
    for x, y, m in zip(hidden, wanted, matters, strict=True):
        seen = _neighbours(x, conv, causal)
        some = torch.randperm(len(seen), generator=rng)[: 1 + 2 * _POSITIONS // len(hidden)]
        f = functional.pad(seen[some], (0, 1), value=1.0).double()
        weight = m.flatten()[some].double()[:, None]
        target = y.movedim(1, -1).flatten(0, -2)[some].double()
        normal += f.T @ (weight * f)
        right += f.T @ (weight * target)
    ridge = _RIDGE * normal.diagonal()[:-1].mean()
    eye = torch.eye(len(normal), dtype=torch.float64) * ridge
    eye[-1, -1] = 0
    solved = torch.linalg.solve(normal + eye, right).float()
    _set(conv)
    conv.weight[: right.shape[1]] = solved[:-1].T.reshape(-1, *conv.weight.shape[1:])
    _bias(conv)[: right.shape[1]] = solved[-1]


def _neighbours(x: Tensor, conv: nn.Conv3d, causal: bool) -> Tensor:
    """(N, C·3·3·3): what the convolution sees at each position, with its own padding."""
    before, after = (2, 0) if causal else (1, 1)
    x = torch.cat([x[:, :, :1].repeat(1, 1, before, 1, 1), x, x[:, :, -1:].repeat(1, 1, after, 1, 1)], 2)
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    b, c, t, h, w = x.shape
    flat = functional.pad(x.transpose(1, 2).flatten(0, 1), (1, 1, 1, 1), mode=mode)
    x = flat.reshape(b, t, c, h + 2, w + 2).transpose(1, 2)
    x = x.unfold(2, 3, 1).unfold(3, 3, 1).unfold(4, 3, 1)
    return x.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4).flatten(0, 3)


def _set(conv: nn.Conv3d, rows: Tensor | None = None, bias: Tensor | None = None) -> None:
    """Zeros, but for ``rows`` in the middle of the kernel's last frame, which is the present one of a causal kernel."""
    conv.weight.zero_()
    _bias(conv).zero_()
    if rows is not None:
        conv.weight[: len(rows), :, -1, 1, 1] = rows
    if bias is not None:
        _bias(conv)[: len(bias)] = bias


def _bias(conv: nn.Conv3d) -> nn.Parameter:
    return cast(nn.Parameter, conv.bias)  # every convolution of the autoencoder has one
