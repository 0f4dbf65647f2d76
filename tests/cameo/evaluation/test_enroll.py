"""The evaluation of enrollment on a small folder of real clips: what is counted, and that nobody is described."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cameo.errors import InputRefused
from cameo.evaluation.enroll import EnrollReport, evaluate, table_markdown

CLIPS = ("grid_s31_bgix8n.mpg", "grid_s31_bgiq6p.mpg", "grid_x_lb_lbbc2a.mpg", "sam2_coffee_noface_silent.mp4")


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of two people, one of nobody, and one whose manifest asks for what it is not."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "clips").mkdir()
    rows = (shared / "clips" / "MANIFEST.tsv").read_text().splitlines()
    chosen = [rows[0], *(row for row in rows if row.split("\t")[0] in CLIPS)]
    wrong = next(row for row in rows if row.startswith("sam2")).replace("sam2", "also", 1)
    (folder / "clips" / "MANIFEST.tsv").write_text(
        "\n".join([*chosen, wrong.replace("no_face", "several_people")]) + "\n"
    )
    for name in CLIPS:
        shutil.copy(shared / "clips" / name, folder / "clips" / name)
    shutil.copy(shared / "clips" / CLIPS[-1], folder / "clips" / CLIPS[-1].replace("sam2", "also", 1))
    return folder


@pytest.fixture(scope="module")
def report(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[EnrollReport, Path]:
    out = tmp_path_factory.mktemp("out")
    return evaluate(folder, out=out), out


def test_every_clip_is_held_to_its_manifest(report: tuple[EnrollReport, Path]) -> None:
    outcomes = {outcome.file: outcome for outcome in report[0].outcomes}
    assert all(outcomes[name].right and outcomes[name].got == "enrolls" for name in CLIPS[:3])
    assert outcomes[CLIPS[3]].right
    assert outcomes[CLIPS[3]].got == "no_face"
    assert not outcomes[CLIPS[3].replace("sam2", "also", 1)].right


def test_people_are_compared_across_clips(report: tuple[EnrollReport, Path]) -> None:
    dlib = next(figures for figures in report[0].faces if figures.space == "dlib-resnet-128")
    assert (dlib.samples, dlib.people, dlib.same, dlib.other) == (3, 2, 1, 2)
    assert dlib.auc == 1.0


def test_nothing_written_describes_anybody(report: tuple[EnrollReport, Path]) -> None:
    written = json.loads((report[1] / "report.json").read_text())

    def longest(value: object) -> int:
        if isinstance(value, dict):
            return max(map(longest, value.values()), default=0)
        if isinstance(value, list):
            numbers = sum(isinstance(item, float) for item in value)
            return max([numbers, *map(longest, value)])
        return 0

    assert longest(written) == 0
    assert sorted(path.name for path in report[1].iterdir()) == ["report.json", "table.md"]


def test_the_table_says_what_went_wrong(report: tuple[EnrollReport, Path]) -> None:
    table = table_markdown(report[0])
    assert table.startswith("4 of 5 clips")
    assert "**wrong**" in table


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="MANIFEST"):
        evaluate(tmp_path, out=tmp_path / "out")
