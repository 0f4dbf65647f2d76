"""Stopping and going on: what a stage saves is what it takes up."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from torch import nn

from cameo.training.run import Ema, Stage, load_weights


class Tied(nn.Module):
    """One weight under two names, as an embedding and the head that reads it often are."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.second = self.first
        self.last = nn.Linear(3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.first(x)))


def stage(folder: Path) -> Stage:
    options = argparse.Namespace(runs=folder, max_minutes=1.0, device="cpu", threads=1, seed=0)
    return Stage("toy", options)


def learn(model: nn.Module, optimiser: torch.optim.Optimizer, ema: Ema, steps: range) -> None:
    for step in steps:
        x = torch.full((4, 3), 0.1 * (step + 1))
        optimiser.zero_grad()
        (model(x) - 1).square().mean().backward()
        optimiser.step()
        ema.update(model)


def fresh() -> tuple[nn.Module, torch.optim.Optimizer, Ema]:
    torch.manual_seed(1)
    model = Tied()
    return model, torch.optim.AdamW(model.parameters(), lr=0.1), Ema(model, 0.9)


def test_a_resumed_run_goes_on_as_if_never_stopped(tmp_path: Path):
    model, optimiser, ema = fresh()
    learn(model, optimiser, ema, range(6))

    half, half_optimiser, half_ema = fresh()
    learn(half, half_optimiser, half_ema, range(3))
    first = stage(tmp_path)
    first.step = 3
    first.save({"toy": half}, [half_optimiser], half_ema)

    again, again_optimiser, again_ema = fresh()
    second = stage(tmp_path)
    assert second.resume({"toy": again}, [again_optimiser], again_ema)
    assert second.step == 3
    learn(again, again_optimiser, again_ema, range(3, 6))

    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(ema.average[k], again_ema.average[k]) for k in ema.average)


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path: Path):
    model, optimiser, ema = fresh()
    assert not stage(tmp_path).resume({"toy": model}, [optimiser], ema)


def test_averaged_weights_are_there_within_the_block_only():
    model, optimiser, ema = fresh()
    learn(model, optimiser, ema, range(3))
    own = model.last.weight.detach().clone()
    with ema.averaged(model):
        assert torch.equal(model.last.weight, ema.average["last.weight"])
        assert not torch.equal(model.last.weight, own)
    assert torch.equal(model.last.weight, own)


def test_weights_that_do_not_fit_are_refused():
    model = Tied()
    state = {"last.weight": torch.zeros(1, 3), "last.bias": torch.zeros(1)}
    with pytest.raises(RuntimeError, match=r"missing .*first"):
        load_weights(model, state)
    load_weights(model, state | {"second.weight": torch.ones(3, 3)})
    assert torch.equal(model.first.weight, torch.ones(3, 3))
    with pytest.raises(RuntimeError, match="unexpected"):
        load_weights(model, dict(model.state_dict()) | {"stray": torch.zeros(1)})
