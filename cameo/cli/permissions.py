"""``cameo allow``, ``deny``, ``may``, ``forbid``, ``uses``: what others may do with a person, and what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cameo.cli.options import Command, Handle, Until, User, end_of, split, use_of
from cameo.cli.terminal import Answer, count, plain
from cameo.errors import PermissionDenied, UsageError
from cameo.rules import TOPICS
from cameo.script import bare
from cameo.studio import Studio
from cameo.vault import CastEntry, SceneRecord, Terms

__all__ = ["limits", "register", "told_grants"]

Purpose = Annotated[str, typer.Option("--use", metavar="USE", help="generate, personalize, evaluate or train.")]


def register(root: typer.Typer) -> None:
    for command in (allow, deny, may, forbid, uses):
        root.command(cls=Command)(command)


def allow(
    handle: Handle,
    user: User,
    use: Annotated[
        list[str] | None, typer.Option("--use", metavar="USES", help="What for. If left out, all they consented to.")
    ] = None,
    scenes: Annotated[
        int | None, typer.Option("--scenes", min=1, help="How many scenes. Any number if left out.")
    ] = None,
    until: Until = None,
) -> Answer:
    """Let a user put this person into scenes, in place of what they were allowed before."""
    ends = end_of(until) if until is not None else None
    return told_grants(
        Studio().allow(handle, user=user, uses=[use_of(one) for one in split(use)], scenes=scenes, until=ends)
    )


def deny(handle: Handle, user: User) -> Answer:
    """Take that back."""
    return told_grants(Studio().deny(handle, user=user))


def may(
    handle: Handle,
    user: User = "owner",
    use: Purpose = "generate",
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="PROMPT", help="Hold this scene against their rules too.")
    ] = None,
) -> Answer:
    """Whether a user may use this person now. Makes nothing, opens nobody. Exit status 4 if not."""
    found = Studio().may(handle, user=user, purpose=use_of(use), prompt=prompt)
    name = bare(handle)
    payload = {"handle": name, "user": user, "use": use, **found.model_dump(mode="json")}
    if not found.allowed:
        hint = f" ({found.hint})" if found.hint else ""
        return Answer(payload, (f"no: {found.message}{hint}",), PermissionDenied.exit_status)
    left = "" if found.scenes_left is None else f", {found.scenes_left} more"
    return Answer(payload, (f"yes: {plain(user)} may {use} with @{name} until {found.until:%Y-%m-%d %H:%M} UTC{left}",))


def forbid(
    handle: Handle,
    what: Annotated[str, typer.Argument(metavar="WHAT", help=f"One of {', '.join(TOPICS)}; or words of your own.")],
    lift: Annotated[bool, typer.Option("--lift", help="Take the rule back.")] = False,
) -> Answer:
    """This person never appears in this. Held against every prompt, what is said included: words, no understanding."""
    studio = Studio()
    entry = studio.lift(handle, what) if lift else studio.forbid(handle, what)
    rules = "; ".join(entry.rules) or "nothing is forbidden"
    return Answer({"handle": entry.handle, "rules": list(entry.rules)}, (f"@{entry.handle}, never: {rules}",))


def uses(
    handle: Handle,
    delete: Annotated[
        str | None,
        typer.Option("--delete", metavar="SHA256", help="Delete this scene: its file and what is kept of it."),
    ] = None,
) -> Answer:
    """Every scene with this person, and every time they were opened."""
    studio = Studio()
    if delete is not None:
        return _deleted(studio, handle, delete)
    history = studio.uses(handle)
    name = bare(handle)
    payload = {"handle": name, **history.model_dump(mode="json")}
    if not history.leases:
        return Answer(payload, (f"@{name} was never opened.",))
    table = Table("when (UTC)", "user", "file", "prompt", "SHA-256", box=None, pad_edge=False)
    for scene in history.scenes:
        table.add_row(f"{scene.created:%Y-%m-%d %H:%M}", *_told(scene), scene.sha256[:16])
    made = count(len(history.scenes), "scene")
    last = history.leases[-1]
    return Answer(
        payload,
        (
            *([table] if history.scenes else []),
            f"@{name}: {made}; opened {count(len(history.leases), 'time')}, "
            f"last {last.at:%Y-%m-%d %H:%M} UTC by {last.user}",
        ),
    )


def limits(entry: CastEntry) -> list[str]:
    """One line for each grant that does not simply say yes."""
    return [_limit(terms) for terms in entry.terms if not terms.allowed or terms.uses or terms.scenes or terms.until]


def _limit(terms: Terms) -> str:
    if not terms.allowed:
        return f"{terms.principal}: no"
    said = [", ".join(terms.uses)] if terms.uses else []
    said += [f"{terms.made} of {terms.scenes} scenes made"] if terms.scenes is not None else []
    said += [f"until {terms.until:%Y-%m-%d %H:%M} UTC"] if terms.until is not None else []
    return f"{terms.principal}: {', '.join(said)}"


def told_grants(entry: CastEntry) -> Answer:
    """Who may use a person now."""
    payload = {
        "handle": entry.handle,
        "grants": list(entry.grants),
        "terms": [terms.model_dump(mode="json") for terms in entry.terms],
    }
    shown = f"@{entry.handle} may be used by: {', '.join(entry.grants)}"
    return Answer(payload, (shown, *(f"  {line}" for line in limits(entry))))


def _deleted(studio: Studio, handle: str, sha256: str) -> Answer:
    wanted = [scene.sha256 for scene in studio.uses(handle).scenes if scene.sha256.startswith(sha256.lower())]
    if len(set(wanted)) > 1:
        raise UsageError(f"{len(set(wanted))} scenes begin with {sha256[:64]}", hint="give more of it")
    gone = studio.delete_scene(handle, wanted[0] if wanted else sha256)
    where = plain(gone.path) if gone.path is not None else "its file"
    told = f"{where} is deleted." if gone.deleted else f"{where} is not there any more, or is another file by now."
    return Answer(gone.as_json(), (told, "What was kept of it is gone; its digest stays, so that copies are known."))


def _told(scene: SceneRecord) -> tuple[str, str, str]:
    """User, file and prompt, as far as they are still known."""
    if scene.detail is None:
        return "", "deleted, or gone with somebody in it", ""
    detail: Any = scene.detail
    there = "" if Path(detail.path).is_file() else " (not there)"
    return plain(detail.user), plain(Path(detail.path).name) + there, plain(detail.prompt)
