"""``cameo log``: is the ledger whole, and what of it can be shown to others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cameo.cli.options import Command, Out
from cameo.cli.terminal import Answer, plain
from cameo.errors import UsageError
from cameo.log import Checkpoint, Growth, Inclusion
from cameo.log.fields import LARGEST
from cameo.studio import Studio
from cameo.targets import write_small
from cameo.vault.line import Line
from enroll.fields import spell

__all__ = ["register"]

app = typer.Typer(help="The ledger of what was enrolled, generated and revoked.")


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="log")


@app.command(cls=Command)
def verify() -> Answer:
    """Recompute the ledger, check its signature, and that every stored identity opens."""
    studio = Studio()
    head = studio.verify_log()
    key = studio.log_key
    return Answer(
        {"ok": True, "size": head.size, "head": head.root, "origin": key.name, "key": str(key)},
        (
            f"the ledger is whole: {head.size} entries, head {head.root[:16]}…",
            f"others check proofs of it with the key {key}",
        ),
    )


@app.command(cls=Command)
def prove(
    out: Out,
    handle: Annotated[
        str | None, typer.Argument(metavar="[HANDLE]", help="Prove the last line about this person.")
    ] = None,
    seq: Annotated[int | None, typer.Option("--seq", metavar="N", min=1, help="Prove line N.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="SIZE",
            help="Prove that lines were only added since: a size, or the file of an earlier checkpoint.",
        ),
    ] = None,
) -> Answer:
    """Write a proof that needs no vault to be checked: of a line, or of how the ledger grew."""
    if sum(asked is not None for asked in (handle, seq, since)) != 1:
        raise UsageError("a proof is of one thing", hint="give a HANDLE, --seq N or --since SIZE")
    studio = Studio()
    if since is None:
        line = studio.prove(handle, seq=seq)
        return _written(out, line, {"kind": "line", "seq": line.index + 1}, f"line {line.index + 1} is in the ledger")
    growth = studio.prove_growth(_size_or_file(since))
    what = f"the ledger grew from its first {growth.old_size} lines"
    return _written(out, growth, {"kind": "growth", "since": growth.old_size}, what)


@app.command(cls=Command)
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A proof, a deletion certificate, or a folder of tiles.")
    ],
    key: Annotated[str, typer.Option("--key", metavar="VERIFIER", help="The ledger's key; cameo log verify shows it.")],
    since: Annotated[
        Path | None,
        typer.Option("--since", metavar="FILE", help="An earlier checkpoint that a proof of growth must start at."),
    ] = None,
) -> Answer:
    """Check what somebody shows of a ledger. Needs no vault."""
    shown = Studio().check_log(file, key=key, since=since)
    payload: dict[str, Any] = {"ok": True, "kind": shown.kind, **_payload(shown.checkpoint)}
    payload |= {"lines": [_line(line) for line in shown.lines]}
    payload |= {"since": shown.since} if shown.since is not None else {}
    what = {
        "line": "it is in the ledger",
        "growth": f"the ledger has its first {shown.since} lines still, and only added to them",
        "deletion": "the ledger says that the key and then everything else was destroyed",
        "ledger": "every file of the ledger fits its checkpoint",
    }[shown.kind]
    told = (f"  line {line.seq}, {_time(line)}: {plain(line.event)}" for line in shown.lines)
    size = shown.checkpoint.size
    return Answer(payload, (f"{what}: {plain(shown.checkpoint.origin)}, {size} entries", *told))


@app.command(cls=Command)
def export(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the tiles go.")],
) -> Answer:
    """Write the ledger as C2SP tiles and a signed checkpoint, for anybody to keep and check. It names nobody."""
    studio = Studio()
    checkpoint = studio.export_log(out)
    return Answer(
        {"path": str(out.absolute()), **_payload(checkpoint), "key": str(studio.log_key)},
        (f"{plain(out)}: {checkpoint.size} entries", f"others check it with the key {studio.log_key}"),
    )


def _size_or_file(since: str) -> int | Path:
    if not (since.isascii() and since.isdigit()):
        return Path(since)
    if len(since) > len(str(LARGEST)):
        raise UsageError(f"--since has {len(since)} digits", hint="no ledger is that long")
    return int(since)


def _written(out: Path, proof: Inclusion | Growth, payload: dict[str, Any], what: str) -> Answer:
    write_small(out, proof.to_bytes())
    return Answer({"path": str(out.absolute()), **payload}, (f"{plain(out)}: {what}",))


def _payload(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}


def _line(line: Line) -> dict[str, Any]:
    return {"seq": line.seq, "at": _time(line), "event": line.event, "commitment": line.commitment.hex()}


def _time(line: Line) -> str:
    return spell(datetime.fromtimestamp(line.at, UTC))
