"""Stage 12: what was learned becomes the checkpoint that the package carries, in bfloat16.

    python -m cameo.training.ship

Writes ``cameo/nano/weights``: a folder that ``diffusers.LTX2Pipeline.from_pretrained`` opens, with the adapter, its
LoRA, that of few steps, the restorer of its faces and ``cameo.json`` beside it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import nn

from cameo.backbones.checkpoint import NANO
from cameo.backbones.defaults import Defaults, FewSteps
from cameo.conditioning.lora import add_lora, dump_lora
from cameo.restoration import FaceRestorer
from cameo.synth.clips import SAMPLE_RATE, vocabulary
from cameo.training import distil
from cameo.training.flow import FRAME_RATE
from cameo.training.latents import new_adapter
from cameo.training.nano_adapter import LORA, RANK, base_adapter
from cameo.training.parts import base, load_average
from cameo.training.run import SIZES, Stage

_VOCODER_ITERATIONS = 4


def main() -> None:
    stage = Stage.parse("ship", __doc__, _options)
    runs, target, version = stage.options.runs, stage.options.to, stage.options.version
    pipeline = base(runs)
    config = stage.config
    adapter = new_adapter(config, version)
    adapter.load_state_dict(base_adapter(runs).state_dict())
    lora = nn.ParameterList(add_lora(pipeline.transformer, RANK, LORA))
    learned = nn.ModuleDict({"adapter": adapter, "lora": lora})
    tuned = load_average(runs / "nano_adapter" / "checkpoint.safetensors", {"learned": learned})
    low_rank = dump_lora(pipeline.transformer, LORA) if tuned else None
    pipeline.transformer.delete_adapters(LORA)
    student = nn.ParameterList(add_lora(pipeline.transformer, distil.RANK, distil.LORA, distil.TARGETS))
    tuned = load_average(runs / "distil" / "checkpoint.safetensors", {"student": student})
    few_steps = dump_lora(pipeline.transformer, distil.LORA) if tuned else None
    pipeline.transformer.delete_adapters(distil.LORA)
    pipeline.unload_lora_weights()

    shutil.rmtree(target, ignore_errors=True)
    pipeline.to(torch.bfloat16)
    pipeline.save_pretrained(target, safe_serialization=True, max_shard_size="14MB")
    adapter.to(torch.bfloat16).save_pretrained(target / "adapter")
    if low_rank is not None:
        _write_lora(target / "lora", low_rank)
    if few_steps is not None:
        _write_lora(target / "distilled", few_steps)
    restorer = FaceRestorer()
    if load_average(runs / "restorer" / "checkpoint.safetensors", {"restorer": restorer}):
        restorer.to(torch.bfloat16).save_pretrained(target / "restorer")
    defaults = Defaults(
        height=config.picture,
        width=config.picture,
        frames=25,
        frame_rate=FRAME_RATE,
        steps=stage.options.steps,
        guidance_scale=stage.options.guidance,
        sample_rate=SAMPLE_RATE,
        max_sequence_length=config.max_tokens,
        vocoder_iterations=_VOCODER_ITERATIONS,
        distilled=None if few_steps is None else FewSteps(steps=stage.options.few_steps),
        license="Apache-2.0",
        vocabulary=vocabulary(),
        version=version,
    )
    (target / "cameo.json").write_text(defaults.model_dump_json(indent=2) + "\n")
    (target / SIZES).write_text(config.model_dump_json(indent=1) + "\n")
    _strip_paths(target)
    size = sum(f.stat().st_size for f in target.rglob("*") if f.is_file()) / 2**20
    stage.say(f"{target}: {size:.1f} MiB")


def _write_lora(folder: Path, lora: bytes) -> None:
    folder.mkdir()
    halved = {name: tensor.to(torch.bfloat16) for name, tensor in load(lora).items()}
    (folder / "pytorch_lora_weights.safetensors").write_bytes(save(halved, metadata={"format": "pt"}))


def _strip_paths(target: Path) -> None:
    """Configurations remember where they were loaded from; the package's must not."""
    for path in target.rglob("config.json"):
        config = json.loads(path.read_text())
        if config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2) + "\n")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, default=NANO)
    parser.add_argument("--version", default="0.1.0", help="of the weights; adapter and base must agree")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--few-steps", type=int, default=8, help="with the LoRA of `distil`: what it learned for")


if __name__ == "__main__":
    main()
