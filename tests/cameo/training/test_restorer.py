"""What a restorer learns from: faces as drawn, as they are, and the person from another clip."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from cameo.restoration import FaceRestorer
from cameo.restoration.aligned import aligned, as_tensor, crop_middle
from cameo.restoration.network import FACE
from cameo.synth.clips import make_clip
from cameo.training import restorer
from cameo.training.faces import Seen, pair
from cameo.training.parts import load_average
from cameo.training.restorer import Faces
from tests.cameo.restoration.made_up import identity

PEOPLE = (41, 42)


@lru_cache
def seen(seed: int) -> Seen:
    clip = make_clip(seed, 1, seconds=0.4, size=128, shot="close-up")
    landmarks, opening = (np.array(clip.truth["cast"][0][name], np.float32) for name in ("landmarks", "mouth"))
    return Seen(seed, clip.frames, landmarks, clip.sound.astype(np.float32), None, opening)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two people, each in one clip that was drawn too dark."""
    for name in ("faces", "identities"):
        (tmp_path / name).mkdir()
    rows = {}
    for number, seed in enumerate(PEOPLE):
        (tmp_path / "identities" / f"{seed:06d}.safetensors").write_bytes(identity(seed).to_bytes())
        dark = (seen(seed).frames * 0.6).astype(np.uint8)
        made = pair(dark, seen(seed), np.random.default_rng(seed))
        rows |= {f"{number}/{name}": one for name, one in made.items()}
    save_file(rows, tmp_path / "faces" / "000-00000.safetensors")
    return tmp_path


def test_a_pair_is_one_face_at_one_place():
    one = pair(seen(41).frames, seen(41), np.random.default_rng(0))
    assert np.array_equal(one["drawn"], one["true"]) and one["drawn"].shape[1:] == (FACE, FACE, 3)
    off = one["true"].astype(int) - aligned(seen(41).frames, seen(41).landmarks)
    assert 0 < np.abs(off).mean() < 12  # a little beside, as a detector's landmarks are
    truth = np.array(make_clip(41, 1, seconds=0.4, size=128, shot="close-up").truth["cast"][0]["yaw"])
    assert np.abs(one["yaw"] - truth).mean() < 12
    assert one["heard"].shape[0] == len(one["drawn"]) and one["person"].tolist() == [41]


def test_of_a_clip_with_two_only_the_own_voice_is_heard():
    loud = replace(seen(41), sound=np.full(6400, 0.3, np.float32))
    own, others = (
        pair(loud.frames, replace(loud, speaks=span), np.random.default_rng(0))["heard"]
        for span in ((0.1, 0.2), (5.0, 6.0))
    )
    assert own.max() > -1 == others.max()


def test_everybody_is_beside_their_own_crops(runs: Path):
    faces, found = Faces(runs / "faces", runs / "identities", torch.device("cpu")), set()
    crops = [torch.stack([as_tensor(crop_middle(c.pixels)) for c in identity(s).crops_of("head")]) for s in PEOPLE]
    for number in range(4):
        given = faces.batch(6, np.random.default_rng(number))
        for who, references, descriptor in zip(given.who.tolist(), given.references, given.descriptors, strict=True):
            found.add(who)
            own = torch.cat([crops[who], crops[who].flip(-1)])
            assert all(any(torch.equal(one, crop) for crop in own) for one in references)
            vector = torch.from_numpy(identity(PEOPLE[who]).embeddings["dlib-resnet-128"].vector)
            assert torch.allclose(descriptor, vector / vector.norm(), atol=1e-5)
        assert given.drawn.mean() < given.true.mean() - 0.1
    assert found == {0, 1}


def test_it_learns_and_what_it_learned_can_be_shipped(runs: Path, monkeypatch: pytest.MonkeyPatch):
    words = ["restorer", "--runs", str(runs), "--max-minutes", "0.25", "--batch", "4", "--faces", "1", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(restorer, "_TRIED", 8)
    torch.manual_seed(0)
    restorer.main()
    last = json.loads((runs / "restorer" / "log.jsonl").read_text().splitlines()[-1])
    given = Faces(runs / "faces", runs / "identities", torch.device("cpu")).batch(8, np.random.default_rng(0))
    untrained = (given.drawn - given.true).abs().mean().item()
    assert last["averaged_difference"] < 0.9 * untrained
    made = FaceRestorer()
    assert load_average(runs / "restorer" / "checkpoint.safetensors", {"restorer": made})
    assert (runs / "restorer" / "samples.png").stat().st_size > 10_000


def test_without_faces_it_says_what_to_run(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"cameo\.training\.faces"):
        Faces(tmp_path, tmp_path, torch.device("cpu"))
