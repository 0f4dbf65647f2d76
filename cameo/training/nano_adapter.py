"""Stage 8: with nano's base frozen, its identity adapter and its LoRA.

    python -m cameo.training.nano_adapter --max-minutes 20

Goes on from the adapter that the base stage raised. Target and reference are never the same clip.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.attach import attach, conditioned
from cameo.conditioning.lora import add_lora
from cameo.training.base import without
from cameo.training.flow import Dataset, flow_loss
from cameo.training.latents import new_adapter
from cameo.training.parts import base, load_average
from cameo.training.preview import preview
from cameo.training.run import Ema, Stage, sizes
from cameo.training.shards import HELD_OUT

LORA = "identity"
RANK = 16


def base_adapter(runs: Path) -> IdentityAdapter:
    """The adapter as the base stage left it."""
    adapter = new_adapter(sizes(runs))
    parts = nn.ModuleDict({"adapter": adapter})
    load_average(runs / "base" / "checkpoint.safetensors", {"nano": parts}, partial=True)
    return adapter


def main() -> None:
    stage = Stage.parse("nano_adapter", __doc__, _options)
    pipeline, adapter = base(stage.options.runs), base_adapter(stage.options.runs)
    pipeline.to(stage.device)
    adapter.to(stage.device).train().requires_grad_(True)
    for frozen in (pipeline.text_encoder, pipeline.connectors):
        frozen.eval().requires_grad_(False)
    lora = nn.ParameterList(add_lora(pipeline.transformer, RANK, LORA))
    learned = nn.ModuleDict({"adapter": adapter, "lora": lora})
    optimiser = torch.optim.AdamW(learned.parameters(), lr=stage.options.lr, betas=(0.9, 0.98), weight_decay=0.01)
    ema = Ema(learned, 0.999)
    stage.resume({"learned": learned}, [optimiser], ema)
    attach(pipeline.transformer, adapter)
    rng = np.random.default_rng([stage.options.seed, stage.step, 8])
    data = Dataset(stage.folder("latents"), HELD_OUT, stage.device)
    stage.say(f"{len(data)} people")
    video_error = audio_error = 1.0
    for progress in stage.steps():
        batch = without(data.batch(stage.options.batch, rng), rng)
        for group in optimiser.param_groups:
            group["lr"] = stage.options.lr * min(1.0, (stage.step + 1) / 100) * (1.02 - progress) ** 0.6
        with (
            stage.mixed(),
            conditioned(pipeline.transformer, adapter(batch.people)),
        ):
            video, audio = flow_loss(pipeline, batch, rng)
        optimiser.zero_grad(set_to_none=True)
        (video + audio).backward()
        torch.nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        optimiser.step()
        ema.update(learned)
        video_error += (video.item() - video_error) * 0.02
        audio_error += (audio.item() - audio_error) * 0.02
        if stage.step % 50 == 49:
            stage.log(video=video_error, audio=audio_error)
        if stage.step % 500 == 499:
            stage.save({"learned": learned}, [optimiser], ema)
            preview(stage, pipeline, adapter, ema.averaged(learned))
    stage.save({"learned": learned}, [optimiser], ema)
    preview(stage, pipeline, adapter, ema.averaged(learned))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--batch", type=int, default=16)


if __name__ == "__main__":
    main()
