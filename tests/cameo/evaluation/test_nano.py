"""The whole evaluation, of a nano that was never trained: it must run, and it must not flatter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from cameo.errors import InputRefused, UsageError
from cameo.evaluation import nano
from cameo.evaluation.report import NanoReport, table_markdown
from cameo.evaluation.subjects import Take
from cameo.synth.clips import SynthClip
from cameo.training.shards import HELD_OUT
from enroll.errors import WeightsMissing


@pytest.fixture(scope="module")
def rendered(references: list[SynthClip], again: list[Take]) -> Iterator[None]:
    """The same people in fewer frames a second than an evaluation renders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nano, "render_reference", lambda seed: references[seed - HELD_OUT])
        patch.setattr(nano, "render_again", lambda seed: again[seed - HELD_OUT])
        patch.setattr(nano, "enrolled_from", partial(nano.enrolled_from, every=1))
        yield


@pytest.mark.parametrize("people", [-1, 0, 1])
def test_one_person_cannot_be_nearest(tmp_path: Path, people: int) -> None:
    with pytest.raises(UsageError, match="two or more"):
        nano.evaluate(people, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_found_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputRefused):
        nano.evaluate(2, out=tmp_path / "file" / "out")


def test_the_command_says_in_one_line_that_a_model_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["nano", "--threads", "1", "--out", str(tmp_path), "--model", str(tmp_path / "no")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        nano.main()
    assert ended.value.code == WeightsMissing.exit_status
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert "is not on this machine" in complaint


def test_an_untrained_model_is_found_out(rendered: None, untrained: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    out = tmp_path / "out"
    report = nano.evaluate(2, model=str(untrained), out=out, progress=lambda doing, share: shares.append(share))
    assert shares == sorted(shares)
    assert (report.people, report.steps, len(report.prompts)) == (2, 2, 2)
    # It draws nobody; the true renders are found all the same.
    assert (report.generated.face_found.right, report.generated.face.rank1.right) == (0, 0)
    assert (report.ceiling.face_found.right, report.ceiling.face.rank1.right) == (2, 2)
    assert report.generated.face.mean == report.likeness_ratio == report.likeness_gain == 0.0
    assert report.pairs.right.of == 1 and report.pairs.faces.right == report.pairs.right.right == 0
    assert report.pairs_ceiling.faces.right == 2 and report.pairs_ceiling.swapped.right == 0

    assert NanoReport.model_validate_json((out / "report.json").read_bytes()) == report
    markdown = (out / "table.md").read_text()
    assert markdown == table_markdown(report)
    assert "| the right person is nearest, by face | 0/2 (0 %) | 2/2 (100 %) | 0/2 (0 %) |" in markdown
    assert ("these figures flatter" in markdown) == (not report.judge_independent)
    assert "| the mouth opens with the voice, ±1 frame | 0/2 (0 %)" in markdown
    assert "| digits a recogniser hears right |" in markdown and report.digits.of == report.digits_ceiling.of == 4
    assert "| two people: each on their side | 0/1 (0 %) |" in markdown
    assert "| two people: the speaker's mouth opens | 0/2 (0 %) |" in markdown and report.turns_ceiling.voices.of == 2
    assert report.copying is None and "| copied from the enrolled clip, 1 to -1 | – |" in markdown
    assert report.ceiling.speaker.rank1.right == report.ceiling.speaker.rank1.of and report.speaker_judge in markdown
    for name, least in (("likeness.png", 1000), ("scenes.png", 500)):
        picture = cv2.imread(str(out / name))
        assert picture is not None
        assert picture.shape[1] > least
        assert np.std(picture) > 5

    again = nano.evaluate(2, model=str(untrained), out=tmp_path / "again")
    assert again == report.model_copy(update={"seconds_per_scene": again.seconds_per_scene})
