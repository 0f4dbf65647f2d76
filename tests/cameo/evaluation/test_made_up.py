"""Made-up people, asked about of encoders that never saw one; and of ones that are all alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cameo.errors import UsageError
from cameo.evaluation import made_up
from cameo.synth.clips import make_clip
from cameo.synth.voices import Voice
from cameo.training.shards import HELD_OUT


def test_a_few_of_them_are_found_and_told_apart():
    shares: list[float] = []
    report = made_up.evaluate(3, progress=lambda doing, share: shares.append(share))
    assert shares == sorted(shares) and len(shares) == 3
    assert report.found.of >= 6 and report.found.right >= 0.9 * report.found.of
    for space in (report.faces, report.voices):
        assert (space.people, space.samples, space.same, space.other) == (3, 6, 3, 12)
        assert space.auc is not None and space.auc > 0.9
    table = made_up.table_markdown(report)
    assert f"{report.found} of frontal views" in table and "| dlib-resnet-128 | 6 | 3 |" in table


def test_a_renderer_that_draws_one_person_is_found_out(monkeypatch: pytest.MonkeyPatch):
    def one_person(seed: int, clip: int, **how: object):
        return make_clip(HELD_OUT, 10 * (seed - HELD_OUT) + clip, **how)

    class OneVoice(Voice):
        @classmethod
        def from_seed(cls, seed: int) -> Voice:
            return replace(Voice.from_seed(HELD_OUT))

    monkeypatch.setattr(made_up, "make_clip", one_person)
    monkeypatch.setattr(made_up, "Voice", OneVoice)
    report = made_up.evaluate(3)
    assert report.faces.auc < 0.9 and report.voices.auc < 0.9


def test_one_person_cannot_be_told_from_anybody():
    with pytest.raises(UsageError, match="two or more"):
        made_up.evaluate(1)
