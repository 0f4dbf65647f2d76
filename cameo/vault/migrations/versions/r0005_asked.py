"""What every opening and every status list ask of all people, who is suspended and whose time is over, is found by an
index: a vault of a million is not read from end to end."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # A vault of today whose number was lost has them.
    op.create_index("ix_identities_keep_until", "identities", ["keep_until"], if_not_exists=True)
    some = text("suspended IS NOT NULL")
    op.create_index(
        "ix_identities_suspended",
        "identities",
        ["suspended", "status_index"],
        if_not_exists=True,
        sqlite_where=some,
        postgresql_where=some,
    )
