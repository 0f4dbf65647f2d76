"""``cameo keys``: by what others know this home, and the certificate its scenes are signed with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cameo.cli.options import Command
from cameo.cli.terminal import Answer, plain
from cameo.errors import SignerInvalid
from cameo.studio import Studio
from cameo.targets import check_target, write_small
from enroll.signature import thumbprint

if TYPE_CHECKING:
    from cameo.marks import Authority

__all__ = ["register"]

_MAX_BYTES = 256 * 1024

Written = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")]

app = typer.Typer()


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="keys")


@app.callback(invoke_without_command=True)
def show(context: typer.Context) -> Answer | None:
    """By what others know this home: its keys, and the certificate of its scenes; bring one of your own."""
    if context.invoked_subcommand is not None:
        return None
    from cameo.marks.certificates import told

    studio = Studio()
    authority, operator = studio.signer.standing, thumbprint(studio.vault.operator)
    others = [told(root) for root in studio.signer.roots if root != authority.root]
    payload = {
        "operator": operator,
        "log_key": str(studio.log_key),
        "signer": _fields(authority),
        "trusted": [{"subject": one.subject, "sha256": one.sha256} for one in others],
    }
    shown = (
        f"operator  {operator}  (who trusts this home gives this to --trust and --for)",
        f"ledger    {studio.log_key}",
        *_lines(authority),
        *(f"trusted   {plain(one.subject)}, {one.sha256[:16]}" for one in others),
    )
    return Answer(payload, shown)


@app.command(cls=Command)
def root(out: Written = Path("root.pem")) -> Answer:
    """The root certificate that others must trust to see this home's scenes as Trusted."""
    authority = Studio().signer.authority
    written = write_small(check_target(out), authority.root.encode())
    return Answer({"path": str(written), **_fields(authority)}, (f"{plain(written)}; there:  cameo keys trust FILE",))


@app.command(cls=Command)
def request(
    name: Annotated[str, typer.Option("--name", help="Whom the certificate names, such as a studio.")],
    organization: Annotated[str | None, typer.Option("--organization", help="The organization it is of.")] = None,
    out: Written = Path("request.pem"),
) -> Answer:
    """Ask an authority for a certificate: a new key, which stays here, sealed, and a request for it (PKCS#10)."""
    target = check_target(out)
    written = write_small(target, Studio().signer.request(name, organization).encode())
    shown = (f"{plain(written)}; with what the authority answers:  cameo keys install CHAIN.pem",)
    return Answer({"path": str(written)}, shown)


@app.command(cls=Command)
def install(
    chain: Annotated[Path, typer.Argument(metavar="CHAIN", help="PEM: the certificate first, its root last.")],
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Its key, PEM. If left out, that of the request.")
    ] = None,
) -> Answer:
    """Sign scenes with a certificate from an authority. Its key is kept sealed; remove the file it came in."""
    found = Studio().signer.install(_content(chain), _content(key) if key is not None else None)
    return Answer({"signer": _fields(found)}, tuple(_lines(found)))


@app.command(cls=Command)
def develop() -> Answer:
    """Sign by this home's own authority again. A certificate that was brought is forgotten, with its key."""
    found = Studio().signer.develop()
    return Answer({"signer": _fields(found)}, tuple(_lines(found)))


@app.command(cls=Command)
def trust(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A root certificate, PEM.")],
) -> Answer:
    """See scenes as Trusted that are signed under another home's root, or an authority's."""
    from cameo.marks.certificates import told

    one = told(Studio().signer.trust(_content(file)))
    return Answer({"subject": one.subject, "sha256": one.sha256}, (f"trusted: {plain(one.subject)}, {one.sha256}",))


@app.command(cls=Command)
def distrust(
    sha256: Annotated[str, typer.Argument(metavar="SHA256", help="Of the certificate, or how it begins.")],
) -> Answer:
    """Take that back."""
    Studio().signer.distrust(sha256)
    return Answer({"sha256": sha256}, ("no longer trusted.",))


def _fields(authority: Authority) -> dict[str, Any]:
    from cameo.marks.certificates import told

    leaf, top = told(authority.leaf), told(authority.root)
    return {
        "subject": leaf.subject,
        "issuer": leaf.issuer,
        "until": leaf.until.isoformat(),
        "algorithm": authority.algorithm,
        "development": authority.development,
        "root_sha256": top.sha256,
    }


def _lines(authority: Authority) -> list[str]:
    fields = _fields(authority)
    own = "this home's own development authority" if authority.development else plain(fields["issuer"])
    over = ": OVER, no scene can be made" if datetime.fromisoformat(fields["until"]) <= datetime.now(UTC) else ""
    return [
        f"scenes    {plain(fields['subject'])}, {fields['algorithm']}, until {fields['until'][:10]}{over}",
        f"          by {own}, root {fields['root_sha256'][:16]}",
    ]


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise SignerInvalid(f"{path} cannot be read: {error.strerror}") from None
