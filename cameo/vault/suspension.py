"""Out of every scene for a while: nothing is destroyed, nobody may lease, and it can be taken back."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cameo.errors import Suspended
from cameo.vault.ledger import Ledger, Owner
from cameo.vault.publishing import owe
from cameo.vault.schema import IdentityRow

__all__ = ["require_not_suspended", "resume", "suspend"]


def suspend(session: Session, ledger: Ledger, row: IdentityRow, owner: Owner, reason: str | None, *, at: int) -> None:
    """Of somebody who is suspended already, the first time and reason stay."""
    if row.suspended is None:
        row.suspended = at
        owe(session)
        ledger.append(session, "suspend", {"reason": reason}, at=at, owner=owner)


def resume(session: Session, ledger: Ledger, row: IdentityRow, owner: Owner, *, at: int) -> None:
    """Of somebody who is not suspended, nothing is written."""
    if row.suspended is not None:
        row.suspended = None
        owe(session)
        ledger.append(session, "resume", {}, at=at, owner=owner)


def require_not_suspended(row: IdentityRow, handle: str) -> None:
    """
    Raises:
        Suspended: they are.
    """
    if row.suspended is not None:
        raise Suspended(f"@{handle} is suspended", hint=f"when they agree to go on: cameo resume {handle}")
