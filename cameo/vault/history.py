"""What a person can be told of their own past, as long as their key exists."""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.vault.cipher import open_sealed
from cameo.vault.entries import Opening
from cameo.vault.ledger import Owner
from cameo.vault.people import moment
from cameo.vault.schema import LedgerRow

__all__ = ["openings"]


def openings(session: Session, owner: Owner) -> tuple[Opening, ...]:
    """Every lease on this person, oldest first."""
    rows = session.scalars(
        select(LedgerRow)
        .where(LedgerRow.identity_id == owner.identity_id, LedgerRow.event == "lease", LedgerRow.opening.is_not(None))
        .order_by(LedgerRow.seq)
    )
    found = []
    for row in rows:
        detail = json.loads(open_sealed(owner.key, row.opening or b"", owner.context(f"ledger {row.seq}")))["detail"]
        found.append(Opening(at=moment(row.at), user=detail["user"], purpose=detail["purpose"]))
    return tuple(found)
