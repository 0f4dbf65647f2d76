"""``--region`` and ``--speaks`` as words."""

from __future__ import annotations

import pytest

from cameo.cli.presences import presences_of
from cameo.conditioning import Box, CastRefused, Presence
from cameo.errors import UsageError


def test_nothing_said_is_nothing_given():
    assert presences_of(None, None) is None and presences_of([], []) is None


def test_words_are_read():
    assert presences_of(["@Ada=0,0,0.5,1", "bo=0:0.5,0,1,1;2:0,0,0.5,1"], ["ada=0-1.2,3-4", "cy=1-2"]) == {
        "ada": Presence(((0.0, Box(0, 0, 0.5, 1)),), ((0.0, 1.2), (3.0, 4.0))),
        "bo": Presence(((0.0, Box(0.5, 0, 1, 1)), (2.0, Box(0, 0, 0.5, 1)))),
        "cy": Presence((), ((1.0, 2.0),)),
    }


@pytest.mark.parametrize(
    "word", ["ada", "=0,0,1,1", "ada=", "ada=0,0,1", "ada=0,0,1,1,1", "ada=a,b,c,d", "ada=x:0,0,1,1"]
)
def test_regions_that_cannot_be_read_are_refused(word):
    with pytest.raises(UsageError):
        presences_of([word], None)


@pytest.mark.parametrize("word", ["ada", "ada=1", "ada=1-", "ada=-1", "ada=a-b", "ada=1-2,"])
def test_times_that_cannot_be_read_are_refused(word):
    with pytest.raises(UsageError):
        presences_of(None, [word])


def test_somebody_has_one_region():
    with pytest.raises(UsageError, match="--region was given twice for @ada"):
        presences_of(["ada=0,0,0.5,1", "@Ada=0.5,0,1,1"], None)


@pytest.mark.parametrize(
    ("region", "speaks"), [("ada=0,0,2,1", None), ("ada=2:0,0,1,1;1:0,0,1,1", None), (None, "ada=2-1")]
)
def test_what_cannot_be_is_refused(region, speaks):
    with pytest.raises(CastRefused):
        presences_of([region] if region else None, [speaks] if speaks else None)
