"""Kinds of fields in documents that are signed: each value has one spelling, and shows on a terminal as what it is."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic.types import StringConstraints

__all__ = ["Line", "Moment", "spell"]

_SPELLING: Final = r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z"
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _to_second(moment: object) -> object:
    """One spelling of a time, ``2026-11-03T09:00:00Z``: a time that could be respelled could be changed unnoticed."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError("a time needs its zone")
        return moment.astimezone(UTC).replace(microsecond=0)
    if not (isinstance(moment, str) and re.fullmatch(_SPELLING, moment)):
        raise ValueError("expected a time like 2026-11-03T09:00:00Z")
    with suppress(ValueError):
        found = datetime.fromisoformat(moment)
        if spell(found) == moment:  # 24:00 is the next day's 00:00 to some versions of Python
            return found
    raise ValueError("there is no such time")


def spell(moment: datetime) -> str:
    """``2026-11-03T09:00:00Z``."""
    # Not strftime: its %Y has no leading zeros for the years before 1000 on some systems.
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _one_line(text: str) -> str:
    """A name is shown on terminals and in pages: no control characters, no line ends, no bidirectional overrides.
    Joiners stay, Persian and Indic names are written with them."""
    if any(unicodedata.category(c) in {"Cc", "Zl", "Zp", "Co", "Cn"} or c in _BIDI for c in text):
        raise ValueError("expected one line without control characters")
    return text


Moment = Annotated[
    datetime,
    BeforeValidator(_to_second),
    PlainSerializer(spell, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_SPELLING}$"}),
]
"""A time in UTC, whole seconds, in exactly one spelling."""

Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$"), AfterValidator(_one_line)
]
"""Somebody's name: one line of 1 to 200 characters."""
