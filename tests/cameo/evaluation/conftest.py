"""Three people nobody trained on, rendered twice: as enrolled, and on another occasion. A frame or two a second is
enough for a judge, and spares the renderer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cameo.backbones import Defaults
from cameo.backbones.nano import NanoConfig, build
from cameo.evaluation.subjects import Subject, Take, enrolled_from
from cameo.synth.clips import SynthClip, make_clip, vocabulary
from cameo.training.latents import new_adapter
from cameo.training.shards import HELD_OUT

CLOSE_UPS = {HELD_OUT: 2003, HELD_OUT + 1: 2000, HELD_OUT + 2: 2005}
"""For each person an occasion that is a close-up in which two words or more are said."""


@pytest.fixture(scope="session", autouse=True)
def _without_compiling():
    """Compiling the renderer takes longer than these few frames."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAMEO_EAGER", "1")
        yield


@pytest.fixture(scope="session")
def references(_without_compiling) -> list[SynthClip]:
    return [make_clip(seed, 1000, seconds=4.0, size=160, fps=1.0, outfit=0) for seed in CLOSE_UPS]


@pytest.fixture(scope="session")
def subjects(references: list[SynthClip]) -> list[Subject]:
    return [enrolled_from(clip, every=1) for clip in references]


@pytest.fixture(scope="session")
def again(_without_compiling) -> list[Take]:
    clips = [make_clip(seed, clip, seconds=2.0, size=128, fps=2.0) for seed, clip in CLOSE_UPS.items()]
    assert all(c.truth["shot"] == "close-up" and len(c.truth["cast"][0]["words"]) > 1 for c in clips)
    return [
        Take(c.frames, c.sound.astype(np.float32), c.truth["setting"], c.truth["cast"][0]["clothes"], c.fps)
        for c in clips
    ]


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano that never learned anything."""
    config = NanoConfig()
    folder = tmp_path_factory.mktemp("untrained")
    build(config, vocabulary()).save_pretrained(folder)
    adapter = new_adapter(config)
    # One that says nothing at all is refused.
    for layer in (*adapter.video_layers, *adapter.audio_layers):
        torch.nn.init.normal_(layer.to_v_id.weight, std=0.01)
    adapter.save_pretrained(folder / "adapter")
    defaults = Defaults(
        height=128,
        width=128,
        frames=9,
        frame_rate=12.5,
        steps=2,
        guidance_scale=1,
        sample_rate=config.sample_rate,
        max_sequence_length=config.max_tokens,
        license="Apache-2.0",
        vocabulary=vocabulary(),
    )
    (folder / "cameo.json").write_text(defaults.model_dump_json())
    return folder
