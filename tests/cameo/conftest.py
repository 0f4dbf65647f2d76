"""A home, people in it, and a model small enough to run in every test. All of it real, none of it trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4
from zlib import crc32

import numpy as np
import pytest
import torch

from cameo.studio import Studio
from enroll.consent import ConsentRecord
from enroll.identity import Coverage, Crop, Embedding, Identity, Pose, Speech, View

Enrolled = Callable[..., ConsentRecord]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained LTX-2 checkpoint with an identity adapter that does something: 9 frames of 64×64 in two steps."""
    from cameo.backbones import Defaults
    from cameo.backbones.nano import build
    from cameo.conditioning import IdentityAdapter
    from tests.cameo.tiny import TINY

    folder = tmp_path_factory.mktemp("tiny")
    config = TINY.model_copy(
        update={"latent_channels": 128, "encoder_widths": (16, 16, 16, 16), "audio_channels": 4},
    )
    words = ("a", "person", "says", "hello", "by", "the", "sea")
    pipeline = build(config, words)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        adapter = IdentityAdapter(
            body_dim=8,
            face_dim=8,
            voice_dim=8,
            num_layers=2,
            video_dim=64,
            audio_dim=32,
            audio_latent_dim=config.audio_latent_dim,
            token_dim=32,
            heads=2,
            depth=1,
        )
        for layer in (*adapter.video_layers, *adapter.audio_layers):
            torch.nn.init.normal_(layer.to_v_id.weight)
    adapter.save_pretrained(folder / "adapter")
    defaults = Defaults(
        height=64,
        width=64,
        frames=9,
        frame_rate=12.5,
        steps=2,
        guidance_scale=2,
        sample_rate=16_000,
        max_sequence_length=48,
        license="Apache-2.0",
        vocabulary=words,
    )
    (folder / "cameo.json").write_text(defaults.model_dump_json())
    return folder


@pytest.fixture
def bare_model(tiny_model: Path, tmp_path: Path) -> Path:
    """The same without an adapter, as large generators are published."""
    shutil.copytree(tiny_model, tmp_path / "bare", ignore=shutil.ignore_patterns("adapter"))
    return tmp_path / "bare"


@pytest.fixture
def lora(tiny_model: Path, tmp_path: Path) -> Path:
    """Of nobody, and strong enough to be seen."""
    from cameo.conditioning import add_lora, dump_lora
    from cameo.generation import open_backbone

    transformer = open_backbone(str(tiny_model)).pipeline.transformer
    torch.manual_seed(0)
    for weight in add_lora(transformer, 2):
        torch.nn.init.normal_(weight, std=0.3)
    (tmp_path / "lora.safetensors").write_bytes(dump_lora(transformer))
    return tmp_path / "lora.safetensors"


@pytest.fixture(scope="session")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``tiny_model``, but its adapter reads the spaces a real enrollment fills."""
    from cameo.backbones import Defaults
    from cameo.backbones.nano import NanoConfig, build
    from cameo.conditioning import IdentityAdapter
    from enroll.encoders import registry

    dims = {status.card.space: status.card.dim for status in registry.status()}
    folder = tmp_path_factory.mktemp("wide")
    config = NanoConfig(layers=1, video_heads=1, audio_heads=1, encoder_widths=(16, 16, 16, 16), decoder_width=32)
    pipeline = build(config, ("a", "person", "says", "hello"))
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    adapter = IdentityAdapter(
        face_dim=dims["dlib-resnet-128"],
        body_dim=dims["appearance"],
        voice_dim=dims["ge2e-256"],
        num_layers=1,
        video_dim=64,
        audio_dim=32,
        audio_latent_dim=config.audio_latent_dim,
        token_dim=32,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for layer in (*adapter.video_layers, *adapter.audio_layers):
            torch.nn.init.normal_(layer.to_v_id.weight)
    adapter.save_pretrained(folder / "adapter")
    defaults = Defaults(
        height=64,
        width=64,
        frames=9,
        frame_rate=12.5,
        steps=2,
        guidance_scale=1,
        sample_rate=16_000,
        max_sequence_length=48,
        license="Apache-2.0",
    )
    (folder / "cameo.json").write_text(defaults.model_dump_json())
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``$CAMEO_HOME`` whose key lies in a file."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CAMEO_HOME", str(folder))
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    return folder


@pytest.fixture
def studio(home: Path) -> Studio:
    return Studio()


@pytest.fixture
def enrolled(studio: Studio) -> Enrolled:
    """``enrolled("ada", grants=("everyone",))`` puts somebody made of random numbers into the vault; another handle is
    another person."""

    def enrolled(handle: str, seed: int = 0, **terms: object) -> ConsentRecord:
        record = studio.attest(studio.new_consent(name=handle.title(), handle=handle, **terms), by="the tests")
        studio.vault.put(someone(record, seed + crc32(handle.encode())), record)
        return record

    return enrolled


def someone(record: ConsentRecord, seed: int) -> Identity:
    rng = np.random.default_rng(seed)

    def vector() -> np.ndarray:
        numbers = rng.normal(size=8).astype(np.float32)
        return numbers / np.linalg.norm(numbers)

    def crop(kind: str) -> Crop:
        return Crop(kind, rng.integers(0, 255, (128, 128, 3), dtype=np.uint8), 0.5, 0.9)

    views = tuple(View(vector(), second, 0.8, Pose(10 * second)) for second in (0.0, 1.0))
    return Identity(
        identity_id=str(uuid4()),
        consent_id=record.consent_id,
        handle=record.handle,
        embeddings={
            "dlib-resnet-128": Embedding("dlib-resnet-128", "face", vector(), views, 0.9),
            "appearance": Embedding("appearance", "body", vector(), views, 0.9),
            "ge2e-256": Embedding("ge2e-256", "voice", vector(), views, 0.7, 5.0),
        },
        crops=(crop("head"), crop("head"), crop("body")),
        speech=Speech(rng.normal(0, 0.1, 32_000).astype(np.float32).clip(-1, 1)),
        coverage=Coverage((-20, 20), (-5, 5), 90, 40, 5.0),
    )
