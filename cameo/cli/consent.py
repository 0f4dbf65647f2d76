"""``cameo consent``: ask for a consent, sign it as the person, vouch for one, give the receipt."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from cameo.cli.options import Command, Handle, Out, split
from cameo.cli.terminal import Answer, plain
from cameo.errors import InputRefused, UsageError
from cameo.rules import rule
from cameo.studio import Studio
from cameo.targets import check_target, write_small
from enroll.consent import ConsentRecord, Scope, Turn, Use
from enroll.processing import Processing, by_whoever_runs_this

__all__ = ["consent_summary", "register"]

_ARROWS: dict[Turn, str] = {"left": "←", "right": "→", "up": "↑", "down": "↓"}

_CONTROLLER = re.compile(r"(?P<name>[^<>]*[^<>\s])\s*<(?P<contact>[^<>]+)>")
_MAX_KEY = 4096

app = typer.Typer(help="Ask for a consent, sign one, vouch for one given elsewhere, give the receipt.")


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="consent")


@app.command(cls=Command)
def new(
    name: Annotated[str, typer.Option("--name", help="The person's name, as they say it.")],
    handle: Annotated[str, typer.Option("--handle", help="What prompts call them: a letter, then a-z, 0-9, _ or -.")],
    out: Out = Path("consent.json"),
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="face, body, voice: any, separated by commas. All if left out.")
    ] = None,
    use: Annotated[
        list[str] | None, typer.Option("--use", help="generate, personalize, evaluate, train. generate if left out.")
    ] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option("--grant", help="Who may use the identity: owner, everyone, user:X. owner if left out."),
    ] = None,
    valid_days: Annotated[int, typer.Option("--valid-days", help="Days the consent is in force.")] = 365,
    retention_days: Annotated[
        int, typer.Option("--retention-days", help="Days an identity is kept, unusable, after that.")
    ] = 30,
    controller: Annotated[
        str | None,
        typer.Option(
            "--controller", metavar="NAME <CONTACT>", envvar="CAMEO_CONTROLLER", help="Who answers for what is done."
        ),
    ] = None,
    jurisdiction: Annotated[
        str | None, typer.Option("--jurisdiction", metavar="CODE", help="Whose law counts: DE, US-CA.")
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option("--recipient", metavar="NAME", help="Who else gets scenes or data. May be repeated."),
    ] = None,
    never: Annotated[
        list[str] | None,
        typer.Option("--never", metavar="WHAT", help="What the person never appears in (see: cameo forbid --help)."),
    ] = None,
    scenes: Annotated[
        int | None, typer.Option("--scenes", min=1, help="How many scenes in all. Any number if left out.")
    ] = None,
) -> Answer:
    """Write a consent request: what the person reads aloud, and a challenge valid for 30 minutes."""
    # ConsentRecord.new refuses words that are none of these, with a sentence.
    record = Studio().new_consent(
        name=name,
        handle=handle.removeprefix("@"),
        scope=cast(tuple[Scope, ...], split(scope)),
        uses=cast(tuple[Use, ...], split(use)),
        grants=split(grant),
        valid_days=valid_days,
        retention_days=retention_days,
        processing=_processing(controller, jurisdiction, recipient or [], split(never), scenes),
    )
    record.save(out)
    challenge = record.challenge
    return Answer(
        {"path": str(out), "handle": record.handle, "consent": consent_summary(record)}
        | {"statement": record.statement, "challenge": challenge.model_dump(mode="json")},
        (
            f"{plain(out)} asks @{record.handle} for a consent until {record.valid_until:%Y-%m-%d}. "
            "Film the person alone, in one go, reading this aloud:",
            "",
            f"  {plain(record.statement)}",
            "",
            "  numbers   " + "   ".join(challenge.digits),
            "  turns     " + "   ".join(f"{_ARROWS[turn]} {turn.upper()}" for turn in challenge.turns),
            "            (their own left and right; each well to the side, then back to the front)",
            "",
            f"Good until {challenge.valid_until:%H:%M} UTC, {_minutes(record)} minutes from now. Then:",
            f"  cameo enroll CLIP --consent {plain(out)}",
            "Or, if the person agreed elsewhere:",
            f'  cameo consent attest {plain(out)} --by "YOUR NAME"',
        ),
    )


@app.command(cls=Command)
def attest(
    consent: Annotated[Path, typer.Argument(metavar="CONSENT", help="The consent file; it is rewritten.")],
    by: Annotated[str, typer.Option("--by", help="Who vouches that the person agreed.")],
) -> Answer:
    """Vouch for a consent given elsewhere: on paper, in another system."""
    record = Studio().attest(ConsentRecord.load(consent), by=by)
    record.save(consent)
    return Answer(
        {"path": str(consent), "handle": record.handle, "consent": consent_summary(record)},
        (f"{plain(by)} vouches for the consent of @{record.handle}, in force until {record.valid_until:%Y-%m-%d}.",),
    )


@app.command(cls=Command)
def key(out: Out = Path("my-key.json")) -> Answer:
    """Make a key of the person's own, to sign consents with. It stays with them."""
    made = OKPKey.generate_key("Ed25519")
    write_small(out, json.dumps(made.as_dict(private=True)).encode())
    return Answer(
        {"path": str(out), "thumbprint": made.thumbprint()},
        (
            f"{plain(out)} is yours alone, {made.thumbprint()}.",
            f"Sign with it: cameo consent sign CONSENT --key {plain(out)}",
        ),
    )


