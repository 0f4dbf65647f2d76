"""``cameo export`` and ``import``: a person on the way from one home to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cameo.cli.options import Command, Handle
from cameo.cli.terminal import Answer, plain
from cameo.errors import InputRefused, UsageError
from cameo.studio import Studio
from enroll.signature import thumbprint

__all__ = ["register"]

_LONGEST = 4096

Passphrase = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help="Its first line is the passphrase. Else CAMEO_PASSPHRASE is."
    ),
]
_Spoken = Annotated[str | None, typer.Option(envvar="CAMEO_PASSPHRASE", hidden=True)]


def register(root: typer.Typer) -> None:
    root.command(cls=Command)(export)
    root.command("import", cls=Command)(take)


def export(
    handle: Handle,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The package, such as ada.cameo.")],
    passphrase_file: Passphrase = None,
    passphrase: _Spoken = None,
) -> Answer:
    """A person as one encrypted, signed file: embeddings, consent, grants, rules."""
    studio = Studio()
    written = studio.export(handle, out, passphrase=_words(passphrase_file, passphrase))
    issuer = thumbprint(studio.vault.operator)
    return Answer(
        {"path": str(written), "bytes": written.stat().st_size, "issuer": issuer},
        (
            f"{plain(written)}, {written.stat().st_size / 1e3:.0f} kB. In the other home, with the newest list of",
            f"cameo status publish:  cameo import FILE --trust {issuer} --status LIST",
        ),
    )


def take(
    package: Annotated[Path, typer.Argument(metavar="FILE", help="What cameo export wrote.")],
    passphrase_file: Passphrase = None,
    trust: Annotated[
        str | None, typer.Option("--trust", metavar="THUMBPRINT", help="The home it comes from, if you know it.")
    ] = None,
    status: Annotated[
        Path | None, typer.Option("--status", metavar="FILE", help="That home's newest status list.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Although they are taken for somebody here.")] = False,
    passphrase: _Spoken = None,
) -> Answer:
    """Take a person in from another home, as long as its status list says they may be used."""
    entry = Studio().take(
        package, passphrase=_words(passphrase_file, passphrase), trust=trust, status=status, again=again
    )
    told = {"handle": entry.handle, "identity_id": entry.identity_id, "consent_id": entry.consent_id}
    return Answer(told | {"grants": list(entry.grants)}, (f"@{entry.handle} is here now.",))


def _words(file: Path | None, given: str | None) -> str:
    if file is None:
        if not given:
            raise UsageError("a passphrase is needed", hint="--passphrase-file FILE, or set CAMEO_PASSPHRASE")
        return given
    try:
        with file.open("rb") as lines:
            return lines.readline(_LONGEST).decode().rstrip("\r\n")
    except OSError as error:
        raise InputRefused(f"the passphrase {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputRefused(f"{file} holds no line of text") from None
