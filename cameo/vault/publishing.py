"""The status list of now, out of the tables: whoever is buried is revoked in it, at once and for good."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from joserfc.jwk import OKPKey
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from cameo.errors import StoreDamaged, UsageError
from cameo.status import Bitstring, StatusList
from cameo.status.document import MAX_AGE
from cameo.vault.allotment import list_size
from cameo.vault.schema import IdentityRow, Meta, Tombstone

__all__ = ["is_owed", "owe", "publish"]


def publish(session: Session, operator: OKPKey, *, now: datetime, age: timedelta) -> StatusList:
    """The signed list. Its epoch is one more than the last one's if it says anything else.

    Args:
        age: how long it may be relied on: over 0, up to 31 days.

    Raises:
        UsageError: another age than that.
        StoreDamaged: an index is beyond the list.
    """
    # A list in whole seconds that is good for less than one would never be.
    if not timedelta(seconds=1) <= age <= MAX_AGE:
        raise UsageError(
            f"a status list can be good for up to {MAX_AGE.days * 24} hours, got {age.total_seconds() / 3600:g}"
        )
    size = list_size(session)
    gone = select(Tombstone.status_index)
    paused = select(IdentityRow.status_index).where(IdentityRow.suspended.is_not(None))
    try:
        revoked, suspended = (Bitstring.of(size, session.scalars(indexes)) for indexes in (gone, paused))
    except IndexError as error:
        raise StoreDamaged(f"the status list cannot be made: {error}") from None
    meta = session.get_one(Meta, 1)
    digest = sha256(revoked.content + suspended.content).digest()
    if digest != meta.published:
        meta.epoch, meta.published = meta.epoch + 1, digest
    return StatusList.issue(revoked, suspended, epoch=meta.epoch, now=now, age=age, key=operator)


def owe(session: Session) -> None:
    """Somebody's standing changed, in this transaction: a list must follow, if need be at the next opening."""
    session.get_one(Meta, 1).published = b""


def is_owed(session: Session) -> bool:
    """Whether one did not follow. Nobody misses it in a vault that never said anything of anybody."""
    meta = session.get_one(Meta, 1)
    paused = exists().where(IdentityRow.suspended.is_not(None))
    return meta.published == b"" and (meta.epoch > 0 or bool(session.scalar(select(paused))))
