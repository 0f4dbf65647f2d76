"""What every training stage shares: its options, its folder, its clock, its log and its checkpoints."""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cameo.backbones.nano import PRESETS, NanoConfig

__all__ = ["SIZES", "Ema", "Stage", "halved", "load_weights", "mixed", "sizes"]

SIZES = "nano.json"
"""File in a folder of runs, and of shipped weights, that says of what size nano is."""


def sizes(runs: Path) -> NanoConfig:
    """What is trained in a folder of runs: what its ``nano.json`` says; without one, ``32x8``."""
    path = runs / SIZES
    return NanoConfig.model_validate_json(path.read_text()) if path.exists() else NanoConfig()


@dataclass
class Stage:
    """One run of one stage.

    Attributes:
        name: of the stage; its checkpoints and log lie in ``runs/<name>``.
        options: what the command line said.
        step: optimiser steps done, over all runs.
        spent: minutes of earlier runs.
    """

    name: str
    options: argparse.Namespace
    step: int = 0
    spent: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _console: Console = field(default_factory=lambda: Console(stderr=True))

    @classmethod
    def parse(cls, name: str, about: str | None, add: Callable[[argparse.ArgumentParser], None] | None = None) -> Stage:
        parser = argparse.ArgumentParser(
            prog=f"python -m cameo.training.{name}", description=about, formatter_class=argparse.RawTextHelpFormatter
        )
        parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of data and checkpoints")
        parser.add_argument("--max-minutes", type=float, default=60.0, help="stop, with a checkpoint, after this long")
        parser.add_argument("--planned-minutes", type=float, help="of all runs, for the learning rate's course")
        parser.add_argument("--size", choices=PRESETS, help="compression of nano's video VAE, fixed by the first stage")
        parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
        parser.add_argument("--threads", type=int, default=2, help="CPU threads")
        parser.add_argument("--seed", type=int, default=0)
        if add is not None:
            add(parser)
        options = parser.parse_args()
        torch.set_num_threads(options.threads)
        torch.manual_seed(options.seed)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
        stage = cls(name, options)
        stage.choose(options.size)
        return stage

    def choose(self, size: str | None) -> None:
        """Fix what is trained in this folder of runs; None leaves it as it is.

        Raises:
            SystemExit: something else was begun here.
        """
        path = Path(self.options.runs) / SIZES
        if size is None:
            return
        if path.exists() and sizes(path.parent) != PRESETS[size]:
            raise SystemExit(f"{path.parent} was begun with other sizes: take another --runs, or leave --size out")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PRESETS[size].model_dump_json(indent=1) + "\n")

    @property
    def config(self) -> NanoConfig:
        return sizes(Path(self.options.runs))

    @property
    def device(self) -> torch.device:
        return torch.device(self.options.device)

    def folder(self, name: str | None = None) -> Path:
        path = Path(self.options.runs) / (name or self.name)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def minutes(self) -> float:
        return (time.monotonic() - self._started) / 60

    def out_of_time(self) -> bool:
        return self.minutes() >= self.options.max_minutes

    def progress(self) -> float:
        """Share of the planned time that is over, 0 to 1: what learning rates are scheduled by. Without a plan, of this
        run's time."""
        planned = getattr(self.options, "planned_minutes", None)
        over = self.minutes() / self.options.max_minutes if planned is None else self._so_far() / planned
        return min(1.0, over)

    def mixed(self) -> AbstractContextManager[Any]:
        """See ``mixed``."""
        return mixed(self.device)

    def _so_far(self) -> float:
        return self.spent + self.minutes()

    def say(self, text: str) -> None:
        self._console.print(f"[dim]{self.minutes():6.1f} min[/dim] {self.name} {self.step}: {text}", highlight=False)

    def log(self, **figures: float) -> None:
        """Print figures and append them to ``log.jsonl``."""
        row = {"step": self.step, "minutes": round(self.minutes(), 3), **{k: float(v) for k, v in figures.items()}}
        with (self.folder() / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        self.say("  ".join(f"{k} {float(v):.4f}" for k, v in figures.items()))

    def steps(self) -> Iterator[float]:
        """Count steps until the time is over, giving the progress of this run."""
        while not self.out_of_time():
            yield self.progress()
            self.step += 1

    def save(
        self, models: Mapping[str, nn.Module], optimisers: Sequence[torch.optim.Optimizer], ema: Ema | None = None
    ) -> None:
        """Write a checkpoint: weights, the optimisers' moments, the running average. Safetensors throughout."""
        tensors = {f"model/{n}/{k}": v for n, m in models.items() for k, v in _weights(m).items()}
        for number, optimiser in enumerate(optimisers):
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{number}/{index}/{k}": torch.as_tensor(v) for k, v in state.items()}
        if ema is not None:
            tensors |= {f"ema/{k}": v for k, v in ema.average.items()}
        meta = {
            "step": str(self.step),
            "minutes": f"{self._so_far():.3f}",
            "updates": str(ema.updates if ema is not None else 0),
            "seed": str(self.options.seed),
            "versions": json.dumps(_versions()),
        }
        partial = self.folder() / "checkpoint.part"
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, partial, metadata=meta)
        partial.replace(self.folder() / "checkpoint.safetensors")

    def resume(
        self, models: Mapping[str, nn.Module], optimisers: Sequence[torch.optim.Optimizer], ema: Ema | None = None
    ) -> bool:
        """Take up the last checkpoint, where there is one."""
        path = self.folder() / "checkpoint.safetensors"
        if not path.exists():
            return False
        tensors = load_file(path)
        for name, model in models.items():
            load_weights(model, _below(tensors, f"model/{name}/"))
        for number, optimiser in enumerate(optimisers):
            moments: dict[int, dict[str, Any]] = {}
            for key, value in _below(tensors, f"optimiser/{number}/").items():
                index, name = key.split("/")
                moments.setdefault(int(index), {})[name] = value
            if moments:
                optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
        if ema is not None:
            ema.average = {k: v.to(self.device) for k, v in _below(tensors, "ema/").items()}
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
        self.step, self.spent = int(header["step"]), float(header.get("minutes", 0.0))
        if ema is not None:
            ema.updates = int(header.get("updates", self.step))
        self.say("resumed")
        return True


