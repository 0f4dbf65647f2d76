"""What a generator needs, told before it is loaded."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
import torch
from diffusers import LTX2Pipeline
from huggingface_hub import HfApi

from cameo import backbones
from cameo.backbones import preflight as module
from cameo.backbones.checkpoint import NANO
from cameo.backbones.licences import licence_of
from cameo.backbones.preflight import Part, choose_offload, preflight, weights_of
from cameo.errors import ModelTooLarge
from enroll.errors import BadInput

GB = 10**9
PARTS = (Part("transformer", None, 38 * GB, 1 * GB), Part("text_encoder", None, 24 * GB, 2 * GB))


def test_weights_are_counted_as_they_are_loaded():
    pipeline = LTX2Pipeline.from_pretrained(NANO, dtype=torch.float32)
    for part in weights_of(NANO, torch.float32):
        if part.name in ("adapter", "restorer"):
            continue
        loaded = getattr(pipeline, part.name)
        own = {tensor.data_ptr(): tensor.numel() for tensor in loaded.state_dict().values()}
        assert part.parameters == pytest.approx(sum(own.values()), rel=0.01)
        assert part.bytes == 4 * part.parameters
        assert 0 < part.layer <= part.bytes


@pytest.mark.parametrize(
    ("free", "ram", "expected"),
    [
        (80, 100, "none"),
        (66, 100, "model"),
        (47, 100, "model"),
        (40, 100, "group"),
        (8, 100, "group"),
        (6, 100, None),
        (40, 60, None),
        (80, None, "none"),
        (66, None, None),
    ],
)
def test_the_fastest_way_that_fits(free, ram, expected):
    assert choose_offload(PARTS, 4 * GB, free * GB, None if ram is None else ram * GB) == expected


def test_nano_runs_here():
    found = preflight("nano", "cpu")
    assert found.offload == "none" and found.download == 0 and found.where == NANO
    assert found.licence.name == "Apache-2.0" and found.adapter[0] == "dlib-resnet-128"
    assert json.loads(json.dumps(found.as_json()))["weights_bytes"] == found.weights


def memory(monkeypatch: pytest.MonkeyPatch, available: int) -> None:
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: SimpleNamespace(available=available))


def test_what_does_not_fit_is_refused_before_it_is_loaded(monkeypatch):
    memory(monkeypatch, 50_000_000)
    monkeypatch.setattr(LTX2Pipeline, "from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ModelTooLarge, match=r"needs 74 MB for its weights and about \d+ MB to work; 50 MB are free"):
        backbones.load("nano", "cpu")


@pytest.mark.parametrize("offload", ["model", "group"])
def test_a_scene_is_the_same_by_parts(monkeypatch, offload):
    from cameo.generation import open_backbone

    def frames() -> torch.Tensor:
        pipeline = open_backbone("nano").pipeline
        pipeline.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(0)
        return pipeline(
            "a person waves",
            height=128,
            width=128,
            num_frames=5,
            frame_rate=12.5,
            num_inference_steps=1,
            guidance_scale=1.0,
            stg_scale=0.0,
            modality_scale=1.0,
            audio_modality_scale=1.0,
            max_sequence_length=48,
            generator=generator,
            output_type="np",
        ).frames

    whole = frames()
    monkeypatch.setattr(module, "choose_offload", lambda *_: offload)
    assert torch.allclose(torch.as_tensor(frames()), torch.as_tensor(whole), atol=1e-4)


@pytest.mark.parametrize("junk", [b"", b"\xff" * 100, b"\x02\x00\x00\x00\x00\x00\x00\x00[]"])
def test_weights_without_a_header_are_refused(tmp_path, junk):
    (tmp_path / "model_index.json").write_text('{"_class_name": "LTX2Pipeline"}')
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(junk)
    with pytest.raises(BadInput, match="no safetensors file"):
        preflight(str(tmp_path), "cpu")


@pytest.mark.parametrize("junk", ["", "{", "[1]", "7"])
def test_a_part_without_a_description_is_refused(tmp_path, junk):
    (tmp_path / "model_index.json").write_text('{"_class_name": "LTX2Pipeline"}')
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text(junk)
    with pytest.raises(BadInput, match=r"config\.json cannot be read"):
        preflight(str(tmp_path), "cpu")


def test_a_layer_is_the_smallest_thing_that_is_moved(tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "text_encoder").mkdir()
    tensors = {f"model.layers.{n}.mlp.weight": torch.zeros(10, 10) for n in range(5)}
    tensors |= {"model.layers.0.mlp.bias": torch.zeros(10)}
    save_file(tensors, tmp_path / "text_encoder" / "model.safetensors")
    (part,) = weights_of(tmp_path, torch.bfloat16)
    assert (part.parameters, part.layer) == (510, 220)


REPOSITORY = {
    "id": "Lightricks/LTX-2",
    "cardData": {"license": "other", "license_name": "ltx-2-community-license-agreement"},
    "siblings": [
        {"rfilename": "ltx-2-19b-dev.safetensors", "size": 43 * GB},
        {"rfilename": "transformer/diffusion_pytorch_model-00001-of-00002.safetensors", "size": 20 * GB},
        {"rfilename": "transformer/diffusion_pytorch_model-00002-of-00002.safetensors", "size": 18 * GB},
        {"rfilename": "transformer/diffusion_pytorch_model.fp8.safetensors", "size": 19 * GB},
        {"rfilename": "text_encoder/model.safetensors", "size": 24 * GB},
        {"rfilename": "transformer/config.json", "size": 900},
    ],
}


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub's API does."""

    def do_GET(self) -> None:
        known = self.path.startswith("/api/models/Lightricks/LTX-2")
        body = json.dumps(REPOSITORY if known else {"error": "Repository not found"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if not known:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(module, "HfApi", partial(HfApi, endpoint=f"http://127.0.0.1:{server.server_port}"))
    yield
    server.shutdown()
    server.server_close()


def test_of_one_that_is_not_here_the_hub_tells_what_would_be_fetched(hub, monkeypatch):
    memory(monkeypatch, 20 * GB)
    found = preflight("Lightricks/LTX-2", "cpu")
    assert found.where is None and found.download == 62 * GB
    # bfloat16 on the hub, float32 on a CPU
    assert {part.name: part.bytes for part in found.parts} == {"transformer": 76 * GB, "text_encoder": 48 * GB}
    assert found.offload is None
    assert "10 million USD" in found.licence.says


def test_one_that_nobody_knows(hub):
    found = preflight("nobody/nothing", "cpu")
    assert found.download is None and found.parts == () and found.licence.name == ""


@pytest.mark.parametrize(
    ("model", "stated", "name"),
    [
        ("Lightricks/LTX-2.5", "", "LTX-2.x Community License (2026-08-11)"),
        ("Lightricks/LTX-2.3", "other", "LTX-2 Community License (2026-01-05)"),
        ("somebody/else", "apache-2.0", "Apache-2.0"),
        ("somebody/else", "my own", "my own"),
        ("somebody/else", "", ""),
    ],
)
def test_licences(model, stated, name):
    assert licence_of(model, stated).name == name
