"""Stage 2: the video autoencoder, on stills and short clips.

    python -m cameo.training.video_vae --max-minutes 40

Where the sizes allow it, it begins as a linear transform fitted to pictures (``transform``) and learns the rest. The
loss is absolute error of the picture and of its edges at three scales, heavier on the face, and what a recogniser makes
of faces (``recognition``): it lives on what a plain average smooths away.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import LTX2VideoCausalConv3d
from torch import Tensor
from torch.nn import functional

from cameo.backbones.nano import build
from cameo.training.optimisers import by_size, set_rate
from cameo.training.parts import load_average
from cameo.training.pictures import CLIP, Pictures, Windows
from cameo.training.run import Ema, Stage
from cameo.training.shards import Shards, to_unit, training_people
from cameo.training.transform import has_transform, start_from_transform

# Generation only ever uses the posterior's mode. A little fixed noise and a pull to zero keep the latents smooth and
# bounded; a learned variance that starts at one drowns what there is to learn for thousands of steps.
_NOISE = 0.1
_DECAY = 1e-3
_FITTED_TO = 70
_RATE, _FITTED_RATE = 1e-2, 3e-3
"""As shares of the size of each weight."""


def main() -> None:
    stage = Stage.parse("video_vae", __doc__, _options)
    vae = build(stage.config, ["a"], seed=stage.options.seed).vae.to(stage.device).train()
    fold_time(vae)
    shards = training_people(stage.folder("people"))
    pictures, fitted = Pictures.load(shards, stage.device), has_transform(vae)
    begun = load_average(stage.folder() / "checkpoint.safetensors", {"vae": vae})
    if fitted and not begun:
        begin(vae, pictures, np.random.default_rng([stage.options.seed, 0]))
        vae.to(stage.device)
    # By the size that weights have now, so not before.
    rate = stage.options.lr or (_FITTED_RATE if fitted else _RATE)
    optimiser = torch.optim.AdamW(by_size(vae, rate, fitted), betas=(0.9, 0.99), weight_decay=1e-4)
    ema = Ema(vae, 0.998)
    stage.resume({"vae": vae}, [optimiser], ema)
    rng, how_unlike = np.random.default_rng([stage.options.seed, stage.step]), recogniser(stage)
    if not begun:
        sample(stage, vae, ema.averaged(vae), shards)
    running = 0.0
    for progress in stage.steps():
        seen = draw(pictures, stage, rng)
        frames = seen.frames
        set_rate((optimiser,), min(1.0, (stage.step + 1) / 100) * (1.02 - progress) ** 0.7)
        with exact_enough(stage, vae):
            mean = vae.encode(frames).latent_dist.mode()
            drawn = vae.decode(mean + _NOISE * torch.randn_like(mean)).sample
        loss = reconstruction_loss(drawn.float(), frames, seen.weight) + _DECAY * mean.float().square().mean()
        if how_unlike is not None and (unlike := how_unlike(drawn.float(), seen, stage.options.faces, rng)) is not None:
            loss = loss + stage.options.recognition * unlike
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        ema.update(vae)
        running += (loss.item() - running) * (0.02 if stage.step % 500 else 1.0)
        if stage.step % 100 == 99:
            stage.log(loss=running, psnr=psnr(drawn.float(), frames))
        if stage.step % 1000 == 999:
            stage.save({"vae": vae}, [optimiser], ema)
            sample(stage, vae, ema.averaged(vae), shards)
    stage.save({"vae": vae}, [optimiser], ema)
    sample(stage, vae, ema.averaged(vae), shards)


def begin(vae: AutoencoderKLLTX2Video, pictures: Pictures, rng: np.random.Generator) -> None:
    """First weights, fitted to whole pictures and clips: five minutes of two cores."""
    stills = [pictures.stills(8, 128, rng) for _ in range(_FITTED_TO)]
    clips = [pictures.moving(5, 128, rng) for _ in range(_FITTED_TO)]
    start_from_transform(vae.cpu(), [(seen.frames.cpu(), seen.weight.cpu()) for seen in stills + clips])


def exact_enough(stage: Stage, vae: AutoencoderKLLTX2Video) -> AbstractContextManager[Any]:
    """The arithmetic of a step. A fitted transform keeps its gates linear by constants that are large beside what
    passes: half a decibel of it is lost in bfloat16, and what learns then learns to make up for the rounding."""
    return nullcontext() if has_transform(vae) else stage.mixed()


def draw(pictures: Pictures, stage: Stage, rng: np.random.Generator, length: int = CLIP) -> Windows:
    """A batch of stills, or now and then of clips of ``length`` frames: as many frames, or a few more."""
    options = stage.options
    if rng.uniform() < options.clips:
        return pictures.moving(max(1, round(1.5 * options.batch / length)), options.edge, rng, length)
    return pictures.stills(options.batch, options.edge, rng)


def fold_time(vae: AutoencoderKLLTX2Video) -> None:
    """Let every convolution treat a single frame as the picture it is.

    Over one frame a causal convolution repeats that frame through its kernel's time: the same as one flat convolution
    with the kernel summed over time, at less than half of the cost. Equal up to rounding; longer clips are untouched.
    """
    for module in vae.modules():
        if isinstance(module, LTX2VideoCausalConv3d):
            module.forward = functools.partial(_folded, module, module.forward)


def _folded(
    module: LTX2VideoCausalConv3d, forward: Callable[..., Tensor], hidden_states: Tensor, causal: bool = True
) -> Tensor:
    if hidden_states.shape[2] != 1:
        return forward(hidden_states, causal=causal)
    conv, still = module.conv, hidden_states.squeeze(2)
    _, height, width = conv.padding
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    still = functional.pad(still, (width, width, height, height), mode=mode)
    return functional.conv2d(still, conv.weight.sum(2), conv.bias).unsqueeze(2)


def reconstruction_loss(drawn: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted absolute error of the picture and of its differences at three scales; (B, 3, T, H, W), weight
    (B, 1, T, H, W)."""
    loss = (weight * (drawn - target).abs()).mean()
    error = drawn - target
    for _ in range(3):
        dx = error[..., 1:] - error[..., :-1]
        dy = error[..., 1:, :] - error[..., :-1, :]
        loss = loss + 0.5 * ((weight[..., 1:] * dx.abs()).mean() + (weight[..., 1:, :] * dy.abs()).mean())
        error = functional.avg_pool3d(error, (1, 2, 2))
        weight = functional.avg_pool3d(weight, (1, 2, 2))
        loss = loss + 0.5 * (weight * error.abs()).mean()
    if drawn.shape[2] > 1:
        motion = (drawn - target)[:, :, 1:] - (drawn - target)[:, :, :-1]
        loss = loss + 0.5 * motion.abs().mean()
    return loss


