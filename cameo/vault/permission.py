"""Whether somebody may be used: the one place where consent, status, purpose, grant and rules are asked, all at one
moment."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from cameo.errors import PermissionDenied, Revoked, RuleBroken, Suspended
from cameo.rules import broken
from cameo.status.document import Standing
from cameo.vault.entries import Terms
from cameo.vault.grants import read_grants, require_granted
from cameo.vault.ledger import Owner
from cameo.vault.people import People
from cameo.vault.rules import rules_of
from cameo.vault.schema import IdentityRow
from cameo.vault.suspension import require_not_suspended
from enroll.consent import ConsentRecord, Use

__all__ = ["Permit", "permit", "require_standing"]


@dataclass(frozen=True, repr=False)
class Permit:
    """A yes.

    Attributes:
        row, owner, consent: whose it is, and what they agreed to.
        terms: the grant it rests on.
        until: UTC, when it ends by itself.
    """

    row: IdentityRow
    owner: Owner
    consent: ConsentRecord
    terms: Terms
    until: datetime


def permit(
    session: Session,
    people: People,
    handle: str,
    user: str,
    purpose: Use | None,
    *,
    prompt: str | None,
    trusted: Collection[str],
    standing: Callable[[str, int], Standing],
    now: datetime,
) -> Permit:
    """Ask everything there is to ask.

    Args:
        purpose: what for; None for what the person does themselves, as leaving for another home.
        prompt: what is to be made; None where that is not known.
        trusted: whose signature on a consent counts.
        standing: what the status list of another home says of one of its people; see ``StatusReader.standing``.
        now: the moment that counts, UTC.

    Raises:
        Revoked, UnknownHandle, ConsentInvalid, ConsentExpired, Suspended, PermissionDenied, RuleBroken: no. The message
            never holds the prompt.
    """
    row = people.alive(session, handle)
    owner = people.owner(row)
    consent = people.consent(session, owner)
    origin = row.origin
    consent.verify(now=now, trusted={*trusted, *([origin.issuer] if origin else ())}, handle=handle)
    require_not_suspended(row, handle)
    if origin is not None:
        require_standing(standing(origin.issuer, origin.status_index), handle)
    if purpose is not None and purpose not in consent.uses:
        raise PermissionDenied(
            f"@{handle} consented to {', '.join(consent.uses)}, not to {purpose}",
            hint=f"ask them for a consent with --use {purpose}",
        )
    grants = read_grants(session, owner)
    terms = require_granted(grants, user, purpose, handle=handle, now=now, guest=origin is not None)
    _require_scenes_left(consent, lambda: people.scenes(session, owner))
    if prompt is not None and (hit := broken(rules_of(session, owner, consent), prompt)):
        raise RuleBroken(f"@{handle} never wants to appear in this: {', '.join(hit)}", hint="ask for another scene")
    return Permit(row, owner, consent, terms, min(consent.valid_until, terms.until or consent.valid_until))


def require_standing(found: Standing, handle: str) -> None:
    """Of somebody from another home.

    Raises:
        Revoked, Suspended: that home says so.
    """
    if found == "revoked":
        raise Revoked(
            f"@{handle} was revoked where they were enrolled", hint=f"destroy them here: cameo revoke {handle}"
        )
    if found == "suspended":
        raise Suspended(f"@{handle} is suspended where they were enrolled")


def _require_scenes_left(consent: ConsentRecord, count: Callable[[], int]) -> None:
    most = consent.processing.scenes if consent.processing is not None else None
    if most is not None and (made := count()) >= most:
        raise PermissionDenied(
            f"@{consent.handle} consented to {most} scene{'s' if most > 1 else ''} in all, and {made} are made",
            hint="ask them for a new consent",
        )
