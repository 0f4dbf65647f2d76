"""What is carried away is what was learned, and a run goes on from it; the plan remembers what is over."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cameo.backbones.nano import PRESETS, NanoConfig
from cameo.training.all import PLAN, Plan
from cameo.training.bundle import LEARNED, pack, unpack
from cameo.training.latents import new_adapter
from cameo.training.run import Ema, Stage, sizes


def learned(folder: Path, name: str, width: int = 8) -> tuple[nn.Module, Ema]:
    """A checkpoint of a stage after three steps."""
    stage = Stage(name, argparse.Namespace(runs=folder, max_minutes=1.0, device="cpu", threads=1, seed=0), step=3)
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width))
    optimiser, ema = torch.optim.AdamW(model.parameters(), lr=0.1), Ema(model, 0.9)
    for _ in range(3):
        optimiser.zero_grad()
        model(torch.randn(4, width)).square().mean().backward()
        optimiser.step()
        ema.update(model)
    stage.save({"vae": model}, [optimiser], ema)
    return model, ema


def test_a_run_goes_on_from_a_bundle_with_the_averaged_weights(tmp_path: Path):
    model, ema = learned(tmp_path / "runs", "video_vae")
    (tmp_path / "runs" / "nano.json").write_text(PRESETS["16x8"].model_dump_json())
    pack(tmp_path / "runs", tmp_path / "bundle")
    assert unpack(tmp_path / "bundle", tmp_path / "fresh") == ["video_vae"]
    assert sizes(tmp_path / "fresh") == PRESETS["16x8"]

    options = argparse.Namespace(runs=tmp_path / "fresh", max_minutes=1.0, device="cpu", threads=1, seed=0)
    stage = Stage("video_vae", options)
    again = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    optimiser, average = torch.optim.AdamW(again.parameters(), lr=0.1), Ema(again, 0.9)
    assert stage.resume({"vae": again}, [optimiser], average)
    assert stage.step == 3
    assert average.updates == 3
    for key, value in ema.average.items():
        assert torch.allclose(again.state_dict()[key], value, rtol=2**-8)
        assert torch.equal(average.average[key], again.state_dict()[key])
    assert torch.equal(again[1].num_batches_tracked, model[1].num_batches_tracked)
    # Moments begin anew: a step must be possible.
    again(torch.randn(4, 8)).square().mean().backward()
    optimiser.step()


def test_what_a_run_has_learned_itself_stays(tmp_path: Path):
    learned(tmp_path / "runs", "vocoder")
    pack(tmp_path / "runs", tmp_path / "bundle")
    before = (tmp_path / "runs" / "vocoder" / "checkpoint.safetensors").read_bytes()
    assert unpack(tmp_path / "bundle", tmp_path / "runs") == []
    assert (tmp_path / "runs" / "vocoder" / "checkpoint.safetensors").read_bytes() == before


def test_no_file_of_a_bundle_is_too_large(tmp_path: Path):
    for name in ("video_vae", "base"):
        learned(tmp_path / "runs", name, width=2300)
    pack(tmp_path / "runs", tmp_path / "bundle")
    files = sorted((tmp_path / "bundle").iterdir())
    assert 3 <= len(files) <= 8
    assert all(file.stat().st_size <= 16 * 2**20 for file in files)
    keys = [key for file in files if file.suffix == ".safetensors" for key in load_file(file)]
    assert len(keys) == len(set(keys)) == 2 * len(nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)).state_dict())


def test_the_plan_remembers_and_forgets(tmp_path: Path):
    plan = Plan(tmp_path)
    plan.note("people", 1.5, False)
    plan.note("people", 1.0, True)
    assert Plan(tmp_path).minutes == {"people": 2.5}
    assert Plan(tmp_path).over == ["people"]
    plan.undo("people")
    assert json.loads((tmp_path / "plan.json").read_text()) == {"minutes": {}, "over": []}


def test_the_plan_trains_everything_within_the_time():
    for phase in PLAN:
        assert len({part.stage for lane in phase for part in lane}) == sum(len(lane) for lane in phase)
    longest = sum(max(sum(part.share or 0.0 for part in lane) for lane in phase) for phase in PLAN)
    # What is left is for the stages that have no share: each takes what it needs.
    assert 0.8 <= longest <= 0.95
    stages = [part.stage for phase in PLAN for lane in phase for part in lane]
    assert set(LEARNED) < set(stages)
    assert stages.index("identities") < stages.index("latents") < stages.index("base") < stages.index("nano_adapter")
    assert stages.index("base") < stages.index("distil")
    assert max(map(stages.index, ("base", "decoder"))) < stages.index("faces") < stages.index("restorer")


def test_sizes_are_fixed_by_the_first_stage(tmp_path: Path):
    stage = Stage("video_vae", argparse.Namespace(runs=tmp_path / "runs", device="cpu", seed=0))
    stage.choose(None)
    assert stage.config == NanoConfig()
    stage.choose("16x4")
    stage.choose("16x4")
    stage.choose(None)
    assert stage.config == PRESETS["16x4"]
    with pytest.raises(SystemExit, match="other sizes"):
        stage.choose("32x8")


def test_the_adapter_reads_crops_of_any_compression():
    for config in PRESETS.values():
        adapter = new_adapter(config)
        assert adapter.config.head_grid == 128 // config.space
        assert adapter.config.video_latent_channels == config.latent_channels
        assert adapter.config.num_layers == config.layers


def test_learning_rates_follow_the_plan_over_several_runs():
    options = argparse.Namespace(max_minutes=2.0, planned_minutes=10.0)
    stage = Stage("toy", options, spent=5.0)
    assert stage.progress() == pytest.approx(0.5, abs=0.01)
    options.planned_minutes = None
    assert stage.progress() == pytest.approx(0.0, abs=0.01)
