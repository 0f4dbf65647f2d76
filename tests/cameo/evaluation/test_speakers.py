"""The speaker encoder that judges, on voices it never heard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from cameo.evaluation.speakers import DIM, NAME, WEIGHTS, SpeakerNet, speaker_vector, write
from cameo.synth.clips import WORDS
from cameo.synth.sounds import ambience
from cameo.synth.voices import Voice, speak
from cameo.training.shards import HELD_OUT


def say(seed: int, occasion: int, count: int, place: str, loud: float) -> np.ndarray:
    rng = np.random.default_rng([seed, occasion])
    words = [str(word) for word in rng.choice(WORDS, count)]
    heard = speak(Voice.from_seed(seed), words, seed=occasion).samples.astype(np.float32)
    return heard + loud * np.resize(ambience(place, 2.0, seed=occasion), len(heard)).astype(np.float32)


def test_voices_it_never_heard_are_told_apart_across_places() -> None:
    seeds = range(HELD_OUT + 500, HELD_OUT + 530)
    enrolled = np.stack([speaker_vector(say(seed, 0, 8, "indoor", 0.1)) for seed in seeds])
    others = np.stack([speaker_vector(say(seed, 1, 5, "street", 0.2)) for seed in seeds])
    heard = np.isfinite(enrolled).all(1) & np.isfinite(others).all(1)
    assert heard.sum() >= 20, "a few voices are whispers"
    cosine = others[heard] @ enrolled[heard].T
    own, off = np.diagonal(cosine), cosine[~np.eye(len(cosine), dtype=bool)]
    auc = (own[:, None] > off[None]).mean()
    assert auc >= 0.97
    assert (cosine.argmax(1) == np.arange(len(cosine))).mean() >= 0.6


def test_silence_and_noise_are_nobody() -> None:
    rng = np.random.default_rng(0)
    for sound in (np.zeros(32_000), rng.normal(0, 0.05, 32_000)):
        assert np.isnan(speaker_vector(sound.astype(np.float32))).all()


def test_what_is_written_is_what_judges(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SpeakerNet().eval()
    write(network, tmp_path, {"name": "somebody"})
    sound = say(5, 0, 5, "indoor", 0.0)
    vector = speaker_vector(sound, tmp_path)
    assert vector.shape == (DIM,) and np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-4)
    assert json.loads((tmp_path / "card.json").read_text()) == {"name": "somebody"}


def test_what_is_shipped_says_what_it_is() -> None:
    assert json.loads((WEIGHTS / "card.json").read_text())["name"] == NAME
    with safe_open(WEIGHTS / "weights.safetensors", "pt") as file:
        assert all(bool(file.get_tensor(name).isfinite().all()) for name in file.keys())  # noqa: SIM118
    assert (WEIGHTS / "weights.safetensors").stat().st_size < 4 * 2**20
