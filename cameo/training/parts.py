"""Nano as far as it is trained: the newest checkpoint of every stage, put into one pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKLLTX2Video, FlowMatchEulerDiscreteScheduler, LTX2Pipeline
from safetensors.torch import load_file
from torch import Tensor, nn

from cameo.backbones.nano import build
from cameo.synth.clips import vocabulary
from cameo.training.run import load_weights, sizes

__all__ = ["LEARNED_BY_BASE", "autoencoders", "base", "load_average", "video_autoencoder"]

LEARNED_BY_BASE = ("text_encoder", "connectors", "transformer")


def autoencoders(runs: Path) -> LTX2Pipeline:
    """A pipeline with trained autoencoders and vocoder, where their stages have run, and the latents' statistics, where
    ``latents`` has measured them. The rest is untrained."""
    pipeline = build(sizes(runs), vocabulary())
    # Sigmas are shifted by a fixed amount: a scene of nano's has one size.
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler(shift=2.0)
    for stage, key, module in (
        ("video_vae", "vae", pipeline.vae),
        ("audio_vae", "vae", pipeline.audio_vae),
        ("vocoder", "vocoder", pipeline.vocoder),
    ):
        load_average(runs / stage / "checkpoint.safetensors", {key: module})
    for stage, vae in (("decoder", pipeline.vae), ("audio_decoder", pipeline.audio_vae)):
        load_average(runs / stage / "checkpoint.safetensors", {"decoder": vae.decoder}, partial=True)
    statistics = runs / "latents" / "statistics.json"
    if statistics.exists():
        figures = json.loads(statistics.read_text())
        for vae, name in ((pipeline.vae, "video"), (pipeline.audio_vae, "audio")):
            vae.latents_mean.copy_(torch.tensor(figures[name]["mean"]).view_as(vae.latents_mean))
            vae.latents_std.copy_(torch.tensor(figures[name]["std"]).view_as(vae.latents_std))
    for module in (pipeline.vae, pipeline.audio_vae, pipeline.vocoder):
        module.eval().requires_grad_(False)
    return pipeline


def video_autoencoder(stage: Path) -> AutoencoderKLLTX2Video:
    """The video autoencoder as one stage left it (``runs/video_vae``), averaged weights."""
    vae = build(sizes(stage.parent), ["a"]).vae
    load_average(stage / "checkpoint.safetensors", {"vae": vae})
    return vae.eval().requires_grad_(False)


def base(runs: Path) -> LTX2Pipeline:
    """The same with the trained text side and transformer."""
    pipeline = autoencoders(runs)
    modules = nn.ModuleDict({name: getattr(pipeline, name) for name in LEARNED_BY_BASE})
    load_average(runs / "base" / "checkpoint.safetensors", {"nano": modules}, partial=True)
    return pipeline


def load_average(path: Path, modules: Mapping[str, nn.Module], *, partial: bool = False) -> bool:
    """Load a stage's weights, averaged ones where there are; False when the stage has not run.

    Args:
        path: the stage's checkpoint.
        modules: by the name they were saved under.
        partial: the checkpoint may hold more than the modules, as it does when one part of it is wanted.
    """
    if not path.exists():
        return False
    tensors = load_file(path)
    average = {k.removeprefix("ema/"): v for k, v in tensors.items() if k.startswith("ema/")}
    for name, module in modules.items():
        prefix = f"model/{name}/"
        state: dict[str, Tensor] = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        state |= {k: v for k, v in average.items() if k in state}
        if partial:
            state = {k: v for k, v in state.items() if k in module.state_dict()}
        load_weights(module, state)
    return True
