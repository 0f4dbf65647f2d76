"""People, grants, scenes, and a chain for a ledger."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Text, UniqueConstraint

revision = "0001"
down_revision = None

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "meta",
        Column("id", _NUMBER, primary_key=True),
        Column("version", _NUMBER, nullable=False),
        Column("vault_id", Text, nullable=False),
        Column("keystore", Text, nullable=False),
        Column("operator", LargeBinary, nullable=False),
        Column("head", Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "identities",
        Column("identity_id", Text, primary_key=True),
        Column("consent_id", Text, nullable=False, unique=True),
        Column("handle_tag", LargeBinary, nullable=False, unique=True),
        Column("wrapped_key", LargeBinary, nullable=False),
        Column("sealed_entry", LargeBinary, nullable=False),
        Column("stored", _NUMBER, nullable=False),
        Column("keep_until", _NUMBER, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "consents",
        Column("identity_id", Text, primary_key=True),
        Column("sealed", LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "grants",
        Column("id", _NUMBER, primary_key=True),
        Column("identity_id", Text, nullable=False),
        Column("tag", LargeBinary, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        UniqueConstraint("identity_id", "tag"),
        Index("ix_grants_identity_id", "identity_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "scenes",
        Column("id", _NUMBER, primary_key=True),
        Column("sha256", Text, nullable=False),
        Column("created", _NUMBER, nullable=False),
        Column("sealed", LargeBinary),
        Index("ix_scenes_sha256", "sha256"),
        sqlite_strict=True,
    )
    op.create_table(
        "uses",
        Column("scene_id", _NUMBER, ForeignKey("scenes.id"), primary_key=True),
        Column("position", _NUMBER, primary_key=True),
        Column("identity_id", Text, nullable=False),
        Column("consent_id", Text, nullable=False),
        Index("ix_uses_identity", "identity_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger",
        Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        Column("at", _NUMBER, nullable=False),
        Column("event", Text, nullable=False),
        Column("commitment", LargeBinary, nullable=False),
        Column("link", LargeBinary, nullable=False),
        Column("identity_id", Text),
        Column("opening", LargeBinary),
        Index("ix_ledger_identity", "identity_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "tombstones",
        Column("identity_id", Text, primary_key=True),
        Column("consent_id", Text, nullable=False, unique=True),
        Column("handle_tag", LargeBinary, nullable=False),
        Column("enrolled", _NUMBER, nullable=False),
        Column("revoked", _NUMBER, nullable=False),
        Column("reason", Text),
        Column("destroyed", Text, nullable=False),
        Column("certificate", Text),
        Index("ix_tombstones_handle_tag", "handle_tag"),
        sqlite_strict=True,
    )
