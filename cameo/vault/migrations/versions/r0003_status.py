"""Everyone who is here, and everyone who left, gets an index in the status list; nobody is suspended."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, column, select, table, text

from cameo.vault import allotment

revision = "0003"
down_revision = "0002"

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_PEOPLE = ("identities", "tombstones")


def upgrade() -> None:
    strict = op.get_bind().dialect.name == "sqlite"
    empty = text("x''") if strict else text("''")
    added: list[tuple[str, Column[Any]]] = [
        ("meta", Column("epoch", _NUMBER, nullable=False, server_default=text("0"))),
        ("meta", Column("published", LargeBinary, nullable=False, server_default=empty)),
        ("identities", Column("status_index", _NUMBER, nullable=False, server_default=text("-1"))),
        ("identities", Column("suspended", _NUMBER)),
        ("tombstones", Column("status_index", _NUMBER, nullable=False, server_default=text("-1"))),
    ]
    for name, new in added:
        op.add_column(name, new)
        if not new.nullable and not strict:
            # Only rows that were there need it; SQLite cannot take it away again.
            op.alter_column(name, new.name, server_default=None)
    _allot()
    for name in _PEOPLE:
        op.create_index(f"ix_{name}_status", name, ["status_index"], unique=True)


def _allot() -> None:
    connection = op.get_bind()
    people = [table(name, column("identity_id"), column("status_index")) for name in _PEOPLE]
    ids = [(which, row.identity_id) for which in people for row in connection.execute(select(which.c.identity_id))]
    for (which, identity_id), index in zip(ids, allotment.draw_indexes(len(ids)), strict=True):
        connection.execute(which.update().where(which.c.identity_id == identity_id).values(status_index=index))
