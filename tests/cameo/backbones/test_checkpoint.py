"""Opening checkpoints: what is refused, and that what was saved is what is opened."""

from __future__ import annotations

import json

import pytest
import torch
from pydantic import ValidationError

from cameo.backbones import Defaults, checkpoint, describe, load
from cameo.backbones.nano import build
from cameo.conditioning import AdapterMismatch, AdapterUnreadable, IdentityAdapter, add_lora, dump_lora
from cameo.conditioning.attach import attach
from cameo.restoration import FaceRestorer
from enroll.errors import BadInput, WeightsMissing
from tests.cameo.tiny import TINY

DEFAULTS = {
    "height": 64,
    "width": 64,
    "frames": 9,
    "frame_rate": 12.5,
    "steps": 2,
    "guidance_scale": 3.0,
    "sample_rate": 16000,
    "max_sequence_length": 8,
    "license": "Apache-2.0",
    "vocabulary": ["a", "person", "waves"],
    "version": "1",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    build(TINY, DEFAULTS["vocabulary"], seed=0).save_pretrained(folder)
    (folder / "cameo.json").write_text(json.dumps(DEFAULTS))
    IdentityAdapter(num_layers=2, video_dim=64, audio_dim=32, token_dim=32, base_version="1").save_pretrained(
        folder / "adapter"
    )
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to spoil; the weights are links."""
    for path in saved.rglob("*"):
        target = tmp_path / path.relative_to(saved)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".json":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    return tmp_path


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A test that would download fails at once instead."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("CAMEO_ALLOW_DOWNLOAD", raising=False)


@pytest.mark.parametrize("model", ["Lightricks/LTX-2.3", "nonesuch", "no/such/folder", "a b", ""])
def test_what_is_not_on_this_machine_is_missing_with_a_hint(model):
    with pytest.raises(WeightsMissing) as refused:
        load(model)
    assert refused.value.exit_status == 5
    assert "hf download" in refused.value.hint
    assert not describe(model).present


def test_a_nano_that_is_not_there_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "NANO", tmp_path / "none")
    with pytest.raises(WeightsMissing, match="nano"):
        load()
    assert not describe().present


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(BadInput, match="model_index"):
        load(str(tmp_path))
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(BadInput, match="StableDiffusionPipeline"):
        load(str(tmp_path))
    (tmp_path / "model_index.json").write_text("[")
    with pytest.raises(BadInput, match="cannot be read"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"stepz": 3}, "stepz"),
        ({"height": 100}, "height"),
        ({"guidance_scale": 0.5}, "guidance"),
        ({"steps": None}, "steps"),
    ],
)
def test_wrong_defaults_are_refused_by_name(folder, change, named):
    (folder / "cameo.json").write_text(json.dumps({**DEFAULTS, **change}))
    with pytest.raises(BadInput, match=named):
        load(str(folder))
    with pytest.raises(ValidationError):
        Defaults.model_validate({**DEFAULTS, **change})


def test_a_missing_part_is_missing_weights(folder):
    (folder / "vocoder" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WeightsMissing, match="not complete"):
        load(str(folder))


def test_a_damaged_part_is_refused(folder):
    weights = folder / "vocoder" / "diffusion_pytorch_model.safetensors"
    half = weights.read_bytes()[:2000]
    weights.unlink()
    weights.write_bytes(half)
    with pytest.raises(BadInput, match="no safetensors file") as refused:
        load(str(folder))
    assert "copy the folder again" in refused.value.hint


def test_pickles_are_not_opened(folder):
    weights = folder / "vocoder" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    torch.save({"conv_in.weight": torch.zeros(1)}, weights.with_suffix(".bin"))
    with pytest.raises((WeightsMissing, BadInput)):
        load(str(folder))


def test_an_adapter_of_another_version_is_refused(folder):
    path = folder / "adapter" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_version": "2"}))
    with pytest.raises(AdapterMismatch, match="version '2'"):
        load(str(folder))


def test_what_was_saved_is_opened(saved):
    backbone = load(str(saved), device="cpu")
    assert backbone.defaults.model_dump(mode="json", exclude_unset=True) == DEFAULTS
    assert backbone.lora is None
    assert backbone.pipeline.transformer.dtype == torch.float32
    original = build(TINY, DEFAULTS["vocabulary"], seed=0)
    for part in ("vae", "audio_vae", "vocoder", "text_encoder", "connectors", "transformer"):
        expected, got = getattr(original, part).state_dict(), getattr(backbone.pipeline, part).state_dict()
        assert all(torch.equal(expected[name], got[name]) for name in expected), part
    attach(backbone.pipeline.transformer, backbone.adapter)


def test_a_restorer_comes_along_where_there_is_one(folder):
    assert load(str(folder)).restorer is None and not describe(str(folder)).restorer
    saved = FaceRestorer(widths=(8, 8, 8), depths=(1, 1, 1), condition=8)
    torch.nn.init.normal_(saved.leave.weight)
    saved.to(torch.bfloat16).save_pretrained(folder / "restorer")
    assert describe(str(folder)).restorer
    restorer = load(str(folder)).restorer
    assert restorer.dtype == torch.float32 and not restorer.training
    (folder / "restorer" / "diffusion_pytorch_model.safetensors").write_bytes(b"half of it")
    with pytest.raises((AdapterUnreadable, BadInput), match="restorer"):
        load(str(folder))


def test_the_lora_of_few_steps_is_in_the_weights_unless_somebody_is_to_be_learned(folder):
    plain = load(str(folder))
    before = {name: weight.clone() for name, weight in plain.pipeline.transformer.state_dict().items()}
    torch.manual_seed(0)
    for weight in add_lora(plain.pipeline.transformer, 2, "few"):
        torch.nn.init.normal_(weight, std=0.1)
    (folder / "distilled").mkdir()
    (folder / "distilled" / "pytorch_lora_weights.safetensors").write_bytes(
        dump_lora(plain.pipeline.transformer, "few")
    )
    (folder / "cameo.json").write_text(json.dumps(DEFAULTS | {"distilled": {"steps": 1}}))

    quick, whole = load(str(folder)), load(str(folder), distilled=False)
    assert describe(str(folder)).distilled and quick.distilled and not whole.distilled
    assert (quick.defaults.steps, quick.defaults.guidance_scale) == (1, 1)
    assert (whole.defaults.steps, whole.defaults.guidance_scale) == (2, 3)
    assert len(quick.loras_sha256) == 1 and whole.loras_sha256 == ()
    got, kept = (one.pipeline.transformer.state_dict() for one in (quick, whole))
    assert got.keys() == kept.keys() == before.keys()
    assert all(torch.equal(kept[name], weight) for name, weight in before.items())
    assert not torch.equal(
        got["transformer_blocks.0.attn1.to_q.weight"], before["transformer_blocks.0.attn1.to_q.weight"]
    )
    assert torch.equal(got["proj_out.weight"], before["proj_out.weight"])

    (folder / "distilled" / "pytorch_lora_weights.safetensors").write_bytes(b"half of it")
    with pytest.raises(AdapterUnreadable, match="safetensors"):
        load(str(folder))


def test_a_description_reads_no_weights(saved):
    seen = describe(str(saved))
    assert seen.present
    assert seen.license == "Apache-2.0"
    assert seen.adapter == ("dlib-resnet-128", "appearance", "ge2e-256")
    assert not seen.lora
    assert 0 < seen.megabytes < 10


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_scene_comes_out(saved, guidance):
    backbone = load(str(saved), device="cpu")
    backbone.pipeline.set_progress_bar_config(disable=True)
    defaults = backbone.defaults
    out = backbone.pipeline(
        "a person waves",
        height=defaults.height,
        width=defaults.width,
        num_frames=defaults.frames,
        frame_rate=defaults.frame_rate,
        num_inference_steps=defaults.steps,
        guidance_scale=guidance,
        max_sequence_length=defaults.max_sequence_length,
        output_type="np",
    )
    assert out.frames.shape == (1, 9, 64, 64, 3)
    # 0.72 s are 18 audio latents; the first stands for one spectrogram frame, the others for four.
    assert out.audio.shape == (1, 2, (1 + 17 * 4) * 160)
