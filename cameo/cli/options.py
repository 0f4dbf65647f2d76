"""What the commands have in common: the options they share, and how a library is kept from talking."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from cameo.cli.terminal import quiet
from cameo.errors import UsageError
from enroll.consent import Use

__all__ = ["Command", "Handle", "Out", "Until", "User", "end_of", "split", "use_of"]

_USES: tuple[Use, ...] = get_args(Use)

Handle = Annotated[str, typer.Argument(metavar="HANDLE", help="The person's handle, with or without @.")]
Out = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="DATE", help="Last day, such as 2026-12-31 (UTC), or days from now: 30d."),
]
User = Annotated[str, typer.Option("--user", metavar="USER", help="A user of this home, as the operator names them.")]


class Command(TyperCommand):
    """A command whose libraries are silent. Help and usage errors come before ``invoke`` and are not."""

    def invoke(self, ctx: Any) -> Any:
        with quiet():
            return super().invoke(ctx)


def split(values: list[str] | None) -> tuple[str, ...]:
    """``--scope face,body`` and ``--scope face --scope body`` say the same."""
    return tuple(word.strip() for value in values or () for word in value.split(",") if word.strip())


def use_of(word: str) -> Use:
    """Raises UsageError when it is none."""
    for use in _USES:
        if word == use:
            return use
    raise UsageError(f"{word[:40]!r} is no use", hint=f"one of {', '.join(_USES)}")


def end_of(text: str) -> datetime:
    """The end of the day that was named, or the moment so many days from now. Raises UsageError."""
    if text.endswith("d") and text[:-1].isdecimal() and len(text) <= 5:
        return datetime.now(UTC) + timedelta(days=int(text[:-1]))
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no day", hint="such as 2026-12-31, or 30d for thirty days") from None
    return datetime.combine(day, time(23, 59, 59), UTC)
