"""The rules of a person: those in their consent, for good, and those they added since, sealed under their key."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cameo.rules import rule
from cameo.vault.cipher import open_sealed, seal
from cameo.vault.keys import MasterKey
from cameo.vault.ledger import Owner
from cameo.vault.schema import Rule
from enroll.consent import ConsentRecord

__all__ = ["add_rule", "added_rules", "drop_rule", "rules_of"]


def add_rule(session: Session, master: MasterKey, owner: Owner, words: str) -> None:
    """Write a rule down; the same one again changes nothing."""
    tag = master.tag("rule", owner.identity_id, words)
    known = select(Rule).where(Rule.identity_id == owner.identity_id, Rule.tag == tag)
    if session.scalars(known).first() is None:
        session.add(
            Rule(identity_id=owner.identity_id, tag=tag, sealed=seal(owner.key, words.encode(), owner.context("rule")))
        )
        session.flush()


def drop_rule(session: Session, master: MasterKey, owner: Owner, words: str) -> bool:
    """Whether there was such a rule."""
    tag = master.tag("rule", owner.identity_id, words)
    gone = delete(Rule).where(Rule.identity_id == owner.identity_id, Rule.tag == tag).returning(Rule.id)
    return session.execute(gone).first() is not None


def added_rules(session: Session, owner: Owner) -> tuple[str, ...]:
    """Those the person added since they consented, in the order they were given."""
    rows = session.scalars(select(Rule).where(Rule.identity_id == owner.identity_id).order_by(Rule.id))
    return tuple(open_sealed(owner.key, row.sealed, owner.context("rule")).decode() for row in rows)


def rules_of(session: Session, owner: Owner, consent: ConsentRecord) -> tuple[str, ...]:
    """Those of the consent first, then the others."""
    agreed = consent.processing.forbidden if consent.processing is not None else ()
    return tuple(dict.fromkeys([*map(rule, agreed), *added_rules(session, owner)]))
