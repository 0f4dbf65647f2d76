"""What tests of the stages share: a generator of 2.3's kind, small enough to be trained in every test, and people who
agreed to teach it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from joserfc.jwk import OKPKey
from numpy.typing import NDArray

from cameo.backbones import Defaults
from cameo.synth.clips import make_clip
from enroll.consent import ConsentRecord
from tests.cameo.training.adapter.noise import tiny
from tests.enroll.conftest import write_clip

FPS = 12
DEFAULTS = Defaults(
    height=64,
    width=64,
    frames=9,
    frame_rate=FPS,
    steps=2,
    guidance_scale=2.0,
    sample_rate=16_000,
    max_sequence_length=24,
    license="Apache-2.0",
    version="1",
)


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a tiny 2.3."""
    folder = tmp_path_factory.mktemp("generators") / "tiny-2.3"
    tiny().save_pretrained(folder)
    (folder / "cameo.json").write_text(DEFAULTS.model_dump_json())
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of each of three made-up people: ``ada-0.mp4``, ``ada-1.mp4`` and so on, no consents. Ada talks for
    long enough to be known by it; the others are there to be seen."""
    folder = tmp_path_factory.mktemp("clips")
    for number, handle in enumerate(("ada", "bo", "cy")):
        for occasion in range(2):
            made = make_clip(20 + number, occasion, seconds=4.0 if handle == "ada" else 1.5, size=128, fps=FPS)
            write_clip(folder / f"{handle}-{occasion}.mp4", made.frames, made.sound, fps=FPS)
    return folder


Agree = Callable[..., ConsentRecord]


@pytest.fixture
def agree() -> Agree:
    """``agree("ada", key, uses=("train",))``: a consent that holds."""

    def agree(handle: str, key: OKPKey, **terms: object) -> ConsentRecord:
        request = ConsentRecord.new(name=handle.title(), handle=handle, **({"uses": ("train",)} | terms))
        return request.attest(by="the tests", key=key)

    return agree


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of clips only the truth is wanted."""

    def nothing(numbers: Sequence[object], height: int, width: int, **_: object) -> NDArray[np.uint8]:
        return np.zeros((len(numbers), height, width, 3), np.uint8)

    monkeypatch.setattr("cameo.synth.clips.render", nothing)
