"""Who may use an identity, for what, until when and how often.

The owner always may; anyone else by name, or as everyone. A no by name beats everyone.

A grant narrows what the person consented to and never widens it. Where a person is a guest, it narrows what the home
they come from allowed there, in their package or in a signed grant (``signed_grant``), and never widens that.

Users name themselves on the command line of the machine the vault is on: grants keep honest people apart. Whoever can
read the vault's folder and its master key is the operator, and no grant stands in their way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from cameo.errors import PermissionDenied, UsageError
from cameo.vault.cipher import open_sealed, seal
from cameo.vault.entries import Terms
from cameo.vault.keys import MasterKey
from cameo.vault.ledger import Owner
from cameo.vault.schema import Grant
from enroll.consent import ConsentRecord, Use
from enroll.fields import spell

__all__ = [
    "OWNER",
    "principal",
    "read_grants",
    "require_granted",
    "require_narrower",
    "require_within",
    "ruling",
    "set_grant",
    "spend",
    "standing",
]

_ANSWERS: Final = select(Grant).where(Grant.identity_id == bindparam("whose")).order_by(Grant.id)

OWNER: Final = "owner"
_EVERYONE: Final = "everyone"
_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def principal(user: str) -> str:
    """``owner``, ``everyone``, or ``user:NAME`` for a name with or without that prefix.

    Raises:
        UsageError: not a user name.
    """
    if user in (OWNER, _EVERYONE):
        return user
    name = user.removeprefix("user:")
    if not _USER.fullmatch(name):
        raise UsageError(f"{user[:80]!r} is no user name", hint="1 to 64 letters, digits, or any of . _ @ -")
    return f"user:{name}"


def require_narrower(terms: Terms, consent: ConsentRecord) -> None:
    """
    Raises:
        UsageError: the grant reaches beyond the consent.
    """
    beyond = [use for use in terms.uses if use not in consent.uses]
    if beyond:
        raise UsageError(
            f"@{consent.handle} consented to {', '.join(consent.uses)}, not to {', '.join(beyond)}",
            hint="a grant narrows what was consented to",
        )
    if terms.until is not None and not consent.created <= terms.until <= consent.valid_until:
        raise UsageError(
            f"a grant until {spell(terms.until)} does not lie within the consent of @{consent.handle}",
            hint=f"it ends {spell(consent.valid_until)}",
        )


def require_within(terms: Terms, grants: Mapping[str, Terms], handle: str) -> None:
    """Of somebody from another home: whether a grant stays within what that home allowed.

    Raises:
        PermissionDenied: it reaches beyond.
    """
    given = ruling(grants, terms.principal)
    if (
        given is None
        or not given.allowed
        or (given.uses and not (terms.uses and set(terms.uses) <= set(given.uses)))
        or (given.left is not None and (terms.scenes is None or terms.scenes > given.left))
        or (given.until is not None and (terms.until is None or terms.until > given.until))
    ):
        raise PermissionDenied(
            f"@{handle} was enrolled in another home, which has not allowed that here",
            hint="ask that home for a grant: cameo grant issue",
        )


def set_grant(session: Session, master: MasterKey, owner: Owner, terms: Terms) -> None:
    """Write the answer to one principal, over what was there."""
    tag = master.tag("grant", owner.identity_id, terms.principal)
    sealed = seal(owner.key, terms.model_dump_json().encode(), owner.context("grant"))
    row = session.scalars(select(Grant).where(Grant.identity_id == owner.identity_id, Grant.tag == tag)).first()
    if row is None:
        session.add(Grant(identity_id=owner.identity_id, tag=tag, sealed=sealed))
    else:
        row.sealed = sealed
    session.flush()


def read_grants(session: Session, owner: Owner) -> dict[str, Terms]:
    """Every answer by principal, in the order they were first given."""
    rows = session.scalars(_ANSWERS, {"whose": owner.identity_id})
    answers = [Terms.model_validate_json(open_sealed(owner.key, row.sealed, owner.context("grant"))) for row in rows]
    return {answer.principal: answer for answer in answers}


def ruling(grants: Mapping[str, Terms], user: str) -> Terms | None:
    """The answer that counts for a user; None where there is none."""
    who = principal(user)
    if who == OWNER:
        return Terms(principal=OWNER, allowed=True)
    return grants.get(who, grants.get(_EVERYONE))


def require_granted(
    grants: Mapping[str, Terms], user: str, purpose: Use | None, *, handle: str, now: datetime, guest: bool = False
) -> Terms:
    """The grant on which a user may act now.

    Args:
        guest: whether the person is from another home, which alone can allow more.

    Raises:
        PermissionDenied: there is none, or it is over, used up, or for something else. The message says which.
    """
    terms = ruling(grants, user)
    who, how = ("the home they come from", "grant issue") if guest else ("their owner", "allow")
    asks = f"{who} can: cameo {how} {handle} --user {user[:80]}"
    if terms is None or not terms.allowed:
        raise PermissionDenied(f"@{handle} has not allowed {user[:80]}", hint=asks)
    if purpose is not None and terms.uses and purpose not in terms.uses:
        raise PermissionDenied(f"@{handle} allowed {user[:80]} to {', '.join(terms.uses)}, not to {purpose}", hint=asks)
    if terms.until is not None and now >= terms.until:
        raise PermissionDenied(f"@{handle} allowed {user[:80]} until {spell(terms.until)}", hint=asks)
    if terms.left == 0:
        raise PermissionDenied(f"@{handle} allowed {user[:80]} {_scenes(terms)}", hint=asks)
    return terms


def spend(session: Session, master: MasterKey, owner: Owner, terms: Terms, scenes: int = 1) -> None:
    """Count scenes made on a grant."""
    if terms.principal != OWNER:
        set_grant(session, master, owner, terms.model_copy(update={"made": terms.made + scenes}))


def standing(grants: Iterable[Terms], now: datetime) -> tuple[str, ...]:
    """Those who may do something now, the owner first."""
    others = (terms for terms in grants if terms.principal != OWNER and terms.allowed and terms.left != 0)
    return (OWNER, *(terms.principal for terms in others if terms.until is None or now < terms.until))


def _scenes(terms: Terms) -> str:
    return "one scene, and it is made" if terms.scenes == 1 else f"{terms.scenes} scenes, and they are made"
