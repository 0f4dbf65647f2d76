"""Three people nobody trained on, rendered twice: as enrolled, and on another occasion. A frame or two a second is
enough for a judge, and spares the renderer."""

from __future__ import annotations

import numpy as np
import pytest

from cameo.evaluation.subjects import Subject, Take, enrolled_from
from cameo.synth.clips import SynthClip, make_clip
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
