"""Stage 9: few steps without guidance, as a LoRA on the frozen base.

    python -m cameo.training.distil --max-minutes 40 --moments 0.5

The student's step goes as far as two guided steps of the teacher's (Salimans and Ho, "Progressive distillation for fast
sampling of diffusion models", ICLR 2022; Meng et al., "On distillation of guided diffusion models", CVPR 2023), so that
a scene takes a quarter or less of the passes. The teacher is the base itself, with the LoRA off: what people train on
nano, they train on that.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from diffusers import LTX2Pipeline
from torch import Tensor, nn

from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.attach import attach
from cameo.conditioning.lora import add_lora
from cameo.training.base import draw, partly_known
from cameo.training.casting import cast
from cameo.training.flow import Batch, Dataset, Noised, noised, velocities, velocity_loss
from cameo.training.nano_adapter import base_adapter
from cameo.training.parts import base
from cameo.training.run import Ema, Stage
from cameo.training.shards import HELD_OUT

__all__ = ["LORA", "RANK", "TARGETS", "levels", "two_guided_steps"]

LORA: Final = "distilled"
RANK: Final = 6
"""As much as fits into what nano may weigh."""
TARGETS: Final = (
    r"transformer_blocks\.\d+\.(attn1|attn2|audio_attn1|audio_attn2|audio_to_video_attn|video_to_audio_attn)"
    r"\.(to_q|to_k|to_v|to_out\.0)"
    r"|transformer_blocks\.\d+\.(ff|audio_ff)\.net\.(0\.proj|2)"
)
"""All that is linear in a block."""

_TWO, _NO_ONE = 0.15, 0.05
_WARM_UP = 50
_SAVED_EVERY = 5.0
"""Minutes."""


def main() -> None:
    stage = Stage.parse("distil", __doc__, _options)
    options = stage.options
    pipeline, adapter = base(options.runs), base_adapter(options.runs).eval().requires_grad_(False)
    pipeline.to(stage.device)
    adapter.to(stage.device)
    for frozen in (pipeline.text_encoder, pipeline.connectors):
        frozen.eval().requires_grad_(False)
    student = nn.ParameterList(add_lora(pipeline.transformer, RANK, LORA, TARGETS))
    attach(pipeline.transformer, adapter)
    optimiser = torch.optim.AdamW(student.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.0)
    ema = Ema(student, 0.995)
    stage.resume({"student": student}, [optimiser], ema)
    begun, saved = stage.step, stage.minutes()
    rng = np.random.default_rng([options.seed, stage.step, 8])
    data = Dataset(stage.folder("latents"), HELD_OUT, stage.device)
    grid = levels(pipeline, 2 * options.steps)
    errors = torch.ones(2, device=stage.device)
    for progress in stage.steps():
        for group in optimiser.param_groups:
            group["lr"] = options.lr * min(1.0, (stage.step - begun + 1) / _WARM_UP) * (1.02 - progress)
        two = rng.uniform() < _TWO and data.has_couples
        batch = partly_known(data.couples(options.batch, rng) if two else draw(data, stage, rng), rng)
        told = rng.uniform() >= _NO_ONE
        begin = 2 * int(rng.integers(options.steps))
        noisy = _begun(noised(pipeline, batch, rng), grid[begin])
        with stage.mixed():
            aim = two_guided_steps(pipeline, adapter, noisy, grid[begin : begin + 3], options.guidance, told=told)
            with _told(pipeline, adapter, batch, told):
                made = velocities(pipeline, noisy)
        video, audio = velocity_loss(replace(noisy, video_velocity=aim[0], audio_velocity=aim[1]), *made)
        optimiser.zero_grad(set_to_none=True)
        (video + audio).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        ema.update(student)
        errors.lerp_(torch.stack([video, audio]).detach(), 0.03 if stage.step > begun else 1.0)
        if stage.step % 25 == 24:
            stage.log(video=errors[0].item(), audio=errors[1].item())
        if stage.minutes() - saved > _SAVED_EVERY:
            saved = stage.minutes()
            stage.save({"student": student}, [optimiser], ema)
    stage.save({"student": student}, [optimiser], ema)


def levels(pipeline: LTX2Pipeline, steps: int) -> list[float]:
    """The shares of noise that a scene of so many steps goes through, from 1 to 0, one more than steps."""
    pipeline.scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps))
    return [float(sigma) for sigma in pipeline.scheduler.sigmas]


@torch.no_grad()
def two_guided_steps(
    pipeline: LTX2Pipeline,
    adapter: IdentityAdapter,
    noisy: Noised,
    through: list[float],
    guidance: float,
    *,
    told: bool = True,
) -> tuple[Tensor, Tensor]:
    """The one velocity that leads where the teacher gets, of the picture, (B, N, C), and of the sound, (B, T, D).

    Args:
        pipeline: whose transformer has ``LORA`` on it, off for the teacher.
        adapter: attached to it.
        noisy: where it begins.
        through: three shares of noise: where it is, where the teacher looks again, where it gets.
        guidance: the teacher's, away from no caption and nobody.
        told: whether the teacher knows who is there.
    """
    begin, _, end = through
    nobody = replace(
        noisy.batch,
        captions=[""] * len(noisy.batch.captions),
        people=noisy.batch.people.null_like(),
        partners=None if noisy.batch.partners is None else noisy.batch.partners.null_like(),
    )
    at = noisy
    with _teacher(pipeline):
        for now, then in itertools.pairwise(through):
            at = replace(at, sigma=torch.full_like(at.sigma, now))
            with _told(pipeline, adapter, at.batch, told):
                led = velocities(pipeline, at)
            with _told(pipeline, adapter, nobody, told):
                alone = velocities(pipeline, replace(at, batch=nobody))
            video, audio = (a + guidance * (b - a) for a, b in zip(alone, led, strict=True))
            at = replace(at, video=at.video + (then - now) * video, audio=at.audio + (then - now) * audio)
    return (at.video - noisy.video) / (end - begin), (at.audio - noisy.audio) / (end - begin)


def _begun(noisy: Noised, level: float) -> Noised:
    """The same scenes and the same noise, at another level of it."""
    further = level - noisy.sigma
    return replace(
        noisy,
        sigma=torch.full_like(noisy.sigma, level),
        video=noisy.video + further * noisy.video_velocity,
        audio=noisy.audio + further * noisy.audio_velocity,
    )


def _told(pipeline: LTX2Pipeline, adapter: IdentityAdapter, batch: Batch, told: bool) -> AbstractContextManager[None]:
    return cast(pipeline.transformer, adapter, batch) if told else nullcontext()


@contextmanager
def _teacher(pipeline: LTX2Pipeline) -> Iterator[None]:
    """Within the block, the transformer is the base."""
    pipeline.transformer.disable_adapters()
    try:
        yield
    finally:
        pipeline.transformer.enable_adapters()


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=4, help="clips a step")
    parser.add_argument("--moments", type=float, default=0.0, help="share of steps on moments instead of clips")
    parser.add_argument("--steps", type=int, default=8, help="that a scene shall take; the teacher takes twice as many")
    parser.add_argument("--guidance", type=float, default=2.5, help="of the teacher")


if __name__ == "__main__":
    main()
