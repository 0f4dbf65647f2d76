"""``cameo grant``: what a user may do with a person in another home, as a signed file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cameo.cli.options import Command, Handle, Until, User, end_of, split, use_of
from cameo.cli.permissions import told_grants
from cameo.cli.terminal import Answer, count, plain
from cameo.studio import Studio
from cameo.vault import SignedGrant
from enroll.fields import spell

__all__ = ["register"]

GrantFile = Annotated[Path, typer.Argument(metavar="FILE", help="What cameo grant issue wrote.")]

app = typer.Typer(help="Let a user of another home use somebody there: issue a signed grant, take one, read one.")


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="grant")


@app.command(cls=Command)
def issue(
    handle: Handle,
    user: User,
    audience: Annotated[
        str, typer.Option("--for", metavar="THUMBPRINT", help="The home it is for; cameo keys prints it there.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")] = Path("grant.json"),
    use: Annotated[
        list[str] | None, typer.Option("--use", metavar="USES", help="What for. If left out, all they may here.")
    ] = None,
    scenes: Annotated[
        int | None, typer.Option("--scenes", min=1, help="How many scenes. If left out, as many as are left here.")
    ] = None,
    until: Until = None,
) -> Answer:
    """Sign what a user may do here, or less, for another home. Without --until it holds for 30 days."""
    ends = end_of(until) if until is not None else None
    grant = Studio().issue_grant(
        handle,
        out,
        user=user,
        audience=audience,
        uses=[use_of(one) for one in split(use)],
        scenes=scenes,
        until=ends,
    )
    shown = (f"{plain(out)}: {_words(grant)}.", f"In that home:  cameo grant accept {plain(out.name)}")
    return Answer({"path": str(out.absolute()), **_fields(grant)}, shown)


@app.command(cls=Command)
def accept(file: GrantFile) -> Answer:
    """Take a grant by the home a person comes from, in place of what that user was allowed here."""
    return told_grants(Studio().accept_grant(file))


@app.command(cls=Command)
def show(file: GrantFile) -> Answer:
    """What a grant says, and who signed it. Whether the person still stands by it, only their home can tell."""
    grant = SignedGrant.load(file)
    grant.verify(now=datetime.now(UTC))
    shown = (f"{_words(grant)}.", f"by   {grant.issuer}", f"for  {grant.audience}")
    return Answer(_fields(grant), shown)


def _fields(grant: SignedGrant) -> dict[str, object]:
    return grant.model_dump(mode="json", exclude={"signature"})


def _words(grant: SignedGrant) -> str:
    uses = ", ".join(grant.uses) or "do all they consented to"
    many = "" if grant.scenes is None else f", {count(grant.scenes, 'scene')}"
    return f"{grant.principal} may {uses} with @{grant.handle} until {spell(grant.until)}{many}"
