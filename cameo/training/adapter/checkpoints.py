"""Where a run stands, as one safetensors file: what learns, its average, and the optimiser's moments. Nothing else: no
clip, no latent, no feature. Sharded weights are gathered into it and shared out again."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from cameo.training.run import Ema

__all__ = ["Progress", "restore", "save", "versions", "whole"]

_FILE = "checkpoint.safetensors"


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: optimiser steps done.
        consents: digests of the ids of all consents that were ever learned from in it.
    """

    step: int = 0
    consents: frozenset[str] = frozenset()


def whole(tensor: Tensor) -> Tensor:
    """A tensor as one piece, on the CPU; every process must ask."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous().clone()


def save(
    run: Path, learner: nn.Module, optimiser: torch.optim.Optimizer, ema: Ema, progress: Progress, *, write: bool
) -> None:
    """Write the checkpoint, whole or not at all. Every process must call; the one with ``write`` writes."""
    learned = _learned(learner)
    tensors = {f"model/{name}": whole(weight) for name, weight in learned.items()}
    tensors |= {f"ema/{name}": whole(weight) for name, weight in ema.average.items()}
    for name, weight in learned.items():
        for key, value in optimiser.state.get(weight, {}).items():
            tensors[f"optimiser/{name}/{key}"] = whole(torch.as_tensor(value))
    if not write:
        return
    told = {
        "step": str(progress.step),
        "updates": str(ema.updates),
        "consents": json.dumps(sorted(progress.consents)),
        "versions": json.dumps(versions()),
    }
    partial = run / f"{_FILE}.part"
    save_file(tensors, partial, metadata=told)
    partial.replace(run / _FILE)


def restore(run: Path, learner: nn.Module, optimiser: torch.optim.Optimizer, ema: Ema) -> Progress:
    """Take up the checkpoint of a run, where there is one."""
    path = run / _FILE
    if not path.exists():
        return Progress()
    tensors = load_file(path)
    for name, weight in _learned(learner).items():
        weight.data.copy_(_like(tensors[f"model/{name}"], weight))
        ema.average[name] = _like(tensors[f"ema/{name}"], weight)
        prefix = f"optimiser/{name}/"
        state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        # The count of steps is a number, whatever the weight's shape.
        optimiser.state[weight] = {
            key: value if value.ndim == 0 else _like(value, weight) for key, value in state.items()
        }
    with safe_open(path, "pt") as file:
        told: dict[str, str] = file.metadata()
    ema.updates = int(told["updates"])
    return Progress(int(told["step"]), frozenset(json.loads(told["consents"])))


def versions() -> dict[str, str]:
    """Of what computes."""
    packages = ("torch", "diffusers", "transformers", "accelerate", "peft")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def _learned(learner: nn.Module) -> dict[str, Any]:
    return {name: weight for name, weight in learner.named_parameters() if weight.requires_grad}


def _like(value: Tensor, weight: Tensor) -> Tensor:
    """On the weight's device, shared out as it is."""
    if isinstance(weight, DTensor):
        return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)
    return value.to(weight.device)
