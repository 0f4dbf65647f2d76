"""``cameo suspend``, ``resume`` and ``status``: out for a while, and how those elsewhere learn of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cameo.cli.options import Command, Handle, Out
from cameo.cli.terminal import Answer, plain
from cameo.status import StatusList
from cameo.studio import Studio
from cameo.targets import check_target
from cameo.vault import CastEntry
from enroll.fields import spell

__all__ = ["register"]

app = typer.Typer(help="The signed list of who is revoked or suspended, for generators that cannot ask this home.")


def register(root: typer.Typer) -> None:
    for command in (suspend, resume):
        root.command(cls=Command)(command)
    root.add_typer(app, name="status")


def suspend(
    handle: Handle,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Kept sealed in the ledger; goes when they revoke.")
    ] = None,
) -> Answer:
    """Keep a person out of every scene for now. Nothing is destroyed."""
    return _now(Studio().suspend(handle, reason=reason))


def resume(handle: Handle) -> Answer:
    """Let a suspended person into scenes again."""
    return _now(Studio().resume(handle))


@app.command(cls=Command)
def publish(
    out: Out,
    max_age_hours: Annotated[
        int, typer.Option("--max-age-hours", metavar="N", min=1, max=744, help="How long it may be relied on.")
    ] = 24,
) -> Answer:
    """Write the signed status list of now. Readers without a network go on with it until its greatest age."""
    check_target(out)
    published = Studio().publish_status(out, age=timedelta(hours=max_age_hours))
    return Answer(
        _about(published) | {"path": str(out), "bytes": out.stat().st_size},
        (
            f"{plain(out)}: epoch {published.epoch}, {_marked(published)}, {out.stat().st_size} bytes",
            f"Good until {spell(published.valid_until)}, from {published.signer}",
        ),
    )


@app.command(cls=Command)
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A status list.")],
    index: Annotated[
        int | None, typer.Option("--index", metavar="N", min=0, help="Say how the person with this index stands.")
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option("--trust", metavar="THUMBPRINT", help="An issuer whose lists count. This home's own if left out."),
    ] = None,
) -> Answer:
    """Verify a status list: signature, epoch, age. What was accepted is remembered, and nothing older passes again."""
    held = Studio().accept_status(file, trust=trust or ())
    standing = None if index is None else held.standing(index)
    return Answer(
        _about(held) | ({} if index is None else {"index": index, "status": standing}),
        (
            f"signature  by {held.signer}, trusted",
            f"epoch      {held.epoch}, the newest known here: {_marked(held)}",
            f"age        since {spell(held.valid_from)}, good until {spell(held.valid_until)}",
            *(() if index is None else (f"index      {index} is {standing}",)),
        ),
    )


def _now(entry: CastEntry) -> Answer:
    payload = {"handle": entry.handle, "status": entry.status, "status_index": entry.status_index}
    return Answer(payload, (f"@{entry.handle} is {entry.status}.",))


def _about(status: StatusList) -> dict[str, Any]:
    revoked, suspended = (listed.bits.ones for listed in status.credential_subject)
    return {
        "issuer": status.signer,
        "epoch": status.epoch,
        "valid_from": spell(status.valid_from),
        "valid_until": spell(status.valid_until),
        "entries": status.size,
        "revoked": revoked,
        "suspended": suspended,
    }


def _marked(status: StatusList) -> str:
    revoked, suspended = (listed.bits.ones for listed in status.credential_subject)
    return f"{status.size} entries, {revoked} revoked, {suspended} suspended"