@app.command(cls=Command)
def sign(
    consent: Annotated[Path, typer.Argument(metavar="CONSENT", help="The request; it is rewritten.")],
    key_file: Annotated[Path, typer.Option("--key", metavar="FILE", help="The person's key (cameo consent key).")],
) -> Answer:
    """Agree to a request, as the person it asks, with their own key."""
    try:
        made = OKPKey.import_key(json.loads(key_file.read_bytes()[:_MAX_KEY]))
    except OSError as error:
        raise InputRefused(f"the key {key_file} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, JoseError):
        made = None
    if made is None or not made.is_private or made.as_dict().get("crv") != "Ed25519":
        raise InputRefused(f"{key_file} holds no Ed25519 private key", hint="make one: cameo consent key -o FILE")
    record = ConsentRecord.load(consent).agree(made)
    record.save(consent)
    return Answer(
        {"path": str(consent), "handle": record.handle, "subject_key": record.subject_key},
        (f"@{record.handle} agreed to {plain(consent)}, with key {record.subject_key}.",),
    )


@app.command(cls=Command)
def receipt(handle: Handle, out: Out = Path("receipt.json")) -> Answer:
    """The receipt of somebody who is enrolled: what they agreed to, who answers for it, how it ends."""
    check_target(out)
    made = Studio().receipt(handle)
    made.save(out)
    ends = made.pii_processing
    return Answer(
        made.model_dump(mode="json"),
        (
            f"{plain(out)}: consent {made.metadata.record_id}, usable until {ends.valid_until:%Y-%m-%d}, "
            f"destroyed by {ends.destroyed_by:%Y-%m-%d}.",
        ),
    )


def _processing(
    controller: str | None, jurisdiction: str | None, recipients: list[str], never: tuple[str, ...], scenes: int | None
) -> Processing:
    told = by_whoever_runs_this().model_dump()
    if controller is not None:
        match = _CONTROLLER.fullmatch(controller)
        if match is None:
            raise UsageError(
                "--controller is a name and how to reach them", hint='such as "Studio North <privacy@north.example>"'
            )
        told["controller"] = {"name": match["name"], "contact": match["contact"]}
        told["withdrawal"] = f"write to {match['contact']}, at any time, without a reason"
    told |= {"jurisdiction": jurisdiction, "recipients": tuple(recipients), "scenes": scenes}
    told["forbidden"] = tuple(dict.fromkeys(rule(words) for words in never))
    try:
        return Processing.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _minutes(record: ConsentRecord) -> int:
    return round((record.challenge.valid_until - record.created).total_seconds() / 60)


def consent_summary(record: ConsentRecord) -> dict[str, Any]:
    """How every JSON answer speaks of a consent."""
    expires = record.model_dump(mode="json")["valid_until"]
    return {"id": record.consent_id, "assurance": record.assurance, "expires": expires}
