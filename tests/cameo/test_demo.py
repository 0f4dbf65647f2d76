"""The demo and the examples, as they are shipped, on a model small enough for a test."""

from __future__ import annotations

import runpy
from pathlib import Path

import av
import cv2
import pytest

from cameo.demo import CLIP, SCENES, run_demo
from cameo.errors import InputRefused

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_refuses_without_its_clip_and_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="missing"):
        run_demo(tmp_path / "demo", clip=tmp_path / "no clip.mp4")
    (tmp_path / "file").touch()
    with pytest.raises(InputRefused, match="cannot be made"):
        run_demo(tmp_path / "file", clip=CLIP)


def test_the_demo_makes_what_it_names_and_leaves_no_home(tmp_path: Path, wide_model: Path) -> None:
    lines: list[str] = []
    found = run_demo(tmp_path / "demo", model=str(wide_model), say=lines.append)
    assert (found.code, found.exit_status) == ("cameo_revoked", 4)
    assert sorted(found.files) == sorted((tmp_path / "demo").iterdir())
    assert {path.name for path in found.files} > set(SCENES)
    for name in SCENES:
        with av.open(str(tmp_path / "demo" / name)) as container:
            assert container.streams.video and container.streams.audio
    assert cv2.imread(str(tmp_path / "demo" / "cast.png")) is not None
    assert len(lines) == 7 and "refused" in lines[-1]


def test_the_examples_run(tmp_path: Path, wide_model: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(EXAMPLES / "enroll_generate_revoke.py"))
    example["main"](CLIP, tmp_path / "scene.mp4", str(wide_model))
    said = capsys.readouterr().out
    assert "in it: @ada, consent in_force" in said
    assert "cameo_revoked" in said

    from cameo import Studio

    studio = Studio()
    consent = studio.attest(studio.new_consent(name="Ada", handle="ada"), by="the tests")
    consent.save(tmp_path / "consent.json")
    example = runpy.run_path(str(EXAMPLES / "read_an_identity.py"))
    example["main"](CLIP, tmp_path / "consent.json")
    assert "dlib-resnet-128" in capsys.readouterr().out

    runpy.run_path(str(EXAMPLES / "two_homes.py"))["main"](CLIP)
    said = capsys.readouterr().out
    assert "refused: @ada was enrolled in another home" in said
    assert "bob may make 2 scenes" in said and "in the second home: revoked" in said
