"""What of people may be shown as it is, and how firmly."""

from __future__ import annotations

import pytest

from cameo.errors import InputRefused
from cameo.references import References


@pytest.mark.parametrize(
    ("words", "shown", "pictures"),
    [({}, False, False), ({"preroll": 0.5}, False, False), ({"voice": "ada"}, True, False)]
    + [({name: 1.0}, True, True) for name in ("sheets", "first_frame")],
)
def test_what_takes_which_pipeline(words, shown, pictures):
    references = References(**words)
    assert (bool(references), references.in_context) == (shown, pictures)


@pytest.mark.parametrize(
    "words",
    [{"sheets": 0.0}, {"sheets": 1.5}, {"first_frame": -1.0}, {"first_frame": float("nan")}]
    + [{"preroll": seconds} for seconds in (-0.1, 5.1, float("nan"), float("inf"))],
)
def test_what_cannot_be_is_refused(words):
    with pytest.raises(InputRefused):
        References(**words)


def test_only_who_is_in_the_scene_is_heard_ahead_of_it():
    assert References().speaker(["ada"]) is None
    assert References(voice="bo").speaker(["ada", "bo"]) == 1
    with pytest.raises(InputRefused, match="@cy is to be heard"):
        References(voice="cy").speaker(["ada", "bo"])
