"""The ledger's rows hold the hashes of a tree (``opening`` plants it). And tables that came without a number of their
own, so that a vault from before there were revisions may have them or not."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Text, UniqueConstraint, inspect
from sqlalchemy.schema import SchemaItem

revision = "0004"
down_revision = "0003"

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    there = inspect(op.get_bind())
    if "link" in {column["name"] for column in there.get_columns("ledger")}:
        op.execute("ALTER TABLE ledger RENAME COLUMN link TO nodes")
    tables: dict[str, list[SchemaItem]] = {
        "challenges": [
            Column("tag", LargeBinary, primary_key=True),
            Column("clip_tag", LargeBinary, nullable=False, unique=True),
            Column("until", _NUMBER, nullable=False),
        ],
        "origins": [
            Column("identity_id", Text, primary_key=True),
            Column("issuer", Text, nullable=False),
            Column("status_index", _NUMBER, nullable=False),
            Index("ix_origins_issuer", "issuer"),
        ],
        "rules": [
            Column("id", _NUMBER, primary_key=True),
            Column("identity_id", Text, nullable=False),
            Column("tag", LargeBinary, nullable=False),
            Column("sealed", LargeBinary, nullable=False),
            UniqueConstraint("identity_id", "tag"),
            Index("ix_rules_identity_id", "identity_id"),
        ],
        "fingerprints": [
            Column("scene_id", _NUMBER, ForeignKey("scenes.id"), primary_key=True),
            Column("sealed", LargeBinary, nullable=False),
        ],
    }
    for name, columns in tables.items():
        if name not in there.get_table_names():
            op.create_table(name, *columns, sqlite_strict=True)
