"""What the package carries is what was learned, and a run goes on from it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cameo.backbones import load
from cameo.backbones.defaults import read_defaults
from cameo.backbones.nano import build
from cameo.conditioning import add_lora
from cameo.synth.clips import vocabulary
from cameo.training import distil, ship
from cameo.training.latents import new_adapter
from cameo.training.nano_adapter import base_adapter
from cameo.training.parts import base
from cameo.training.shipped import take_up
from tests.cameo.tiny import TINY

SMALL = TINY.model_copy(update={"layers": 1, "audio_channels": 4})


def ship_to(target: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runs = target.parent / "runs"
    words = ["--runs", str(runs), "--to", str(target), "--version", "9", "--few-steps", "3"]
    monkeypatch.setattr(sys, "argv", ["ship", *words])
    ship.main()
    return target


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runs, pipeline = tmp_path / "runs", build(SMALL, vocabulary(), seed=3)
    parts = {name: getattr(pipeline, name) for name in ("text_encoder", "connectors", "transformer")}
    adapter = new_adapter(SMALL)
    for layer in adapter.video_layers:
        nn.init.normal_(layer.to_v_id.weight)
    for stage, name, model in (
        ("video_vae", "vae", pipeline.vae),
        ("base", "nano", nn.ModuleDict({"adapter": adapter} | parts)),
    ):
        (runs / stage).mkdir(parents=True)
        tensors = {f"model/{name}/{k}": v.contiguous().clone() for k, v in model.state_dict().items()}
        save_file(tensors, runs / stage / "checkpoint.safetensors", metadata={"step": "7", "minutes": "1"})
    (runs / "nano.json").write_text(SMALL.model_dump_json())
    (runs / "latents").mkdir()
    figures = {"video": {"mean": [0.5] * 32, "std": [2.0] * 32}, "audio": {"mean": [0.25] * 64, "std": [4.0] * 64}}
    (runs / "latents" / "statistics.json").write_text(json.dumps(figures))
    return ship_to(tmp_path / "weights", monkeypatch)


def test_a_run_goes_on_from_what_is_shipped(shipped: Path, tmp_path: Path):
    assert take_up(shipped, tmp_path / "fresh") == ["video_vae", "audio_vae", "vocoder", "base"]
    before, after = base(tmp_path / "runs"), base(tmp_path / "fresh")
    for name in ("vae", "text_encoder", "connectors", "transformer"):
        own, again = getattr(before, name).state_dict(), getattr(after, name).state_dict()
        assert own.keys() == again.keys()
        assert all(torch.allclose(own[k].float(), again[k].float(), rtol=2**-7, atol=1e-6) for k in own), name
    own, again = base_adapter(tmp_path / "runs").state_dict(), base_adapter(tmp_path / "fresh").state_dict()
    assert all(torch.allclose(own[k], again[k], rtol=2**-7, atol=1e-6) for k in own)
    assert float(after.vae.latents_std[0]) == 2 and float(after.audio_vae.latents_mean[0]) == 0.25


def test_what_was_distilled_is_shipped_and_goes_on(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert not (shipped / "distilled").exists() and read_defaults(shipped).distilled is None
    torch.manual_seed(0)
    student = add_lora(base(tmp_path / "runs").transformer, distil.RANK, distil.LORA, distil.TARGETS)
    for weight in student:
        nn.init.normal_(weight, std=0.05)
    (tmp_path / "runs" / "distil").mkdir()
    tensors = {f"model/student/{number}": weight.detach() for number, weight in enumerate(student)}
    head = {"step": "7", "minutes": "1"}
    save_file(tensors, tmp_path / "runs" / "distil" / "checkpoint.safetensors", metadata=head)
    ship_to(tmp_path / "weights", monkeypatch)

    backbone = load(str(shipped))
    assert backbone.distilled and backbone.defaults.steps == 3 and backbone.defaults.guidance_scale == 1
    assert "distil" in take_up(shipped, tmp_path / "fresh")
    again = load_file(tmp_path / "fresh" / "distil" / "checkpoint.safetensors")
    for name, weight in tensors.items():
        assert torch.allclose(again[name], weight, rtol=2**-7, atol=1e-6)
    own = base(tmp_path / "runs").transformer.state_dict()
    for name, weight in base(tmp_path / "fresh").transformer.state_dict().items():
        assert torch.allclose(own[name], weight, rtol=2**-7, atol=1e-6)


def test_what_was_begun_is_not_written_over(shipped: Path, tmp_path: Path):
    take_up(shipped, tmp_path / "fresh")
    with pytest.raises(SystemExit, match="begun already"):
        take_up(shipped, tmp_path / "fresh")


def test_weights_that_do_not_say_their_size_are_refused(shipped: Path, tmp_path: Path):
    (shipped / "nano.json").unlink()
    with pytest.raises(SystemExit, match="before runs could begin"):
        take_up(shipped, tmp_path / "fresh")
    assert not (tmp_path / "fresh").exists()
