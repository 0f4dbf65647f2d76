"""Begin a run from the weights that the package carries, so that what was learned once is not learned again.

    python -m cameo.training.shipped --runs runs
    python -m cameo.training.people --runs runs --people 500
    ...
    python -m cameo.training.base --runs runs

Every stage that has weights goes on from them, in a folder in which none has begun. Latents keep the statistics they
were normalised by; optimisers begin anew, and so do people, from their seeds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from diffusers import LTX2Pipeline
from torch import nn

from cameo.backbones.checkpoint import NANO
from cameo.conditioning.adapter import load_adapter
from cameo.conditioning.lora import load_lora
from cameo.restoration import load_restorer
from cameo.training.distil import LORA
from cameo.training.parts import LEARNED_BY_BASE
from cameo.training.run import SIZES, Ema, Stage

__all__ = ["take_up"]


def take_up(weights: Path, runs: Path) -> list[str]:
    """Put what ``cameo.training.ship`` wrote where the stages look for it.

    Returns:
        The stages that can go on.

    Raises:
        SystemExit: something was begun in ``runs`` already, or the weights do not say of what size they are.
    """
    if not (weights / SIZES).exists():
        raise SystemExit(f"{weights} has no {SIZES}: these weights were shipped before runs could begin from them")
    if (runs / SIZES).exists():
        raise SystemExit(f"{runs} was begun already: take another --runs")
    pipeline = LTX2Pipeline.from_pretrained(weights, dtype=torch.float32)
    nano = {"adapter": load_adapter(weights / "adapter").float()} | {
        name: getattr(pipeline, name) for name in LEARNED_BY_BASE
    }
    runs.mkdir(parents=True, exist_ok=True)
    (runs / SIZES).write_text((weights / SIZES).read_text())
    stages: dict[str, tuple[str, nn.Module]] = {
        "video_vae": ("vae", pipeline.vae),
        "audio_vae": ("vae", pipeline.audio_vae),
        "vocoder": ("vocoder", pipeline.vocoder),
        "base": ("nano", nn.ModuleDict(nano)),
    }
    if (weights / "restorer").is_dir():
        stages["restorer"] = ("restorer", load_restorer(weights / "restorer").float())
    options = argparse.Namespace(runs=runs, seed=0)
    for stage, (name, model) in stages.items():
        Stage(stage, options).save({name: model.requires_grad_(True)}, [], Ema(model))
    if (weights / "distilled").is_dir():
        # Last: from here on the transformer's weights go by other names.
        load_lora(pipeline, weights / "distilled", LORA)
        learned = [weight for name, weight in pipeline.transformer.named_parameters() if f".{LORA}." in name]
        student = nn.ParameterList(learned).requires_grad_(True)
        Stage("distil", options).save({"student": student}, [], Ema(student))
        stages["distil"] = ("student", student)
    figures = {
        name: {"mean": vae.latents_mean.flatten().tolist(), "std": vae.latents_std.flatten().tolist()}
        for name, vae in (("video", pipeline.vae), ("audio", pipeline.audio_vae))
    }
    (runs / "latents").mkdir(exist_ok=True)
    (runs / "latents" / "statistics.json").write_text(json.dumps(figures))
    return list(stages)


def main() -> None:
    stage = Stage.parse("shipped", __doc__, _options)
    stage.say(f"go on from {stage.options.weights}: {', '.join(take_up(stage.options.weights, stage.options.runs))}")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, default=NANO, help="folder that `ship` wrote")


if __name__ == "__main__":
    main()
