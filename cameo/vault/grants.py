"""Who may use an identity. The owner always may; anyone else by name, or as everyone. A no by name beats everyone.

Users name themselves on the command line of the machine the vault is on: grants keep honest people apart. Whoever can
read the vault's folder and its master key is the operator, and no grant stands in their way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.errors import UsageError
from cameo.vault.cipher import open_sealed, seal
from cameo.vault.keys import MasterKey
from cameo.vault.ledger import Owner
from cameo.vault.schema import Grant

__all__ = ["OWNER", "may", "principal", "read_grants", "set_grant", "standing"]

OWNER: Final = "owner"
_EVERYONE: Final = "everyone"
_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    principal: str
    allowed: bool


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


def set_grant(session: Session, master: MasterKey, owner: Owner, who: str, *, allowed: bool) -> None:
    """Write yes or no for one principal, over what was there."""
    tag = master.tag("grant", owner.identity_id, who)
    sealed = seal(owner.key, _Answer(principal=who, allowed=allowed).model_dump_json().encode(), owner.context("grant"))
    row = session.scalars(select(Grant).where(Grant.identity_id == owner.identity_id, Grant.tag == tag)).first()
    if row is None:
        session.add(Grant(identity_id=owner.identity_id, tag=tag, sealed=sealed))
    else:
        row.sealed = sealed
    session.flush()


def read_grants(session: Session, owner: Owner) -> dict[str, bool]:
    """Every answer by principal, in the order they were first given."""
    rows = session.scalars(select(Grant).where(Grant.identity_id == owner.identity_id).order_by(Grant.id))
    answers = [_Answer.model_validate_json(open_sealed(owner.key, row.sealed, owner.context("grant"))) for row in rows]
    return {answer.principal: answer.allowed for answer in answers}


def may(grants: Mapping[str, bool], user: str) -> bool:
    """Whether these grants let the user use the identity."""
    who = principal(user)
    return who == OWNER or grants.get(who, grants.get(_EVERYONE, False))


def standing(grants: Mapping[str, bool]) -> tuple[str, ...]:
    """Those who may, the owner first."""
    return (OWNER, *(who for who, allowed in grants.items() if allowed and who != OWNER))
