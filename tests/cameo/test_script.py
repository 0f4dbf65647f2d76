"""The prompt: who is named, who says what, who stands where, and what is refused."""

from __future__ import annotations

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameo.errors import PromptInvalid
from cameo.script import MAX_CHARACTERS, Role, parse

HANDLES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,31}", fullmatch=True)
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="@\"'“”‘’\\"))


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "   ",
        "a walk by the sea",
        "write to me@ada.com",
        r"write \@ada on the wall",
        'a sign reads "@ada"',
        "@",
        "@1st waves",
        "@-ada waves",
        "@@ada waves",
        "@" + "a" * 33 + " waves",
        "@ada.com waves",
        "@ad\N{CYRILLIC SMALL LETTER A} waves",
        "\N{FULLWIDTH COMMERCIAL AT}ada waves",
    ],
)
def test_refuses_a_prompt_that_names_nobody_for_certain(prompt: str) -> None:
    with pytest.raises(PromptInvalid) as refusal:
        parse(prompt)
    assert refusal.value.exit_status == 3
    assert refusal.value.hint


@pytest.mark.parametrize("prompt", ['@ada says "hello', "@ada says hello”", "@ada says “hello", '@ada is 5" taller'])
def test_refuses_a_quotation_without_an_end(prompt: str) -> None:
    with pytest.raises(PromptInvalid, match="does not end"):
        parse(prompt)


def test_refuses_single_quotes_that_could_end_twice() -> None:
    with pytest.raises(PromptInvalid, match="two places"):
        parse("@ada says 'the dogs' bowl' to us")


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\x7f", "\x9b", "\ud800"])
def test_refuses_control_characters(bad: str) -> None:
    with pytest.raises(PromptInvalid, match=f"U\\+{ord(bad):04X}"):
        parse(f"@ada {bad} waves")


def test_refuses_what_is_too_long_and_reads_what_just_fits() -> None:
    longest = "@ada" + " x" * ((MAX_CHARACTERS - 4) // 2)
    assert len(parse(longest).caption) > MAX_CHARACTERS - 10
    with pytest.raises(PromptInvalid, match=str(MAX_CHARACTERS)):
        parse(longest + "xx")


@pytest.mark.parametrize("prompt", ["@ada " + "'" * 1900, "@ada" + " 'a" * 600, "@ada says " + "“" * 1900, "@a," * 600])
def test_reads_or_refuses_pathological_prompts_at_once(prompt: str) -> None:
    with suppress(PromptInvalid):
        parse(prompt)


def test_refusals_never_repeat_the_prompt() -> None:
    for prompt in ("secret words", 'secret @ada says "words', "@secret.words", "secret \x00"):
        with pytest.raises(PromptInvalid) as refusal:
            parse(prompt)
        assert "secret" not in str(refusal.value) + refusal.value.hint


@pytest.mark.parametrize(
    ("prompt", "cast"),
    [
        ('@ada says "hello" by the sea', (Role("ada", ("hello",)),)),
        ("@ADA says “hello”", (Role("ada", ("hello",)),)),
        ('@ada whispers: "a"', (Role("ada", ("a",)),)),
        ('@ada: "a"', (Role("ada", ("a",)),)),
        ('"Hello," says @ada', (Role("ada", ("Hello,",)),)),
        ('@ada says "one" and then "two"', (Role("ada", ("one", "two")),)),
        ("@ada says 'it's cold' outside", (Role("ada", ("it's cold",)),)),
        ("@ada says 'one' and 'two'", (Role("ada", ("one", "two")),)),
        ("@ada says ‘the dog’s bowl’ now", (Role("ada", ("the dog’s bowl",)),)),
        (r'@ada says "a \"b\" c"', (Role("ada", ('a "b" c',)),)),
        ('@ada holds a sign "stop" and waves', (Role("ada"),)),
        ('@ada says "write to @bob"', (Role("ada", ("write to @bob",)),)),
        ("@ada's dog barks, me@bob.com", (Role("ada"),)),
        ("'@ada' waves", (Role("ada"),)),
        ("@ada and @bob and @ADA again", (Role("ada"), Role("bob"))),
        ('@ada asks "who?" and @bob answers "me"', (Role("ada", ("who?",)), Role("bob", ("me",)))),
        ('@ada looks at @bob and says "hi"', (Role("ada"), Role("bob", ("hi",)))),
        ("@ada on the left, @bob on the right", (Role("ada", (), "left"), Role("bob", (), "right"))),
        ("on the left @ada, on the right @bob", (Role("ada", (), "left"), Role("bob", (), "right"))),
        ("On the left stands @ada; on the far right @bob", (Role("ada", (), "left"), Role("bob", (), "right"))),
        ("@ada, on the right, waves", (Role("ada", (), "right"),)),
        ("@ada waves. A dog on the left barks", (Role("ada"),)),
        ('@ada says "sit on the left"', (Role("ada", ("sit on the left",)),)),
        ("@ada raises her left hand", (Role("ada"),)),
    ],
)
def test_reads_cast_lines_and_sides(prompt: str, cast: tuple[Role, ...]) -> None:
    assert parse(prompt).cast == cast


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ('@ada says "hello" by the sea', 'a person says "hello" by the sea'),
        ("@ada waves;\n  @ada laughs", "a person waves; the person laughs"),
        ("@ada and @bob, then @bob", "a person and a person, then the person"),
        (r"@ada shows \@bob and me@bob.com", "a person shows @bob and me@bob.com"),
    ],
)
def test_the_caption_names_nobody(prompt: str, caption: str) -> None:
    assert parse(prompt).caption == caption


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        script = parse(text)
    except PromptInvalid:
        return
    assert script.cast
    assert "\n" not in script.caption


@given(HANDLES, HANDLES, PLAIN, PLAIN)
def test_every_handle_between_spaces_is_found_and_none_is_left_in_the_caption(
    first: str, second: str, before: str, after: str
) -> None:
    script = parse(f"{before} @{first} {after} @{second} ")
    assert [role.handle for role in script.cast] == list(dict.fromkeys((first.lower(), second.lower())))
    assert "@" not in script.caption


@given(HANDLES, PLAIN.map(str.strip).filter(bool))
def test_what_is_said_arrives_word_for_word(handle: str, line: str) -> None:
    (role,) = parse(f'@{handle} says "{line}"').cast
    assert role.lines == (parse(f'@{handle} "{line}"').caption.split('"')[1],)
    assert role.lines[0].split() == unicodedata.normalize("NFC", line).split()
