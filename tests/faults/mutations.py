"""Documents a little wrong: what a mutation makes of bytes, and of JSON.

JSON is changed as a tree in which a member may be there twice and a value may be spelled as no library would; so it is
written by hand again.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

__all__ = ["Members", "Raw", "changed_bytes", "changed_json", "changed_lines", "spelled", "tree_of"]


class Members(list[tuple[Any, Any]]):
    """An object: its members in their order, by names."""


@dataclass(frozen=True)
class Raw:
    """A value, to the letter."""

    text: str


_HOSTILE: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    "",
    Raw("[]"),
    Raw("{}"),
    *(0, 1, -1, 2**31, 2**53, 2**63, 2**64),
    *map(Raw, ("1e0", "1.0", "-0", "-0.0", "1e400", "-1e-400", "NaN", "Infinity", "01", "1.7976931348623157e308")),
    Raw("9" * 400),
    Raw("9" * 5000),
    Raw("[" * 200 + "]" * 200),
    Raw("[" * 20_000 + "]" * 20_000),
    Raw('{"a":' * 150 + "1" + "}" * 150),
    *map(Raw, ('"\\ud800"', '"\\u0000"', '"\\ufeff"', '"\ud800"', "'x'", "\u00a0")),
    "\u202eada",
    "a\u0301",
    "x" * 100_000,
    Raw("[" + "0," * 1000 + "0]"),
    "2026-11-03T24:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "../../etc/passwd",
)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)
_NUMBERS: Final = (b"0", b"-1", b"00", b"+1", b"4294967296", b"9223372036854775808", b"9" * 400, "١".encode(), b"1e3")


def tree_of(text: str | bytes) -> Any:
    return json.loads(text, object_pairs_hook=Members)


def spelled(tree: Any) -> str:
    """As JSON; half a character stays one."""
    if isinstance(tree, Raw):
        return tree.text
    if isinstance(tree, Members):
        return "{" + ",".join(f"{spelled(name)}:{spelled(value)}" for name, value in tree) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(map(spelled, tree)) + "]"
    return _ENCODER.encode(tree)


def changed_json(chance: Random, text: str | bytes, other: str | bytes) -> Any:
    """One to three changes, now and then with something of another document. A tree; see ``spelled``."""
    tree = tree_of(text)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = [*_places(tree)]
        if not places:
            return chance.choice(_HOSTILE)
        holder, at = chance.choice(places)
        chance.choice(_CHANGES)(chance, holder, at, other)
    return tree


def _places(tree: Any) -> list[tuple[list[Any], int]]:
    """Every member and element, as where it is."""
    found: list[tuple[list[Any], int]] = []
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        if not isinstance(holder, list):
            continue
        found += [(holder, at) for at in range(len(holder))]
        waiting += [_value(holder, at) for at in range(len(holder))]
    return found


def _value(holder: list[Any], at: int) -> Any:
    return holder[at][1] if isinstance(holder, Members) else holder[at]


def _put(holder: list[Any], at: int, value: Any) -> None:
    holder[at] = (holder[at][0], value) if isinstance(holder, Members) else value


def _drop(chance: Random, holder: list[Any], at: int, other: str | bytes) -> None:
    del holder[at]


def _double(chance: Random, holder: list[Any], at: int, other: str | bytes) -> None:
    again = holder[at]
    if isinstance(holder, Members) and chance.random() < 0.5:
        again = (again[0], chance.choice(_HOSTILE))
    holder.insert(chance.randrange(len(holder) + 1), again)


def _shuffle(chance: Random, holder: list[Any], at: int, other: str | bytes) -> None:
    chance.shuffle(holder)


def _rename(chance: Random, holder: list[Any], at: int, other: str | bytes) -> None:
    if isinstance(holder, Members) and isinstance(holder[at][0], str):
        holder[at] = (_respelled(chance, holder[at][0]), holder[at][1])


def _replace(chance: Random, holder: list[Any], at: int, other: str | bytes) -> None:
    _put(holder, at, chance.choice(_HOSTILE))


def _tweak(chance: Random, holder: list[Any], at: int, other: str | bytes) -> None:
    value = _value(holder, at)
    if isinstance(value, str):
        _put(holder, at, _respelled(chance, value))
    elif isinstance(value, (int, float)):
        ways = (value + 1, -value, value * 10**6, str(value), Raw(f"{value}e0"), Raw(f"{value}.0"), [value])
        _put(holder, at, chance.choice(ways))
    else:
        _put(holder, at, [value])


def _transplant(chance: Random, holder: list[Any], at: int, other: str | bytes) -> None:
    places = _places(tree_of(other))
    if places:
        _put(holder, at, _value(*chance.choice(places)))


def _swap(chance: Random, holder: list[Any], at: int, other: str | bytes) -> None:
    place = chance.randrange(len(holder))
    mine, theirs = _value(holder, at), _value(holder, place)
    _put(holder, at, theirs)
    _put(holder, place, mine)


_Change = Callable[[Random, list[Any], int, str | bytes], None]
_CHANGES: Final[tuple[_Change, ...]] = (
    _drop,
    _double,
    _shuffle,
    _rename,
    _replace,
    _replace,
    _tweak,
    _tweak,
    _tweak,
    _transplant,
    _swap,
)


def _respelled(chance: Random, text: str) -> Any:
    """The same to a careless reader, or nearly."""
    at = chance.randrange(len(text) + 1)
    ways: tuple[Callable[[], Any], ...] = (
        lambda: text[:at] + text[at + 1 :],
        lambda: text[:at] + chance.choice("0Aa/-_=. \n\t\0\u200d\u202e\u0301\uff10\U0001f600") + text[at:],
        lambda: text[:at],
        lambda: text + text,
        lambda: text.swapcase(),
        lambda: f" {text}",
        lambda: f"{text}\n",
        lambda: unicodedata.normalize("NFD", text),
        lambda: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
        lambda: Raw('"' + "".join(f"\\u{ord(c) % 65536:04x}" for c in text) + '"'),
        lambda: chr(chance.randrange(0x20, 0x3000)) + text[1:],
    )
    return chance.choice(ways)()


def changed_bytes(chance: Random, content: bytes, other: bytes) -> bytes:
    """One to three changes."""
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at, end = sorted(chance.randrange(len(made) + 1) for _ in range(2))
        end = min(end, at + chance.choice((1, 4, 64, 1 << 20)))
        match chance.randrange(9):
            case 0 | 1 if made:
                made[min(at, len(made) - 1)] ^= 1 << chance.randrange(8)
            case 2 if made:
                made[min(at, len(made) - 1)] = chance.choice(b'\x00\x01\x7f\x80\xff\n {}[]"=+-.09')
            case 3:
                del made[at:end]
            case 4:
                made[at:at] = made[at:end]
            case 5:
                made[at:end] = chance.randbytes(min(end - at, 64))
            case 6:
                del made[at:]
            case 7:
                made[at:] = other[at:] if chance.random() < 0.5 else other[chance.randrange(len(other) + 1) :]
            case _:
                made[at:end] = other[at:end]
    return bytes(made)


def changed_lines(chance: Random, content: bytes, other: bytes) -> bytes:
    """Of a text: whole lines, and numbers in them; or as ``changed_bytes``."""
    if chance.random() < 0.4:
        return changed_bytes(chance, content, other)
    lines, others = content.split(b"\n"), other.split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, chance.choice(lines))
        case 2:
            lines[at] = chance.choice(others)
        case 3:
            place = chance.randrange(len(lines))
            lines[at], lines[place] = lines[place], lines[at]
        case 4:
            words = lines[at].split(b" ")
            words[chance.randrange(len(words))] = chance.choice(_NUMBERS)
            lines[at] = b" ".join(words)
        case _:
            lines[at] += chance.choice((b"\r", b" ", b"=", b"\x00", b"A" * 70_000))
    return b"\n".join(lines)
