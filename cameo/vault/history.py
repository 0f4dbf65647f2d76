"""What a person can be told of their own past, as long as their key exists."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.vault.cipher import open_sealed
from cameo.vault.entries import LeaseRecord
from cameo.vault.ledger import Owner
from cameo.vault.line import Opening
from cameo.vault.people import moment
from cameo.vault.schema import LedgerRow

__all__ = ["leases_on"]


def leases_on(session: Session, owner: Owner) -> tuple[LeaseRecord, ...]:
    """Every lease on this person, oldest first."""
    rows = session.scalars(
        select(LedgerRow)
        .where(LedgerRow.identity_id == owner.identity_id, LedgerRow.event == "lease", LedgerRow.opening.is_not(None))
        .order_by(LedgerRow.seq)
    )
    found = []
    for row in rows:
        sealed = row.opening or b""
        detail = Opening.from_bytes(open_sealed(owner.key, sealed, owner.context(f"ledger {row.seq}"))).detail
        found.append(LeaseRecord.model_validate({"at": moment(row.at)} | dict(detail)))
    return tuple(found)
