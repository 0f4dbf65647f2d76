"""Which bit of the status list is whose: drawn at random, and never given to anybody again.

Within one length of the list the order of the indexes says nothing about who came when. The list doubles when it is
nearly full, and only then: a longer one would be larger to send for the same people (at a million people with one in a
hundred revoked, 22.6 kB instead of 19.8). An index in the newer half tells that its person came after the doubling.
"""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cameo.errors import StoreFull
from cameo.status import LEAST_ENTRIES, MOST_ENTRIES
from cameo.vault.keytree import KeyTree
from cameo.vault.schema import IdentityRow, Tombstone

__all__ = ["draw_index", "draw_indexes", "list_size", "size_for"]

_FULL: Final = (31, 32)
"""The share of a list that is allotted before it doubles: so many of so many. A draw then takes 32 tries."""


def size_for(people: int) -> int:
    """Entries of the list for so many who are, or were, here.

    Raises:
        StoreFull: more than a list may have.
    """
    size = LEAST_ENTRIES
    while people * _FULL[1] > size * _FULL[0]:
        size *= 2
    if size > MOST_ENTRIES:
        raise StoreFull(
            f"a vault holds no more people than its status list has entries, {MOST_ENTRIES}",
            hint="put newcomers into another home",
        )
    return size


def list_size(session: Session) -> int:
    """Entries of this vault's list. It never gets shorter, for nobody who was here is ever forgotten."""
    return size_for(_people(session))


def draw_index(session: Session, tree: KeyTree) -> int:
    """An index for a newcomer, that nobody has or had, whose key the tree still knows: a database that was put back
    does not know of those who came and left after the copy. Raises StoreFull as ``size_for`` does."""
    size = size_for(_people(session) + 1)
    while True:
        index = secrets.randbelow(size)
        if tree.knows(index) and not any(
            session.scalar(select(table.status_index).where(table.status_index == index)) is not None
            for table in (IdentityRow, Tombstone)
        ):
            return index


def draw_indexes(people: int) -> list[int]:
    """Indexes for so many at once, in a vault where nobody has one yet."""
    return secrets.SystemRandom().sample(range(size_for(people)), people)


def _people(session: Session) -> int:
    return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in (IdentityRow, Tombstone))
