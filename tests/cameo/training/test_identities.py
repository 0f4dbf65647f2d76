"""Identities from what the encoders said elsewhere are those the encoders make here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cameo.synth.voices import Voice, speak
from cameo.training.identities import BODY, DIMS, FACE, VOICE, from_known, from_shard, pack_known
from cameo.training.shards import Shards
from enroll.encoders import registry


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """A person of smooth noise, whose landmarks are where they say; the voice is a voice."""
    rng = np.random.default_rng(0)
    frames = np.kron(rng.integers(0, 255, (13, 20, 20, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    face = np.array([[62, 70], [98, 70], [80, 90], [66, 110], [94, 110]], np.float32)
    landmarks = face + rng.uniform(-2, 2, (13, 1, 2)).astype(np.float32)
    sound = np.zeros(64_000, np.float32)
    words = ["hello", "seven", "friend", "morning", "music", "nine", "today", "welcome"]
    said = speak(Voice.from_seed(7), words, seed=0).samples[:60_000]
    sound[1_600 : 1_600 + len(said)] = said
    truth = {
        "yaw": rng.uniform(-30, 30, 52).tolist(),
        "pitch": rng.uniform(-8, 8, 52).tolist(),
        "speaks": [0.1, 0.1 + len(said) / 16_000],
    }
    path = tmp_path_factory.mktemp("people") / "000007.safetensors"
    tensors = {
        "reference_frames": frames,
        "reference_landmarks": landmarks.astype(np.float32),
        "reference_sound": (np.clip(sound, -1, 1) * 32767).astype(np.int16),
    }
    save_file(tensors, path, metadata={"truths": json.dumps({"clips": [], "reference": {"cast": [truth]}})})
    return Shards((path,))


def test_known_identities_are_the_same_but_for_the_cut_of_the_speech(shards: Shards, tmp_path: Path):
    true = from_shard(shards, 0, 7)
    (tmp_path / "000007.safetensors").write_bytes(true.to_bytes())
    pack_known(tmp_path, tmp_path / "known")
    known = from_known(shards, 0, 7, load_file(tmp_path / "known"))

    assert set(known.embeddings) == set(true.embeddings) == {FACE, BODY, VOICE}
    for space, embedding in true.embeddings.items():
        assert np.array_equal(known.embeddings[space].vector, embedding.vector)
    best = sorted(true.embeddings[FACE].views, key=lambda view: -view.quality)
    assert [v.vector.tolist() for v in known.embeddings[FACE].views] == [v.vector.tolist() for v in best]
    assert [c.kind for c in known.crops] == [c.kind for c in true.crops]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(known.crops, true.crops, strict=True))
    assert known.speech is not None
    assert 1.0 < known.speech.seconds <= 2.0
    assert float(np.abs(known.speech.samples).max()) > 0.05


def test_the_dimensions_are_the_encoders():
    cards = {status.card.space: status.card.dim for status in registry.status()}
    assert {space: cards[space] for space in DIMS} == DIMS
