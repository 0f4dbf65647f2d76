"""Every weight learns, once, and the matrices by Muon."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Muon

from cameo.backbones.nano import build
from cameo.training.latents import new_adapter
from cameo.training.optimisers import StackedMuon, by_size, generator_optimisers, set_rate
from tests.cameo.tiny import TINY


def parts() -> tuple[nn.ModuleDict, nn.Module]:
    pipeline = build(TINY, ["a", "person"], seed=0)
    modules = {name: getattr(pipeline, name) for name in ("text_encoder", "connectors", "transformer")}
    return nn.ModuleDict({"adapter": new_adapter(TINY)} | modules).requires_grad_(True), pipeline.transformer


def test_every_weight_is_in_one_group():
    nano, transformer = parts()
    held = [
        id(p) for one in generator_optimisers(nano, transformer, 1e-3) for g in one.param_groups for p in g["params"]
    ]
    assert len(held) == len(set(held)) and set(held) == {id(p) for p in nano.parameters()}


def test_matrices_inside_learn_by_muon_and_what_goes_in_and_out_does_not():
    nano, transformer = parts()
    muon, adamw = generator_optimisers(nano, transformer, 1e-3)
    assert isinstance(muon, Muon) and isinstance(adamw, AdamW)
    inside = {id(p) for group in muon.param_groups for p in group["params"]}
    block = transformer.transformer_blocks[0]
    assert id(block.ff.net[2].weight) in inside and id(block.attn1.to_q.weight) in inside
    assert id(nano["adapter"].crop.weight) in inside
    for outside in (transformer.proj_in.weight, transformer.proj_out.weight, nano["adapter"].kind.weight):
        assert id(outside) not in inside
    assert all(p.ndim == 2 for group in muon.param_groups for p in group["params"])


def test_the_adapter_learns_three_times_as_fast():
    nano, transformer = parts()
    optimisers = generator_optimisers(nano, transformer, 1e-3)
    set_rate(optimisers, 1e-4)
    rates = {
        id(p): group["lr"] for optimiser in optimisers for group in optimiser.param_groups for p in group["params"]
    }
    assert all(rates[id(p)] == pytest.approx(3e-4) for p in nano["adapter"].parameters())
    assert all(rates[id(p)] == pytest.approx(1e-4) for p in transformer.parameters())


def test_a_step_of_muon_turns_by_no_more_than_its_rate():
    """Updates of orthogonal form, scaled to the size AdamW's have: root mean square 0.2 of the rate."""
    nano, transformer = parts()
    muon, _ = generator_optimisers(nano, transformer, 1e-2)
    weight = transformer.transformer_blocks[0].ff.net[2].weight
    before = weight.detach().clone()
    weight.grad = torch.randn_like(weight)
    muon.step()
    moved = (weight.detach() - before * (1 - 1e-2 * 0.01)).square().mean().sqrt()
    assert 0.7 < float(moved) / (0.2 * 1e-2) < 1.3


def test_stacked_or_one_by_one_muon_does_the_same():
    g = torch.Generator().manual_seed(0)
    shapes = [(64, 32), (64, 32), (32, 64), (48, 48), (32, 64)]
    one_by_one = [nn.Parameter(torch.randn(shape, generator=g)) for shape in shapes]
    stacked = [nn.Parameter(p.detach().clone()) for p in one_by_one]
    options = {"lr": 1e-2, "weight_decay": 0.01, "adjust_lr_fn": "match_rms_adamw"}
    judge, ours = Muon(one_by_one, **options), StackedMuon(stacked, **options)
    for _ in range(3):
        for p, q in zip(one_by_one, stacked, strict=True):
            p.grad = torch.randn(p.shape, generator=g)
            q.grad = p.grad.clone()
        judge.step()
        ours.step()
    for p, q in zip(one_by_one, stacked, strict=True):
        assert torch.allclose(p, q, atol=1e-4)


def test_each_weight_moves_by_its_size_and_what_was_fitted_least():
    parts = nn.ModuleDict({"resnets": nn.Linear(4, 4), "conv_in": nn.Linear(4, 4), "frozen": nn.Linear(4, 4)})
    parts["frozen"].requires_grad_(False)
    with torch.no_grad():
        for name, size in (("resnets", 0.5), ("conv_in", 0.02)):
            parts[name].weight.fill_(size)
            parts[name].bias.zero_()
    groups = {id(group["params"][0]): group["rate"] for group in by_size(parts, 0.01, fitted=True)}
    assert groups == {
        id(parts["resnets"].weight): pytest.approx(0.01 * 0.5),
        id(parts["resnets"].bias): pytest.approx(0.01 * 0.005),
        id(parts["conv_in"].weight): pytest.approx(0.001 * 0.02),
        id(parts["conv_in"].bias): pytest.approx(0.001 * 0.005),
    }
    assert by_size(parts["conv_in"], 0.01, fitted=False)[0]["rate"] == pytest.approx(0.01 * 0.02)
