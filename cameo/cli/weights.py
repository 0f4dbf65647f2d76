"""``cameo weights``: which encoders' weights are here, and fetching those that are not, with consent."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Column, Table

from cameo.cli.options import Command
from cameo.cli.terminal import Answer, plain, progress_bar, tell

__all__ = ["register"]

app = typer.Typer()


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="weights")


@app.callback(invoke_without_command=True)
def show(context: typer.Context) -> Answer | None:
    """Weights of the encoders: which are here; and fetching those that are not, with your consent to their licence."""
    if context.invoked_subcommand is not None:
        return None
    from enroll.encoders import registry

    rows = [_row(status.card.space) | {"present": status.present} for status in registry.status()]
    space = Column("embedding space", no_wrap=True)
    table = Table(space, "here", "download", "checksum", "licence", box=None, pad_edge=False)
    for row in rows:
        fetched = "none" if row["url"] is None else _size(row["bytes"])
        checksum = "" if row["url"] is None else "published" if row["sha256"] else "first use"
        table.add_row(row["space"], "yes" if row["present"] else "no", fetched, checksum, row["licence"])
    return Answer({"weights": rows}, (table, "", "To fetch one: cameo weights get SPACE"))


@app.command(cls=Command)
def get(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="An embedding space, as cameo weights lists it.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the licence of these weights and accept it.")
    ] = False,
    mirror: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="Fetch from a mirror: a URL under which the file lies by its name."),
    ] = None,
) -> Answer:
    """Fetch the weights of an embedding space. Shows licence, size and source; fetches only with --accept-licence."""
    from enroll.encoders.download import fetch

    row = _row(space)
    if row["url"] is not None:
        tell(f"{row['space']}: {_size(row['bytes'])} from {mirror or row['url']}")
        tell(f"licence: {row['licence']}; commercial use: {'yes' if row['commercial'] else 'no'}; {row['licence_url']}")
    with progress_bar("weights") as progress:
        fetched = fetch(space, accept_licence=accept_licence, mirror=mirror, progress=progress)
    how = {
        "published": "as published",
        "first use": "which nobody publishes: written down, so that a change will be noticed",
    }.get(fetched.standing, fetched.standing)
    shown = [f"{fetched.card.space} is {'here' if fetched.new else 'here already'}: {plain(fetched.path)}"]
    shown += [f"  {name}: SHA-256 {digest}, {how}" for name, digest in fetched.sha256.items()]
    return Answer(
        row | {"path": str(fetched.path), "new": fetched.new, "files": fetched.sha256, "standing": fetched.standing},
        tuple(shown),
    )


def _row(name: str) -> dict[str, Any]:
    from enroll.encoders import registry

    card = registry.find(name).card
    download = card.download
    known = download.known if download else None
    return {
        "space": card.space,
        "licence": card.licence,
        "licence_url": card.licence_url,
        "commercial": card.commercial,
        "url": download.url if download else None,
        "bytes": known.size if known else None,
        "sha256": known.sha256 if known else None,
    }


def _size(size: int | None) -> str:
    return f"{size / 1e6:.0f} MB" if size else "size unknown"
