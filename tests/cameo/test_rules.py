"""Rules against prompts: what is asked for plainly is stopped, and ordinary words are not."""

from __future__ import annotations

import pytest

from cameo.errors import UsageError
from cameo.rules import TOPICS, broken, rule


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("alcohol", "alcohol"),
        ("No alcohol", "alcohol"),
        ("never in advertising!", "advertising"),
        ("  My   brother’s BAR ", "my brother's bar"),
        ("ＧＵＮ", "gun"),
    ],
)
def test_a_rule_is_kept_in_one_spelling(said: str, kept: str) -> None:
    assert rule(said) == kept


@pytest.mark.parametrize("said", ["", "  ", "no", "never in", "…", "x" * 81])
def test_no_rule(said: str) -> None:
    with pytest.raises(UsageError):
        rule(said)


@pytest.mark.parametrize(
    ("topic", "prompt"),
    [
        ("alcohol", "@ada drinks a beer by the sea"),
        ("alcohol", '@ada says "two WHISKIES, please"'),
        ("alcohol", "@ada opens bottles of wines"),
        ("advertising", "@ada in a commercial for shoes"),
        ("advertising", "@ada endorsing a phone"),
        ("weapons", "@ada with knives"),
        ("violence", "@ada stabbed in the street"),
        ("violence", "@ada is killing time"),
        ("tobacco", "@ada, smoking"),
        ("gambling", "@ada at a slot  machine"),
        ("my brother's bar", "@ada outside my brother’s bar"),
    ],
)
def test_what_breaks_a_rule(topic: str, prompt: str) -> None:
    assert broken([topic], prompt) == (topic,)


@pytest.mark.parametrize(
    ("topic", "prompt"),
    [
        ("alcohol", "@ada bakes ginger bread"),
        ("alcohol", "@ada in a barn"),
        ("advertising", "@ada adds sugar"),
        ("nudity", "@ada in Essex"),
        ("weapons", "@ada begun to sing"),
        ("religion", "@ada is a contemplative painter"),
        ("my brother's bar", "@ada and my brother"),
    ],
)
def test_what_does_not(topic: str, prompt: str) -> None:
    assert broken([topic], prompt) == ()


@pytest.mark.parametrize("topic", TOPICS)
def test_every_word_of_a_topic_breaks_it(topic: str) -> None:
    assert all(broken([topic], f"a scene: {word}, at night") for word in TOPICS[topic])
    assert rule(topic) == topic
