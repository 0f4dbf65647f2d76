"""``cameo backup`` and ``restore``: a copy of the vault, put back without bringing anybody back who left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cameo.cli.options import Command
from cameo.cli.terminal import Answer, count, plain
from cameo.studio import Studio

__all__ = ["register"]


def register(root: typer.Typer) -> None:
    for command in (backup, restore):
        root.command(cls=Command)(command)


def backup(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="A folder that does not exist yet.")],
) -> Answer:
    """Copy the vault as it is now, all of it encrypted, without its keys."""
    studio = Studio()
    people = len(studio.cast())
    written = studio.backup(out)
    return Answer(
        {"path": str(written), "people": people},
        (
            f"{plain(written)}: {count(people, 'person', 'people')}. Its keys are not in it.",
            f"Keep {plain(studio.home / 'keys.tree')} elsewhere, newest copy only: an old one opens who left since.",
        ),
    )


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What cameo backup wrote.")],
    status: Annotated[
        Path | None,
        typer.Option("--status", metavar="FILE", help="A later status list of this home, if it has lost its own."),
    ] = None,
) -> Answer:
    """Put a copy in the place of this home's vault. Whoever left since is destroyed before anybody is served."""
    studio = Studio()
    gone = studio.restore(folder, status=status)
    here = len(studio.cast())
    told = f"; {gone} had left since, and {'is' if gone == 1 else 'are'} destroyed again" if gone else ""
    return Answer({"people": here, "destroyed": gone}, (f"{count(here, 'person is', 'people are')} here{told}.",))
