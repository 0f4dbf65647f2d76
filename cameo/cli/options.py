"""What the commands have in common: the options they share, and how a library is kept from talking."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from cameo.cli.terminal import quiet

__all__ = ["Command", "Handle", "Out", "User", "split"]

Handle = Annotated[str, typer.Argument(metavar="HANDLE", help="The person's handle, with or without @.")]
Out = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")]
User = Annotated[str, typer.Option("--user", metavar="USER", help="A user of this home, as the operator names them.")]


class Command(TyperCommand):
    """A command whose libraries are silent. Help and usage errors come before ``invoke`` and are not."""

    def invoke(self, ctx: Any) -> Any:
        with quiet():
            return super().invoke(ctx)


def split(values: list[str] | None) -> tuple[str, ...]:
    """``--scope face,body`` and ``--scope face --scope body`` say the same."""
    return tuple(word.strip() for value in values or () for word in value.split(",") if word.strip())