def psnr(drawn: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [-1, 1]."""
    return float(-10 * torch.log10(functional.mse_loss(drawn.detach().clamp(-1, 1), target) / 4))


@torch.no_grad()
def sample(stage: Stage, vae: AutoencoderKLLTX2Video, averaged: AbstractContextManager[None], shards: Shards) -> None:
    """``sample.png``: originals above, what comes back below."""
    frames = torch.stack([to_unit(shards.frames(i, 0, 0, 9)) for i in range(min(4, len(shards)))]).to(stage.device)
    with averaged:
        drawn = vae.decode(vae.encode(frames).latent_dist.mode()).sample.clamp(-1, 1)
    pair = torch.cat([frames, drawn], dim=3)[:, :, [0, 8]]
    picture = pair.permute(3, 0, 2, 4, 1).flatten(1, 3).add(1).mul(127.5).byte().cpu().numpy()
    cv2.imwrite(str(stage.folder() / "sample.png"), picture[..., ::-1])
    stage.say(f"sample.png, {psnr(drawn, frames):.1f} dB with averaged weights")


def recogniser(stage: Stage) -> Callable[..., Tensor | None] | None:
    """See ``recognition.how_unlike``; None where it is not wanted, or cannot be had."""
    if not stage.options.recognition:
        return None
    try:
        from cameo.training.recognition import how_unlike
    except ImportError as error:
        stage.say(f"faces are learned without a recogniser: {error.name} is not installed")
        return None
    return how_unlike


def picture_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=float, default=0.15, help="share of steps on clips; the rest are stills")
    parser.add_argument("--batch", type=int, default=6, help="stills a step")
    parser.add_argument("--edge", type=int, default=128, help="pixels of the window that is learned from, 128 for all")
    recognition_options(parser, weight=0.1, faces=4)


def recognition_options(parser: argparse.ArgumentParser, *, weight: float, faces: int) -> None:
    parser.add_argument("--recognition", type=float, default=weight, help="weight of how a recogniser sees the faces")
    parser.add_argument("--faces", type=int, default=faces, help="that it sees in a step, at most")


def _options(parser: argparse.ArgumentParser) -> None:
    picture_options(parser)
    parser.add_argument("--lr", type=float, help="as a share of the size of each weight")


if __name__ == "__main__":
    main()
