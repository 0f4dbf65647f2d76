"""The prompt: who is in it, what they say, where they stand.

    parse('@ada on the left says "hello" by the sea')
    Script(caption='a person on the left says "hello" by the sea', cast=(Role('ada', ('hello',), 'left'),),
           turns=(Turn('ada', 'hello'),))

A handle is ``@`` and a letter, then letters, digits, ``_`` or ``-``, 32 characters at most, case ignored. What stands
in quotes is speech: a handle in it names nobody. ``\\@`` and ``\\"`` are a plain ``@`` and ``"``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cameo.errors import PromptInvalid

__all__ = ["MAX_CHARACTERS", "Role", "Script", "Side", "Turn", "bare", "parse"]

Side = Literal["left", "right"]

MAX_CHARACTERS = 2000
"""Longest prompt accepted. The text encoder reads 1024 tokens at most; what is beyond would be dropped in silence."""

_HANDLE = re.compile(r"[a-z][a-z0-9_-]{0,31}")

# One pass over the text. An e-mail address (``me@ada.com``) is no mention: a word character stands before its ``@``.
# A mention takes every word character, so that ``@adа`` with a Cyrillic letter is refused and not read as ``@ad``.
_TOKEN = re.compile(
    r"""
    \\(?P<escaped>[@"'“”‘’\\])
    | (?<![\w@])@(?P<mention>[\w-]+(?:\.\w+)*)
    | "(?P<straight>(?:\\.|[^"\\])*)"
    | “(?P<curly>(?:\\.|[^”\\])*)”
    | (?<!\w)['‘](?P<single>(?=\S)[^"“”]*?(?<=\S))['’](?!\w)
    | (?P<stray>["“”])
    """,
    re.VERBOSE,
)
_SINGLE_CLOSE = re.compile(r"(?<=\S)['’](?!\w)")
_SINGLE_OPEN = re.compile(r"(?<!\w)['‘](?=\w)")

_VERB = (
    r"(?:says?|said|saying|asks?|asked|asking|answers?|answered|answering|repl(?:y|ies|ied|ying)|whispers?|whispered"
    r"|whispering|shouts?|shouted|shouting|calls?|called|calling|sings?|sang|singing|speaks?|spoke|speaking|tells?|told"
    r"|telling|reads?|reading|murmurs?|murmuring|cr(?:y|ies|ied|ying)|exclaims?|exclaimed|announces?|announced)"
)
_SPEAKS = re.compile(rf"\b{_VERB}\b|^\s*:\s*$", re.IGNORECASE)
_SPEAKS_ON = re.compile(r"[\s,;.]*(?:(?:and|then|again)[\s,]*)*", re.IGNORECASE)
_SPOKEN_BY = re.compile(rf"\s*,?\s*{_VERB}\s*", re.IGNORECASE)

_SIDE = r"\bon\s+the\s+(?:far\s+)?(left|right)\b"
_SIDE_AFTER = re.compile(rf",?[^,.;:!?]*?{_SIDE}", re.IGNORECASE)
_SIDE_BEFORE = re.compile(rf"{_SIDE}[^.;:!?]*$", re.IGNORECASE)


@dataclass(frozen=True)
class Role:
    """One person of the cast.

    Attributes:
        handle: lower case, without ``@``.
        lines: what they say, in order, without quotes.
        side: where they stand as the picture shows it; None where the prompt does not say.
    """

    handle: str
    lines: tuple[str, ...] = ()
    side: Side | None = None


@dataclass(frozen=True)
class Turn:
    """One line and who says it."""

    handle: str
    line: str


@dataclass(frozen=True)
class Script:
    """A prompt, read.

    Attributes:
        caption: what the text encoder gets: the prompt with "a person" for the first mention of a handle.
        cast: one role for each handle, in order of first mention; never empty.
        turns: all lines in the order in which they are said.
    """

    caption: str
    cast: tuple[Role, ...]
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True)
class _Piece:
    """A stretch of the prompt: plain text, a mention of a handle, or what stands in quotes."""

    kind: Literal["text", "mention", "quote"]
    text: str


def parse(prompt: str) -> Script:
    """Read a prompt.

    Args:
        prompt: 1 to 2000 characters.

    Raises:
        PromptInvalid: nobody is named, a handle or a quotation cannot be read, or the text is too long or holds
            control characters.
    """
    pieces = list(_pieces(_checked(prompt)))
    handles = list(dict.fromkeys(piece.text for piece in pieces if piece.kind == "mention"))
    if not handles:
        raise PromptInvalid("the prompt names nobody", hint='name someone who is enrolled, as in: @ada says "hello"')
    turns, sides = _turns(pieces), _sides(pieces)
    cast = tuple(Role(h, tuple(turn.line for turn in turns if turn.handle == h), sides.get(h)) for h in handles)
    return Script(_caption(pieces), cast, turns)


def bare(handle: str) -> str:
    """A handle as somebody wrote it, with or without ``@``, as it is kept."""
    return handle.removeprefix("@").lower()


def _checked(prompt: str) -> str:
    if len(prompt) > MAX_CHARACTERS:
        raise PromptInvalid(f"the prompt has {len(prompt)} characters, {MAX_CHARACTERS} are read", hint="shorten it")
    text = unicodedata.normalize("NFC", " ".join(prompt.split()))
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise PromptInvalid(f"the prompt holds the control character U+{ord(character):04X}", hint="remove it")
    return text


def _pieces(text: str) -> Iterator[_Piece]:
    plain, at = "", 0
    while token := _TOKEN.search(text, at):
        plain += text[at : token.start()]
        at = token.end()
        kind = token.lastgroup
        if kind == "escaped":
            plain += token["escaped"]
            continue
        if kind == "stray":
            raise PromptInvalid("a quotation in the prompt does not end", hint='close it, or write \\" for a plain "')
        if kind == "single" and not _speech_before(plain):
            # An apostrophe or inch sign, or a name in quotes: not speech, and mentions in it count.
            plain += token[0][0]
            at = token.start() + 1
            continue
        if plain:
            yield _Piece("text", plain)
            plain = ""
        if kind == "mention":
            yield _Piece("mention", _handle(token["mention"]))
            continue
        if kind == "single":
            _refuse_ambiguous(text, token)
        yield _Piece("quote", re.sub(r"\\(.)", r"\1", token[kind or ""]).strip())
    if plain + text[at:]:
        yield _Piece("text", plain + text[at:])


def _speech_before(plain: str) -> bool:
    """Single quotes are speech only right after a verb of speaking, a colon, or what joins two lines."""
    return re.search(rf"(?:\b{_VERB}|[:]|^\s*and|^\s*then)\s*,?\s*$", plain, re.IGNORECASE) is not None


def _refuse_ambiguous(text: str, token: re.Match[str]) -> None:
    """``says 'the dogs' bowl'`` has two ends. Whoever wrote it must say which."""
    following = _SINGLE_OPEN.search(text, token.end())
    end = following.start() if following else len(text)
    if _SINGLE_CLOSE.search(text, token.end(), end):
        raise PromptInvalid("a line in single quotes could end in two places", hint='put it in double quotes: "…"')


def _handle(word: str) -> str:
    handle = word.lower()
    if not _HANDLE.fullmatch(handle):
        raise PromptInvalid(
            "a word of the prompt begins with @ and is no handle",
            hint="a handle is a letter a-z, then at most 31 letters, digits, _ or -; write \\@ for a plain @",
        )
    return handle


def _turns(pieces: list[_Piece]) -> tuple[Turn, ...]:
    """A line belongs to whoever speaks before it (``@ada says "…"``, also ``… and then "…"``), else after it
    (``"…", says @ada``)."""
    turns: list[Turn] = []
    named = speaker = None
    said = ""
    for index, piece in enumerate(pieces):
        if piece.kind == "mention":
            named, said, speaker = piece.text, "", None
        elif piece.kind == "text":
            said += piece.text
        else:
            after = pieces[index + 1 : index + 3]
            if named and _SPEAKS.search(said):
                speaker = named
            elif not (speaker and _SPEAKS_ON.fullmatch(said)):
                speaker = None
                if [p.kind for p in after] == ["text", "mention"] and _SPOKEN_BY.fullmatch(after[0].text):
                    speaker = after[1].text
            if speaker and piece.text:
                turns.append(Turn(speaker, piece.text))
            said = ""
    return tuple(turns)


def _sides(pieces: list[_Piece]) -> dict[str, Side]:
    """``@ada on the left, @bob on the right`` puts the side after the name, ``on the left @ada, on the right @bob``
    before it; which of the two a prompt does is told by its first mention."""
    spoken = [_Piece("text", " ") if piece.kind == "quote" else piece for piece in pieces]
    first = next(index for index, piece in enumerate(spoken) if piece.kind == "mention")
    before = "".join(piece.text for piece in spoken[:first])
    leads = _SIDE_BEFORE.search(before) is not None
    sides: dict[str, Side] = {}
    name, stretch = None, before if leads else ""
    for piece in spoken[first:]:
        if piece.kind == "text":
            stretch += piece.text
            if not leads and name and (found := _SIDE_AFTER.match(stretch)):
                sides.setdefault(name, _side(found))
            continue
        if leads and (found := _SIDE_BEFORE.search(stretch)):
            sides.setdefault(piece.text, _side(found))
        name, stretch = piece.text, ""
    return sides


def _side(found: re.Match[str]) -> Side:
    return "left" if found[1].lower() == "left" else "right"


def _caption(pieces: list[_Piece]) -> str:
    seen: set[str] = set()
    words: list[str] = []
    for piece in pieces:
        if piece.kind == "text":
            words.append(piece.text)
        elif piece.kind == "quote":
            words.append(f'"{piece.text}"')
        else:
            words.append("the person" if piece.text in seen else "a person")
            seen.add(piece.text)
    return "".join(words).strip()
