"""Fingerprints: what a copy may suffer and still be known, and that others are not taken for it."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.fingerprint import CHANGES, write
from cameo.marks.fingerprint import Fingerprint, fingerprint_file, fingerprint_of
from cameo.synth.clips import make_clip

FPS = 12.5
SURVIVES = [
    name
    for name in CHANGES
    # What is kept of these is decided by the sound; see docs/marks.md.
    if name not in {"cropped by 50 %", "cropped by 15 %, off the centre", "lettering across", "turned by 5 degrees"}
]


@functools.cache
def clip(seed: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32], int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAMEO_EAGER", "1")
        made = make_clip(seed, seconds=2.0, size=96)
    return list(made.frames), made.sound, made.sample_rate


@functools.cache
def kept(seed: int) -> Fingerprint:
    frames, sound, rate = clip(seed)
    return fingerprint_of(np.stack(frames), sound, rate)


def asked(path: Path) -> Fingerprint:
    found = fingerprint_file(path)
    assert found is not None
    return found


@pytest.mark.parametrize("name", SURVIVES)
@pytest.mark.parametrize("silent", [True, False])
def test_a_copy_is_known(name: str, silent: bool, tmp_path: Path) -> None:
    change, how = CHANGES[name]
    frames, sound, rate = clip(1)
    if name == "second half alone":
        sound = sound[len(sound) // 2 :]
    write(tmp_path / "copy.mp4", change(frames), None if silent else sound, rate, **how)
    assert kept(1).matches(asked(tmp_path / "copy.mp4"))


def test_the_sound_alone_gives_a_copy_away(tmp_path: Path) -> None:
    frames, sound, rate = clip(1)
    write(tmp_path / "copy.mp4", [np.full_like(f, 90) for f in frames], sound * 0.4, rate)
    assert kept(1).matches(asked(tmp_path / "copy.mp4"))


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_another_scene_is_another(seed: int, tmp_path: Path) -> None:
    frames, sound, rate = clip(seed)
    for name, heard in (("a.mp4", sound), ("b.mp4", None)):
        write(tmp_path / name, frames, heard, rate)
        assert not kept(1).matches(asked(tmp_path / name))
        assert kept(seed).matches(asked(tmp_path / name))


def test_somebody_elses_sound_contradicts_a_like_picture(tmp_path: Path) -> None:
    frames, _, rate = clip(1)
    write(tmp_path / "dubbed.mp4", frames, clip(3)[1], rate)
    found = asked(tmp_path / "dubbed.mp4")
    assert kept(1).picture_distance(found) < 0.1
    assert (kept(1).sound_distance(found) or 0) > 0.4


def test_survives_its_bytes() -> None:
    again = Fingerprint.from_bytes(kept(1).to_bytes())
    assert np.array_equal(again.pictures, kept(1).pictures) and np.array_equal(again.sound, kept(1).sound)
    assert len(kept(1).to_bytes()) < 6000


def test_one_still_and_no_sound() -> None:
    still = fingerprint_of(np.stack(clip(2)[0][:1]), np.zeros(100, np.float32), 16_000)
    assert still.pictures.shape == (1, 28, 32) and len(still.sound) == 0
    assert still.sound_distance(kept(2)) is None


def test_where_nothing_is_to_be_seen_nothing_is_found(tmp_path: Path) -> None:
    black = [np.zeros((96, 96, 3), np.uint8)] * 10
    write(tmp_path / "black.mp4", black, None, 16_000)
    night = fingerprint_of(np.stack(black), np.zeros(16_000, np.float32), 16_000)
    assert not night.matches(asked(tmp_path / "black.mp4")) and not kept(1).matches(asked(tmp_path / "black.mp4"))
