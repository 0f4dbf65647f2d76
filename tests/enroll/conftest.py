"""Tiny clips and signed consents, made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from joserfc.jwk import OKPKey
from numpy.typing import NDArray

from enroll.consent import ConsentRecord, Scope

FPS = 10
WriteClip = Callable[..., Path]
MakeConsent = Callable[..., ConsentRecord]


def write_clip(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    sound: NDArray[np.float32] | None = None,
    *,
    fps: int = FPS,
    options: dict[str, str] | None = None,
) -> Path:
    """H.264 and, with ``sound`` (mono float32 at 16 kHz), AAC. Frames are RGB uint8 (H, W, 3), even-sized."""
    with av.open(str(path), "w", options=options or {}) as container:
        frames = list(frames)
        video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "18"})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for at in range(0, len(sound), 1024):
                block = av.AudioFrame.from_ndarray(sound[None, at : at + 1024], format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = 16_000, at, Fraction(1, 16_000)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def noise(count: int, height: int = 96, width: int = 128) -> list[NDArray[np.uint8]]:
    """Frames with no face in them, each unlike the last: block noise, which compresses badly."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (height, width, 3), np.uint8) for _ in range(count)]


@pytest.fixture(scope="session")
def operator_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519")


@pytest.fixture(scope="session")
def consent(operator_key: OKPKey) -> MakeConsent:
    """A consent for @ada that holds: ``consent()`` for everything, ``consent("face", "body")`` for a part."""

    def make(*scope: Scope, handle: str = "ada") -> ConsentRecord:
        request = ConsentRecord.new(name="Ada", handle=handle, scope=scope)
        return request.attest(by="the test", key=operator_key)

    return make
