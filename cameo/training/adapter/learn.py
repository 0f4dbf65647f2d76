"""The loop: steps that one process or many take together, with the same result, and checkpoints to go on from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor

from cameo.errors import UsageError
from cameo.training.adapter.checkpoints import Progress, restore, save, whole
from cameo.training.adapter.examples import Examples
from cameo.training.adapter.learner import Learner
from cameo.training.adapter.settings import Settings
from cameo.training.run import Ema, halved

__all__ = ["Losses", "Training", "arithmetic"]

_FARTHEST = 1.0
"""Norm of the gradient at most."""


def arithmetic(settings: Settings, device: torch.device) -> AbstractContextManager[None]:
    """In which arithmetic passes are computed; ``backward`` repeats parts of them, and remembers that by itself."""
    return halved(device) if settings.precision == "bf16" else nullcontext()


@dataclass(frozen=True)
class Losses:
    """Of one step, over all of its examples: of the ``picture``, and of the ``sound`` where it is the person's."""

    picture: float
    sound: float


class Training:
    """A run that is being trained, by one of its processes.

    Args:
        accelerator: says which of the processes this is, how they work together, and in how many passes each takes its
            part of a step (``gradient_accumulation_steps``).
        learner: what is trained; sharded or copied to the devices from here on.
        settings: of the run.
        run: its folder, the same for all processes.

    Raises:
        UsageError: the examples of a step cannot be shared out evenly; or the weights are to be sharded by the first
            FSDP, which cannot mix frozen and learning weights of different precision.
    """

    def __init__(self, accelerator: Accelerator, learner: Learner, settings: Settings, run: Path) -> None:
        _check(accelerator, settings)
        self._accelerator, self._settings, self._run = accelerator, settings, run
        learned = [weight for weight in learner.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(learned, lr=settings.lr, betas=(0.9, 0.99), weight_decay=0.01)
        self.model, self._optimiser = accelerator.prepare(learner, optimiser)
        self.learner: Learner = accelerator.unwrap_model(self.model)
        self._ema = Ema(self.learner, settings.ema)
        self.progress: Progress = restore(run, self.learner, self._moments, self._ema)

    def steps(self, examples: Examples, until: int | None = None) -> Iterator[Losses]:
        """Take steps up to the last one, or to ``until``."""
        while self.progress.step < (until if until is not None else self._settings.steps):
            yield self._step(examples)

    def save(self) -> None:
        """Write a checkpoint. Every process must call."""
        accelerator = self._accelerator
        save(self._run, self.learner, self._moments, self._ema, self.progress, write=accelerator.is_main_process)
        accelerator.wait_for_everyone()

    def learned(self) -> dict[str, Tensor]:
        """The averaged weights by their names in the learner, whole, on the CPU. Every process must call."""
        return {name: whole(weight) for name, weight in self._ema.average.items()}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block, what learns has the averaged weights."""
        with self._ema.averaged(self.learner):
            yield

    def _step(self, examples: Examples) -> Losses:
        accelerator, step = self._accelerator, self.progress.step
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.rate(step)
        heard: list[Tensor] = []
        for numbers in self._parts():
            batch = examples.batch(step, numbers).to(accelerator.device)
            with ExitStack() as stack:
                stack.enter_context(accelerator.accumulate(self.model))
                stack.enter_context(self.learner.telling())
                with arithmetic(self._settings, accelerator.device):
                    picture, sound = self.model(batch)
                accelerator.backward((picture + sound).mean())
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.learner.parameters(), _FARTHEST)
                self._optimiser.step()
                self._optimiser.zero_grad(set_to_none=True)
            heard.append(torch.stack([picture.detach().sum(), sound.detach().sum(), batch.heard.sum()]))
        self._ema.update(self.learner)
        self.progress.step += 1
        picture_sum, sound_sum, voices = accelerator.reduce(torch.stack(heard).sum(0), "sum").tolist()
        return Losses(picture_sum / self._settings.batch, sound_sum / max(1.0, voices))

    def _parts(self) -> Sequence[range]:
        """The numbers of this process's examples, a pass each."""
        share = self._settings.batch // self._accelerator.num_processes
        size, begin = share // self._accelerator.gradient_accumulation_steps, share * self._accelerator.process_index
        return [range(begin + at, begin + at + size) for at in range(0, share, size)]

    @property
    def _moments(self) -> torch.optim.Optimizer:
        """The optimiser itself, out of what ``accelerate`` puts around it."""
        return getattr(self._optimiser, "optimizer", self._optimiser)


def _check(accelerator: Accelerator, settings: Settings) -> None:
    pieces = accelerator.gradient_accumulation_steps
    shared = accelerator.num_processes * pieces
    if settings.batch % shared:
        raise UsageError(
            f"{settings.batch} clips a step cannot be shared out evenly to {accelerator.num_processes} processes of "
            f"{pieces} passes",
            hint=f"say a --batch that {shared} divides",
        )
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise UsageError(
            "the first FSDP cannot shard weights of which few learn", hint="accelerate launch --fsdp_version 2 …"
        )
