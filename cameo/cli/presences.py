"""``--region`` and ``--speaks``: who is drawn where and heard when, as words on the command line.

--region ada=0,0,0.5,1                          within the left half, from beginning to end
--region "bo=0:0.5,0,1,1;2:0,0,0.5,1"           from right to left within two seconds
--speaks ada=0-1.2,3-4
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cameo.errors import UsageError
from cameo.script import bare

if TYPE_CHECKING:
    from cameo.conditioning.routing import Box, Presence

__all__ = ["Regions", "Speaks", "presences_of"]

Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="HANDLE=L,T,R,B",
        help="Where somebody is drawn, in shares of the picture; SECONDS:L,T,R,B;… moves. Repeatable.",
    ),
]
Speaks = Annotated[
    list[str] | None,
    typer.Option("--speaks", metavar="HANDLE=FROM-TO", help="When somebody is heard, in seconds. Repeatable."),
]


def presences_of(regions: list[str] | None, speaks: list[str] | None) -> dict[str, Presence] | None:
    """Both options together, by handle; None when neither was given.

    Raises:
        UsageError: words that cannot be read.
        CastRefused: a region that is no part of the picture, times in disorder.
    """
    if not regions and not speaks:
        return None
    from cameo.conditioning.routing import Presence

    paths = {handle: _path(text) for handle, text in _by_handle("--region", regions).items()}
    spans = {handle: _spans(text) for handle, text in _by_handle("--speaks", speaks).items()}
    return {handle: Presence(paths.get(handle, ()), spans.get(handle)) for handle in paths | spans}


def _by_handle(option: str, words: list[str] | None) -> dict[str, str]:
    texts: dict[str, str] = {}
    for handle, text in map(_named, words or ()):
        if handle in texts:
            raise UsageError(f"{option} was given twice for @{handle}")
        texts[handle] = text
    return texts


def _named(word: str) -> tuple[str, str]:
    handle, equals, text = word.partition("=")
    if not equals or not handle or not text:
        raise UsageError(f"{word[:40]!r} names nobody", hint="such as ada=0,0,0.5,1")
    return bare(handle), text


def _path(text: str) -> tuple[tuple[float, Box], ...]:
    from cameo.conditioning.routing import Box

    path = []
    for stop in text.split(";"):
        at, colon, corners = stop.rpartition(":")
        try:
            path.append((float(at) if colon else 0.0, Box(*map(float, corners.split(",")))))
        except (TypeError, ValueError):
            raise UsageError(
                f"{text[:40]!r} is no region", hint="left,top,right,bottom such as 0,0,0.5,1; or SECONDS:L,T,R,B;…"
            ) from None
    return tuple(path)


def _spans(text: str) -> tuple[tuple[float, float], ...]:
    spans = []
    for span in text.split(","):
        begin, dash, end = span.partition("-")
        try:
            if not dash:
                raise ValueError(span)
            spans.append((float(begin), float(end)))
        except ValueError:
            raise UsageError(f"{text[:40]!r} is no time to speak", hint="FROM-TO in seconds, such as 0-1.2") from None
    return tuple(spans)
