"""The rules of a person, at rest: sealed under their key, and gone with it."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cameo.vault.cipher import open_sealed, seal
from cameo.vault.keys import MasterKey
from cameo.vault.ledger import Owner
from cameo.vault.schema import Rule

__all__ = ["add_rule", "drop_rule", "read_rules"]


def add_rule(session: Session, master: MasterKey, owner: Owner, rule: str) -> None:
    """Write a rule down; the same one again changes nothing."""
    tag = master.tag("rule", owner.identity_id, rule)
    known = select(Rule).where(Rule.identity_id == owner.identity_id, Rule.tag == tag)
    if session.scalars(known).first() is None:
        session.add(
            Rule(identity_id=owner.identity_id, tag=tag, sealed=seal(owner.key, rule.encode(), owner.context("rule")))
        )
        session.flush()


def drop_rule(session: Session, master: MasterKey, owner: Owner, rule: str) -> bool:
    """Whether there was such a rule."""
    tag = master.tag("rule", owner.identity_id, rule)
    gone = delete(Rule).where(Rule.identity_id == owner.identity_id, Rule.tag == tag).returning(Rule.id)
    return session.execute(gone).first() is not None


def read_rules(session: Session, owner: Owner) -> tuple[str, ...]:
    """In the order they were given."""
    rows = session.scalars(select(Rule).where(Rule.identity_id == owner.identity_id).order_by(Rule.id))
    return tuple(open_sealed(owner.key, row.sealed, owner.context("rule")).decode() for row in rows)
