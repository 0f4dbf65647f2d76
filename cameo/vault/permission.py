"""Whether somebody may be used: the one place where consent, purpose, grant and rules are asked, all at one moment."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from cameo.errors import PermissionDenied, RuleBroken
from cameo.rules import broken
from cameo.vault.entries import Terms
from cameo.vault.grants import read_grants, require_granted
from cameo.vault.ledger import Owner
from cameo.vault.people import People
from cameo.vault.rules import rules_of
from cameo.vault.schema import IdentityRow
from cameo.vault.suspension import require_not_suspended
from enroll.consent import ConsentRecord, Use

__all__ = ["Permit", "permit"]


@dataclass(frozen=True, repr=False)
class Permit:
    """A yes.

    Attributes:
        row, owner: whose it is.
        terms: the grant it rests on.
        until: UTC, when it ends by itself.
    """

    row: IdentityRow
    owner: Owner
    terms: Terms
    until: datetime


def permit(
    session: Session,
    people: People,
    handle: str,
    user: str,
    purpose: Use,
    *,
    prompt: str | None,
    trusted: Collection[str],
    now: datetime,
) -> Permit:
    """Ask everything there is to ask.

    Args:
        prompt: what is to be made; None where that is not known.
        trusted: whose signature on a consent counts.
        now: the moment that counts, UTC.

    Raises:
        Revoked, UnknownHandle, ConsentInvalid, ConsentExpired, Suspended, PermissionDenied, RuleBroken: no. The message
            never holds the prompt.
    """
    row = people.alive(session, handle)
    owner = people.owner(row)
    consent = people.consent(session, owner)
    consent.verify(now=now, trusted=trusted, handle=handle)
    require_not_suspended(row, handle)
    if purpose not in consent.uses:
        raise PermissionDenied(
            f"@{handle} consented to {', '.join(consent.uses)}, not to {purpose}",
            hint=f"ask them for a consent with --use {purpose}",
        )
    terms = require_granted(read_grants(session, owner), user, purpose, handle=handle, now=now)
    _require_scenes_left(consent, people.scenes(session, owner))
    if prompt is not None and (hit := broken(rules_of(session, owner, consent), prompt)):
        raise RuleBroken(f"@{handle} never wants to appear in this: {', '.join(hit)}", hint="ask for another scene")
    return Permit(row, owner, terms, min(consent.valid_until, terms.until or consent.valid_until))


def _require_scenes_left(consent: ConsentRecord, made: int) -> None:
    most = consent.processing.scenes if consent.processing is not None else None
    if most is not None and made >= most:
        raise PermissionDenied(
            f"@{consent.handle} consented to {most} scene{'s' if most > 1 else ''} in all, and {made} are made",
            hint="ask them for a new consent",
        )
