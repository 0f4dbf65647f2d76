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

from math import prod
from typing import Final, cast

import torch
from diffusers import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import LTX2VideoResnetBlock3d, LTX2VideoUpsampler3d
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["has_transform", "start_from_transform"]

_GAIN: Final = 2.0
"""How much louder than what a downsampler adds its own part is made."""
_OFFSET: Final = 8.0
"""Standard deviations that the constant before a gate is away from zero."""
_POSITIONS: Final = 60_000
"""What components and least squares are taken over; twice as many for the latter."""
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
    space, time, into = config.patch_size, 1, encoder.conv_in.conv
    first = encoder.down_blocks[0].downsamplers[0].conv.conv
    # A downsampler adds to its output o the mean of its input o: inputs that are copies make that harmless.
    kept, copies = first.out_channels, into.out_channels // first.out_channels
    patches = [_patchify(x, space) for x, _ in batches]
    mean, basis, spread = _principal(*_sampled(patches, _pool(batches, space, time), rng), kept)
    rows = (basis / spread[0]).T.repeat_interleave(copies, 0)
    _set(into, rows, -rows @ mean)
    _set(first, _GAIN * torch.eye(into.out_channels)[::copies][:kept])
    hidden = [encoder.conv_in(x, causal=True) for x in patches]
    for block in encoder.down_blocks:
        down = block.downsamplers[0]
        last = down.conv.conv
        if last.out_channels == last.in_channels:  # nothing is thrown away: what the downsampler adds is all there is
            _set(last)
        elif last is not first:
            mean, basis, _ = _principal(*_sampled(hidden, _pool(batches, space, time), rng), last.out_channels)
            _set(last, _GAIN * basis.T, -_GAIN * basis.T @ mean)
        hidden = [block(h, causal=True) for h in hidden]
        space, time = space * down.stride[1], time * down.stride[0]
    loud = _OFFSET * torch.cat([h.flatten() for h in hidden]).std()
    _bias(last).add_(loud)
    cells, matters = [_cells(x, space, time) for x, _ in batches], _pool(batches, space, time)
    mean, basis, spread = _principal(*_sampled(cells, matters, rng), config.latent_channels)
    scale = (spread * spread[-1]).sqrt()
    wanted = [((c.movedim(1, -1) - mean) @ basis / scale).movedim(-1, 1) for c in cells]
    # The output behind the last latent is its logarithmic variance, which nothing reads: it stays zero.
    _fit(encoder.conv_out.conv, [_gate(h + loud) for h in hidden], wanted, matters, rng, causal=True)


def _decoder(vae: AutoencoderKLLTX2Video, batches: Batches, rng: torch.Generator) -> None:
    decoder, config = vae.decoder, vae.config
    space, time = config.spatial_compression_ratio, config.temporal_compression_ratio
    hidden = [vae.encode(x).latent_dist.mode() for x, _ in batches]
    wanted = _components(batches, space, time, decoder.conv_in.conv.out_channels, rng)
    _fit(decoder.conv_in.conv, hidden, wanted, _pool(batches, space, time), rng)
    hidden = [decoder.conv_in(h, causal=False) for h in hidden]
    for block in decoder.up_blocks:
        up = block.upsamplers[0]
        space, time = space // up.stride[1], time // up.stride[0]
        wanted = _components(batches, space, time, up.conv.conv.out_channels // prod(up.stride), rng)
        if block is decoder.up_blocks[-1]:
            loud = float(torch.cat([w.flatten() for w in wanted]).std())
            wanted = [w + _OFFSET * loud for w in wanted]
        _fit_up(up, hidden, wanted, _pool(batches, space, time), rng)
        hidden = [up(h, causal=False) for h in hidden]
    pixels = [_patchify(x, config.patch_size) for x, _ in batches]
    _fit(decoder.conv_out.conv, [_gate(h) for h in hidden], pixels, _pool(batches, space, time), rng)


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


def _pool(batches: Batches, space: int, time: int) -> list[Tensor]:
    """How much each cell matters, (B, 1, T', H', W')."""
    return [_cells(w, space, time).mean(1, keepdim=True) for _, w in batches]


def _sampled(vectors: list[Tensor], matters: list[Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(N, C) of (B, C, T, H, W) at random positions, and (N,) how much each matters."""
    drawn, weights = [], []
    for x, w in zip(vectors, matters, strict=True):
        x, w = x.movedim(1, -1).flatten(0, -2), w.flatten()
        some = torch.randperm(len(x), generator=rng)[: 1 + _POSITIONS // len(vectors)]
        drawn.append(x[some])
        weights.append(w[some])
    return torch.cat(drawn), torch.cat(weights)


def _principal(x: Tensor, matters: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The mean (C,), the first components (C, count), their standard deviations, the largest first."""
    x, share = x.double(), (matters / matters.sum()).double()[:, None]
    mean = (share * x).sum(0)
    values, vectors = torch.linalg.eigh((x - mean).T @ (share * (x - mean)))
    chosen = vectors.flip(1)[:, :count]
    return mean.float(), chosen.float(), values.flip(0)[:count].clamp(min=1e-9).sqrt().float()


def _components(batches: Batches, space: int, time: int, width: int, rng: torch.Generator) -> list[Tensor]:
    """Principal components of cells, scaled to the first's spread, with empty channels where there are no more."""
    cells = [_cells(x, space, time) for x, _ in batches]
    count = min(width, cells[0].shape[1])
    mean, basis, spread = _principal(*_sampled(cells, _pool(batches, space, time), rng), count)
    found = [((c.movedim(1, -1) - mean) @ basis / spread[0] * 4).movedim(-1, 1) for c in cells]
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
