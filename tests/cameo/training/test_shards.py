"""From made-up people to what the base learns from: each stage reads what the one before it wrote."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cameo.synth.clips import make_clip
from cameo.training import audio_decoder, decoder, video_vae
from cameo.training.flow import Dataset
from cameo.training.identities import BODY, DIMS, FACE, VOICE, _identify_shard
from cameo.training.latents import _encode_shard
from cameo.training.parts import autoencoders
from cameo.training.people import CLIPS, TOGETHER, make_shard
from cameo.training.shards import HELD_OUT, Shards
from tests.cameo.training.test_shipped import SMALL

pytestmark = pytest.mark.usefixtures("undrawn")


def test_a_shard_holds_the_person_alone_with_the_next_and_on_another_occasion(tmp_path: Path):
    make_shard(5, tmp_path / "000005.safetensors")
    shards = Shards.open(tmp_path)
    assert shards.tensor(0, "frames").shape == (CLIPS, 25, 128, 128, 3)
    assert shards.tensor(0, "together_frames").shape == (1, 25, 128, 128, 3)
    assert shards.tensor(0, "reference_frames").shape == (13, 160, 160, 3)
    truths = shards.truths(0)
    (together,) = truths["together"]
    assert [[m["person"] for m in clip["cast"]] for clip in truths["clips"]] == [[5]] * CLIPS
    assert [(m["person"], m["side"]) for m in together["cast"]] == [(5, "left"), (6, "right")]
    heard = make_clip(5, TOGETHER, people=2, seconds=2.0, size=16).sound
    assert np.abs(shards.tensor(0, "together_sound")[0] / 32767 - heard).max() < 1e-4


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two people who are neighbours, up to their latents."""
    (tmp_path / "nano.json").write_text(SMALL.model_dump_json())
    rng = np.random.default_rng(0)
    for seed in (5, 6):
        name = f"{seed:06d}.safetensors"
        known = {
            f"{seed}/{space}": rng.normal(size=(3, DIMS[space])).astype(np.float32) for space in (FACE, BODY, VOICE)
        }
        paths = {stage: tmp_path / stage / name for stage in ("people", "identities", "latents")}
        for path in paths.values():
            path.parent.mkdir(exist_ok=True)
        make_shard(seed, paths["people"])
        _identify_shard(seed, paths["people"], paths["identities"], known)
        _encode_shard(seed, paths["people"], paths["identities"], paths["latents"], tmp_path, "cpu")
    return tmp_path


def test_what_the_stages_write_is_what_the_base_learns_from(runs: Path):
    rng = np.random.default_rng(0)
    data = Dataset(runs / "latents", HELD_OUT)
    batch, couples = data.batch(4, rng), data.couples(4, rng)
    assert batch.video.shape == couples.video.shape == (4, SMALL.latent_channels, *SMALL.video_grid(25))
    assert couples.partners is not None and torch.equal(couples.people.face[0], data.people.face[0])
    assert torch.equal(couples.partners.face[0], data.people.face[1])
    # Both faces weigh as much: one in either half.
    left, right = couples.weight[..., : couples.weight.shape[-1] // 2], couples.weight.flip(-1)
    assert left.amax() > 4 and right[..., : left.shape[-1]].amax() > 4


def test_the_autoencoder_learns_and_goes_on(runs: Path, monkeypatch: pytest.MonkeyPatch):
    command = ["video_vae", "--runs", str(runs), "--device", "cpu", "--threads", "1", "--edge", "64", "--batch", "6"]
    monkeypatch.setattr(sys, "argv", [*command, "--max-minutes", "0.03"])
    monkeypatch.setattr(video_vae, "begin", lambda *_: None)  # needs gigabytes, and has tests of its own
    video_vae.main()
    first = autoencoders(runs).vae.state_dict()
    video_vae.main()
    for name, weight in autoencoders(runs).vae.state_dict().items():
        # A little further from where it was; by no more than a share of its size a step.
        assert (
            torch.isfinite(weight).all() and (weight - first[name]).abs().max() <= 0.5 * first[name].abs().max() + 0.1
        )


def test_the_decoder_learns_and_the_latents_stay(runs: Path, monkeypatch: pytest.MonkeyPatch):
    command = ["decoder", "--runs", str(runs), "--device", "cpu", "--threads", "1", "--edge", "64", "--batch", "6"]
    monkeypatch.setattr(sys, "argv", [*command, "--max-minutes", "0.05"])
    before = autoencoders(runs).vae.state_dict()
    decoder.main()
    after = autoencoders(runs).vae.state_dict()
    changed = {name.split(".")[0] for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert changed == {"decoder"}
    assert "averaged_db" in json.loads((runs / "decoder" / "log.jsonl").read_text().splitlines()[-1])


def test_the_audio_decoder_learns_and_nothing_about_it_moves(runs: Path, monkeypatch: pytest.MonkeyPatch):
    command = ["audio_decoder", "--runs", str(runs), "--device", "cpu", "--threads", "1", "--batch", "2"]
    monkeypatch.setattr(sys, "argv", [*command, "--max-minutes", "0.05"])
    before, after = autoencoders(runs), None
    for _ in range(2):
        audio_decoder.main()
        after = autoencoders(runs)
    assert after is not None
    for name in ("audio_vae", "vocoder", "vae"):
        old, new = (getattr(pipeline, name).state_dict() for pipeline in (before, after))
        changed = {key.split(".")[0] for key, weight in new.items() if not torch.equal(weight, old[key])}
        assert changed == ({"decoder"} if name == "audio_vae" else set())