def mixed(device: torch.device) -> AbstractContextManager[Any]:
    """``halved``; on a CPU attention is written out, too: the fused one takes twice as long backwards."""
    contexts = ExitStack()
    contexts.enter_context(halved(device))
    if device.type == "cpu":
        contexts.enter_context(sdpa_kernel(SDPBackend.MATH))
    return contexts


def halved(device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 where the processor has arithmetic of that kind; elsewhere it is ten times slower."""
    if device.type == "cpu" and not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


class Ema:
    """Exponential moving average of a model's trainable weights, with a warm-up so that early steps do not linger."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.updates = 0
        self.average = {k: p.detach().clone() for k, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        now = {k: p.detach() for k, p in model.named_parameters() if k in self.average}
        # All at once: one by one they cost an accelerator more than the step itself.
        torch._foreach_lerp_([self.average[k] for k in now], list(now.values()), 1 - decay)

    @contextmanager
    def averaged(self, model: nn.Module) -> Iterator[None]:
        """Within the block, the model has the averaged weights."""
        own = {k: p.data for k, p in model.named_parameters() if k in self.average}
        for key, parameter in model.named_parameters():
            if key in own:
                parameter.data = self.average[key]
        try:
            yield
        finally:
            for key, parameter in model.named_parameters():
                if key in own:
                    parameter.data = own[key]


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """The state of a model, every tensor once: under the first of its names."""
    seen: set[int] = set()
    weights = {}
    for key, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            weights[key] = tensor
    return weights


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load what ``_weights`` gave: a tensor with several names is there under one of them.

    Raises:
        RuntimeError: a weight is missing, or has no place.
    """
    missing, unexpected = model.load_state_dict(dict(weights), strict=False)
    own = model.state_dict(keep_vars=True)
    loaded = {id(own[key]) for key in weights if key in own}
    missing = [key for key in missing if id(own[key]) not in loaded]
    if missing or unexpected:
        raise RuntimeError(f"checkpoint does not fit: missing {missing[:3]}, unexpected {unexpected[:3]}")


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        p: version(p) for p in ("torch", "diffusers", "transformers", "peft")
    }
