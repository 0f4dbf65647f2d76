"""Whatever a clip is or pretends to be: one clear line within ten seconds, and nothing left behind or touched."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cameo.studio import Studio
from enroll import enroll
from enroll.clip import Clip
from enroll.errors import BadInput, KitError
from tests.enroll.children import children, patience
from tests.enroll.conftest import MakeConsent
from tests.enroll.hostile.make_corpus import CONTAINERS, SCENES, Entry
from tests.enroll.hostile.scenes import MUTE

NOBODY = 65_534


def outcome(entry: Entry, folder: Path, consent: MakeConsent) -> str:
    """What became of it; checks on the way that a refusal says what it must."""
    path = folder / entry.name
    entry.make(path)
    before, start = children(), time.monotonic()
    try:
        if entry.scene:
            identity = enroll(path, consent(*entry.scope))
            assert bool(identity.of("voice")) == (identity.speech is not None)
            told = "enrolls" if identity.speech is not None else MUTE
        else:
            for frame in Clip.open(path).watch(4):
                assert frame.grey.size > 0
            told = "opens"
    except KitError as error:
        assert error.message
        assert "\n" not in error.message
        assert len(error.message) < 300
        assert error.hint
        assert "\n" not in error.hint
        told = error.code
    assert time.monotonic() - start < patience()
    assert children() == before
    return told


@pytest.mark.parametrize("entry", CONTAINERS, ids=lambda entry: entry.name)
def test_no_file_does_harm(entry: Entry, tmp_path: Path, consent: MakeConsent) -> None:
    assert outcome(entry, tmp_path, consent) in entry.codes


@pytest.mark.parametrize("entry", SCENES, ids=lambda entry: entry.name)
def test_no_scene_deceives(entry: Entry, tmp_path: Path, consent: MakeConsent) -> None:
    assert outcome(entry, tmp_path, consent) in entry.codes


def test_there_are_enough_and_no_two_are_called_alike() -> None:
    names = [entry.name for entry in (*CONTAINERS, *SCENES)]
    assert len(set(names)) == len(names) >= 60


def test_a_file_we_may_not_read(tmp_path: Path) -> None:
    path = tmp_path / "locked.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(BadInput, match="cannot be read: Permission denied"):
            Clip.open(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    "name", ["truncated-in-mdat.mp4", "concat.mp4", "pipe.mp4", "65535x65535-in-the-pictures.avi", "picture-only.mp4"]
)
def test_the_store_is_not_touched(name: str, tmp_path: Path) -> None:
    """Byte for byte, apart from what opening a store does anyway."""
    studio = Studio(tmp_path / "home")
    consent = studio.attest(studio.new_consent(name="Ada", handle="ada"), by="the test")
    entry = next(entry for entry in CONTAINERS if entry.name == name)
    entry.make(tmp_path / name)
    before = _contents(tmp_path / "home")
    with pytest.raises(BadInput):
        studio.enroll(tmp_path / name, consent)
    assert _contents(tmp_path / "home") == before
    assert not studio.cast()


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
