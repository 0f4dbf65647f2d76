"""``cameo consent``: ask for a consent, vouch for one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from cameo.cli.options import Command, Out, split
from cameo.cli.terminal import Answer, plain
from cameo.studio import Studio
from enroll.consent import ConsentRecord, Scope, Turn, Use

__all__ = ["consent_summary", "register"]

_ARROWS: dict[Turn, str] = {"left": "←", "right": "→", "up": "↑", "down": "↓"}

app = typer.Typer(help="Ask for a consent, or vouch for one given elsewhere.")


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
        list[str] | None, typer.Option("--use", help="generate, personalize, evaluate. generate if left out.")
    ] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option("--grant", help="Who may use the identity: owner, everyone, user:X. owner if left out."),
    ] = None,
    valid_days: Annotated[int, typer.Option("--valid-days", help="Days the consent is in force.")] = 365,
    retention_days: Annotated[
        int, typer.Option("--retention-days", help="Days an identity is kept, unusable, after that.")
    ] = 30,
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


def _minutes(record: ConsentRecord) -> int:
    return round((record.challenge.valid_until - record.created).total_seconds() / 60)


def consent_summary(record: ConsentRecord) -> dict[str, Any]:
    """How every JSON answer speaks of a consent."""
    expires = record.model_dump(mode="json")["valid_until"]
    return {"id": record.consent_id, "assurance": record.assurance, "expires": expires}
