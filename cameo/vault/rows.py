"""All rows of one database into another, of whatever kind both are."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, func, insert, literal_column, select
from sqlalchemy.orm import Session

from cameo.vault.schema import Base

__all__ = ["copy_rows"]

_PART: Final = 500


def copy_rows(source: Session, target: Session) -> None:
    """Put the rows of every table of ``source`` in the place of those of ``target``. Both have the shape of today."""
    tables = Base.metadata.sorted_tables
    for table in reversed(tables):
        target.execute(delete(table))
    for table in tables:
        rows = source.execute(select(table).execution_options(yield_per=_PART)).mappings()
        for part in rows.partitions():
            target.execute(insert(table), [dict(row) for row in part])
    if target.get_bind().dialect.name == "postgresql":
        _count_on(target)


def _count_on(session: Session) -> None:
    """Rows came with their numbers; the next one must get the next."""
    for table in Base.metadata.sorted_tables:
        number = table.autoincrement_column
        if number is not None:
            sequence = func.pg_get_serial_sequence(table.name, number.name)
            greatest = select(func.coalesce(func.max(number), 0) + 1).scalar_subquery()
            session.execute(select(func.setval(sequence, greatest, literal_column("false"))))
