"""What a prompt says of who stands where and speaks when."""

from __future__ import annotations

import pytest

from cameo.conditioning import Box, CastRefused, Presence
from cameo.errors import InputRefused
from cameo.script import parse
from cameo.staging import stage

LEFT, RIGHT = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)


def boxes(presences) -> list[Box | None]:
    return [one.path[0][1] if one.path else None for one in presences]


def test_one_person_has_the_scene():
    assert stage(parse('@ada on the left says "hello"'), 2.0) is None


def test_sides_are_halves():
    assert boxes(stage(parse("@ada on the left, @bo on the right"), 2.0)) == [LEFT, RIGHT]


def test_of_two_the_other_stands_where_the_one_does_not():
    assert boxes(stage(parse("@ada on the right and @bo wave"), 2.0)) == [RIGHT, LEFT]


def test_who_is_not_placed_may_be_anywhere():
    assert boxes(stage(parse("@ada and @bo wave"), 2.0)) == [None, None]
    assert boxes(stage(parse("@ada on the left, @bo and @cy wave"), 2.0)) == [LEFT, None, None]


def test_who_says_nothing_has_no_voice():
    ada, bo = stage(parse('@ada says "hello" to @bo'), 2.0)
    assert ada.speaks is None and bo.speaks == ()


def test_lines_share_the_time_by_their_length_in_their_order():
    ada, bo = stage(parse('@ada says "one two" then @bo says "yes" and @ada says "hello"'), 3.0)
    assert ada.speaks is not None and bo.speaks is not None
    assert ada.speaks[0][0] == 0 and ada.speaks[-1][1] == pytest.approx(3.0)
    assert ada.speaks[0][1] == bo.speaks[0][0] and bo.speaks[0][1] == ada.speaks[1][0]
    assert ada.speaks[0][1] - ada.speaks[0][0] > bo.speaks[0][1] - bo.speaks[0][0]


def test_what_is_given_overrules_the_prompt_where_it_says_something():
    given = {"ada": Presence.at(0.2, 0, 0.6, 1)}
    ada, bo = stage(parse('@ada on the left says "hello", @bo on the right says "yes"'), 2.0, given)
    assert boxes((ada, bo)) == [Box(0.2, 0, 0.6, 1), RIGHT] and ada.speaks
    ada, bo = stage(parse('@ada on the left says "hello", @bo says "yes"'), 2.0, {"bo": Presence(speaks=((0.0, 1.0),))})
    assert boxes((ada, bo)) == [LEFT, RIGHT] and bo.speaks == ((0.0, 1.0),)
    (alone,) = stage(parse("@ada waves"), 2.0, {"ada": Presence.at(0, 0, 0.5, 1)})
    assert alone.path


@pytest.mark.parametrize(
    ("prompt", "given", "error", "reason"),
    [
        ("@a @b @c @d @e wave", {}, CastRefused, "5 people"),
        ("@ada on the left and @bo on the left", {}, CastRefused, "one region"),
        ("@ada waves", {"bo": Presence()}, InputRefused, "@bo was given a place"),
        ("@ada waves to @bo", {"ada": Presence(speaks=((0.0, 1.0),))}, InputRefused, "no line"),
    ],
)
def test_what_cannot_be_is_refused(prompt, given, error, reason):
    with pytest.raises(error, match=reason):
        stage(parse(prompt), 2.0, given)
