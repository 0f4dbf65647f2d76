"""What a run has learned, small enough to be carried away: averaged weights in bfloat16, a few files of at most 15 MiB.

    python -m cameo.training.bundle --runs runs --to bundle
    python -m cameo.training.bundle --runs runs --take bundle

Optimisers' moments and the data stay behind: a run that goes on from a bundle makes people again from their seeds, and
its optimisers begin anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from cameo.training.run import Stage

__all__ = ["LEARNED", "pack", "unpack"]

LEARNED = (
    "video_vae",
    "decoder",
    "audio_vae",
    "vocoder",
    "audio_decoder",
    "base",
    "nano_adapter",
    "distil",
    "restorer",
)
"""Stages that have weights."""

_LARGEST = 15 * 2**20
_PICTURES = ("video_vae/sample.png", "base/preview.png", "nano_adapter/preview.png")
_OWN, _AVERAGED = "own", "averaged"


def pack(runs: Path, to: Path) -> None:
    """Write ``weights-N.safetensors``, ``run.json`` and the newest pictures of ``runs`` to the folder ``to``."""
    to.mkdir(parents=True, exist_ok=True)
    for old in to.glob("weights-*.safetensors"):
        old.unlink()
    files: list[dict[str, Tensor]] = [{}]
    heads = {}
    for stage in LEARNED:
        path = runs / stage / "checkpoint.safetensors"
        if not path.exists():
            continue
        with safe_open(path, "pt") as file:
            heads[stage] = file.metadata()
        for key, tensor in _small(stage, load_file(path)).items():
            if _size(files[-1]) + tensor.nbytes > _LARGEST:
                files.append({})
            files[-1][key] = tensor
    for number, tensors in enumerate(files, 1):
        if tensors:
            save_file(tensors, to / f"weights-{number}.safetensors")
    notes = {"stages": heads}
    for name, path in _notes(runs).items():
        if path.exists():
            notes[name] = json.loads(path.read_text())
    (to / "run.json").write_text(json.dumps(notes, indent=1) + "\n")
    for picture in _PICTURES:
        if (runs / picture).exists():
            shutil.copyfile(runs / picture, to / picture.replace("/", "-"))


def unpack(bundle: Path, runs: Path) -> list[str]:
    """Put what ``pack`` wrote where the stages look for it; what ``runs`` has already learned itself stays.

    Returns:
        The stages that were taken up.
    """
    notes = json.loads((bundle / "run.json").read_text())
    weights = [load_file(path) for path in sorted(bundle.glob("weights-*.safetensors"))]
    taken = []
    for stage, head in notes["stages"].items():
        path = runs / stage / "checkpoint.safetensors"
        if path.exists():
            continue
        tensors: dict[str, Tensor] = {}
        for key, tensor in (pair for file in weights for pair in file.items()):
            of, kind, name, rest = key.split("|")
            if of != stage:
                continue
            tensors[f"model/{name}/{rest}"] = tensor.float()
            if kind == _AVERAGED:
                tensors[f"ema/{rest}"] = tensor.float()
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, metadata=head)
        taken.append(stage)
    for name, path in _notes(runs).items():
        if name in notes and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(notes[name]))
    return taken


def _small(stage: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    average = {k.removeprefix("ema/"): v for k, v in tensors.items() if k.startswith("ema/")}
    small = {}
    for key, tensor in tensors.items():
        if not key.startswith("model/"):
            continue
        _, name, rest = key.split("/", 2)
        kind = _AVERAGED if rest in average else _OWN
        kept = average.get(rest, tensor)
        small[f"{stage}|{kind}|{name}|{rest}"] = kept.to(torch.bfloat16) if kept.is_floating_point() else kept
    return small


def _size(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


def _notes(runs: Path) -> dict[str, Path]:
    # Latents are normalised by these figures for good: what was learned on them must never see them move.
    return {
        "sizes": runs / "nano.json",
        "statistics": runs / "latents" / "statistics.json",
        "plan": runs / "plan.json",
    }


def main() -> None:
    stage = Stage.parse("bundle", __doc__, _options)
    if stage.options.take is not None:
        stage.say(f"taken up: {', '.join(unpack(stage.options.take, stage.options.runs)) or 'nothing'}")
    if stage.options.to is not None:
        pack(stage.options.runs, stage.options.to)
        stage.say(f"{stage.options.to}: {sum(f.stat().st_size for f in stage.options.to.iterdir()) / 2**20:.1f} MiB")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, help="folder to write")
    parser.add_argument("--take", type=Path, help="folder to go on from")


if __name__ == "__main__":
    main()
