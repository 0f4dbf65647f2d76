"""Sketches, by which people are recognised; ``opening`` draws those of whoever is here."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Text, UniqueConstraint

revision = "0002"
down_revision = "0001"

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sketches",
        Column("id", _NUMBER, primary_key=True),
        Column("identity_id", Text, nullable=False),
        Column("tag", LargeBinary, nullable=False),
        Column("barred", _NUMBER, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        UniqueConstraint("identity_id", "tag"),
        Index("ix_sketches_identity_id", "identity_id"),
        Index("ix_sketches_tag", "tag"),
        sqlite_strict=True,
    )
