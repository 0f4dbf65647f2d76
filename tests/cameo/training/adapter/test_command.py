"""``cameo train adapter`` from clips to an adapter that loads, and what it refuses on the way."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from cameo.cli.main import run as cameo
from cameo.conditioning import load_adapter, load_lora
from cameo.conditioning.proof import somebody
from cameo.conditioning.published import read_resampler
from cameo.pipeline import CameoLTX2Pipeline
from cameo.synth.clips import make_clip
from cameo.training.adapter.__main__ import main
from enroll.signature import thumbprint
from tests.cameo.conditioning.test_published import face_id, written
from tests.cameo.tiny import same
from tests.cameo.training.conftest import FPS
from tests.enroll.conftest import write_clip

# With this operator's people, a share of 0.5 holds one of Bo and Cy out, and not Ada.
OPERATOR = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(bytes([8] * 32)))
WORDS = ("--steps", "3", "--batch", "2", "--every", "2", "--warmup", "1", "--lr", "1e-3", "--rank", "2")
WORDS += ("--scene-steps", "2", "--token-dim", "32", "--depth", "1", "--trust-voice")


@pytest.fixture
def data(tmp_path: Path, clips: Path, agree, home) -> Path:
    """The clips, with consents that hold."""
    folder = tmp_path / "data"
    shutil.copytree(clips, folder)
    for path in folder.glob("*.mp4"):
        handle = path.stem[:-2]
        scope = ("face", "body", "voice") if handle == "ada" else ("face", "body")
        agree(handle, OPERATOR, scope=scope).save(path.with_suffix(".consent.json"))
    return folder


def scene(pipeline: CameoLTX2Pipeline, **named: object) -> tuple[np.ndarray, np.ndarray]:
    out = pipeline(
        "a person",
        height=64,
        width=64,
        num_frames=9,
        frame_rate=12,
        num_inference_steps=2,
        guidance_scale=2.0,
        stg_scale=0.0,
        modality_scale=1.0,
        audio_modality_scale=1.0,
        max_sequence_length=24,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
        **named,
    )
    return np.asarray(out.frames), out.audio.float().numpy()


def test_the_whole_way(tmp_path, data, generator, capsys):
    out, run = tmp_path / "mine", tmp_path / "mine.run"
    (data / "ada-1.txt").write_text("a person talking to the camera")
    (data / "broken.mp4").write_bytes(b"no clip")
    shutil.copy(data / "ada-0.consent.json", data / "broken.consent.json")
    shutil.copy(data / "ada-0.mp4", data / "nobodys.mp4")
    words = [str(data), "--model", str(generator), "--out", str(out), "--trust", thumbprint(OPERATOR)]
    assert main([*words, *WORDS, "--held-out", "0.5"]) == 0
    said = capsys.readouterr().err
    assert "broken.mp4: " in said and "nobodys.mp4: there is no consent beside it" in said
    assert "2 people, 4 clips" in said and "likeness" in said

    pipeline = CameoLTX2Pipeline.from_pretrained(generator)
    pipeline.set_progress_bar_config(disable=True)
    base = scene(pipeline)
    pipeline.load_identity_adapter(out, base_version="1")
    ada = somebody(pipeline.identity_adapter)
    assert not same(scene(pipeline, identities=[ada]), base)
    pipeline.set_identity_scale(0.0)
    assert same(scene(pipeline, identities=[ada]), base)
    config = pipeline.identity_adapter.config
    assert (config.face_space, config.base_model, config.base_version) == ("dlib-resnet-128", generator.name, "1")
    load_lora(pipeline, out / "lora")

    card = (out / "README.md").read_text()
    assert "| people | 2, and 1 held out |" in card and "| clips | 4 |" in card
    assert not any(handle in card.lower() for handle in ("@ada", "@bo", "@cy"))
    ids = [json.loads(path.read_text())["consent_id"] for path in sorted(data.glob("ada-?.consent.json"))]
    hashed = json.loads((out / "consents.json").read_text())
    assert len(hashed) == 4 and {sha256(one.encode()).hexdigest() for one in ids} <= set(hashed)
    figures = [json.loads(line) for line in (run / "figures.jsonl").read_text().splitlines()]
    assert [row["step"] for row in figures if "picture" in row] == [1, 2, 3]
    assert [row["step"] for row in figures if "likeness" in row] == [2, 3]
    assert not (run / "key").exists() and not list((run / "entries").iterdir()), "biometric, and done with"

    assert main([*words, *WORDS]) == 2
    assert "exists already" in capsys.readouterr().err


def test_faces_may_begin_from_a_published_resampler(tmp_path, data, generator, capsys):
    published = written(tmp_path, face_id(reads=128))
    words = [str(data), "--model", str(generator), "--out", str(tmp_path / "out"), "--trust", thumbprint(OPERATOR)]
    words += ["--face-resampler", str(published), "--face-length", "5", "--held-out", "0"]
    assert main([*words, *WORDS, "--steps", "1"]) == 0
    adapter = load_adapter(tmp_path / "out")
    assert adapter.config.face_resampler["image_embed_dim"] == 128 and adapter.face.net.length.item() == pytest.approx(
        5, rel=0.01
    )
    _, begun = read_resampler(published)
    came = adapter.face.net.published.state_dict()
    moved = {name: (came[name].float() - weight).abs().max().item() for name, weight in begun.items()}
    assert all(far < 0.02 for far in moved.values()) and any(moved.values()), "from there, and on"
    digest = sha256(published.read_bytes()).hexdigest()
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"a published resampler, SHA-256 {digest}, of embeddings 5 long" in card and "the licences of both" in card


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    status = main([*map(str, words), *WORDS])
    return status, capsys.readouterr().err.splitlines()[-1]


def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(tmp_path, data, generator, home, capsys):
    out, nothing, other = tmp_path / "out", tmp_path / "nothing", tmp_path / "other"
    for folder in (nothing, other):
        folder.mkdir()
    (other / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    trust = ("--trust", thumbprint(OPERATOR))
    base = ("--model", generator, "--out", out)
    for status, reason, words in (
        (2, "DATA, --model and --out are needed", (data,)),
        (3, "there is no clip in", (nothing, *base)),
        (3, "nobody is left to learn from", (data, *base)),  # their operator is a stranger here
        (3, "holds a 'FluxPipeline'", (data, "--model", other, "--out", out)),
        (3, "has no model_index.json", (data, "--model", nothing, "--out", out)),
        (5, "is not on this machine", (data, "--model", "no/such", "--out", out)),
        (2, "exists already", (data, "--model", generator, "--out", other)),
        (3, "does not exist", (data, "--model", generator, "--out", tmp_path / "no" / "out")),
        (2, "height", (data, *base, "--height", "33")),
        (3, "cannot be read", (data, *base, "--face-resampler", tmp_path / "no.safetensors")),
        (2, "face_length", (data, *base, "--face-length", "0")),
        (2, "holds something else than a run", (data, *base, *trust, "--run", other)),
        (2, "is no folder of a run", ("--destroy", nothing)),
    ):
        got, line = refused(capsys, *words)
        assert got == status and line.startswith("error: ") and reason in line, line
        assert not out.exists()


def test_a_clip_that_shows_somebody_else_is_left_out(tmp_path, data, generator, capsys):
    # Made-up people are alike; this one is not like Bo, whose seed is 21.
    made = make_clip(46, 0, seconds=1.5, size=128, fps=FPS)
    write_clip(data / "bo-2.mp4", made.frames, made.sound, fps=FPS)
    shutil.copy(data / "bo-0.consent.json", data / "bo-2.consent.json")
    words = (data, "--model", generator, "--out", tmp_path / "out", "--trust", thumbprint(OPERATOR), "--held-out", "0")
    assert main([*map(str, words), *WORDS, "--steps", "1"]) == 0
    said = capsys.readouterr().err
    assert "bo-2.mp4: not the face of most clips of @bo; left out" in said
    assert "3 people, 6 clips" in said


def test_one_clip_of_a_person_is_not_enough_and_a_run_stays_what_it_is(tmp_path, data, generator, capsys):
    for path in (*data.glob("*-1.mp4"), *data.glob("bo*"), *data.glob("ada*")):
        path.unlink(missing_ok=True)
    words = (data, "--model", generator, "--out", tmp_path / "out", "--trust", thumbprint(OPERATOR), "--held-out", "0")
    assert main([*map(str, words), *WORDS]) == 3
    said = capsys.readouterr().err
    assert "@cy has one clip only" in said and "nobody is left to learn from" in said.splitlines()[-1]
    run = tmp_path / "out.run"
    assert len(list((run / "entries").iterdir())) == 1
    assert refused(capsys, *words, "--seed", 1) == (
        2,
        f"error: {run} was begun with seed 0, now it is 1 (say it as then, or take another --run)",
    )
    assert main(["--destroy", str(run)]) == 0
    assert not (run / "key").exists() and not list((run / "entries").iterdir())


def test_help_is_that_of_the_stage(capfd):
    assert cameo(["train", "adapter", "--help"]) == 0
    said = capfd.readouterr().out
    assert "usage: cameo train adapter" in said and "NAME.consent.json" in said and "--destroy" in said
