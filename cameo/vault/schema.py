"""The tables. What is personal is sealed; what lies open are random ids, digests, times and keyed tags.

Times are whole seconds since 1970, UTC. SQLite's tables are STRICT, as PostgreSQL's always are: a damaged value is an
error of the database, not a surprise further up. Numbers have 64 bits.

A change here is a revision in ``migrations/versions`` too; a test holds both to each other.
"""

from __future__ import annotations

from typing import ClassVar, Final

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = [
    "VERSION",
    "Base",
    "Consent",
    "FingerprintRow",
    "Grant",
    "IdentityRow",
    "LedgerRow",
    "Meta",
    "Origin",
    "Rule",
    "Scene",
    "SceneUse",
    "Sketch",
    "Tombstone",
]

VERSION: Final = 5
"""1 knew no sketches, 2 no status list, 3 had a chain for a ledger, 4 no key tree; see ``migrations``, ``opening``."""

_STRICT: Final = {"sqlite_strict": True}


class Base(DeclarativeBase):
    # STRICT tables know no VARCHAR and no BIGINT; their INTEGER has 64 bits.
    type_annotation_map: ClassVar = {str: Text, int: BigInteger().with_variant(Integer(), "sqlite")}


class Meta(Base):
    """One row: the vault itself.

    ``operator`` is the Ed25519 signing key as JWK, wrapped; ``head`` is the signed checkpoint of the ledger. ``epoch``
    counts the status lists published, and ``published`` is the SHA-256 of the bits of the last, empty before the first.
    """

    __tablename__ = "meta"
    __table_args__ = (_STRICT,)

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]
    vault_id: Mapped[str]
    keystore: Mapped[str]
    operator: Mapped[bytes]
    head: Mapped[str]
    epoch: Mapped[int] = mapped_column(default=0)
    published: Mapped[bytes] = mapped_column(default=b"")


class IdentityRow(Base):
    """An enrolled person. The row goes when they revoke; a tombstone takes its place, and their ``status_index``.

    ``suspended``: since when they are; null if they are not. ``consent`` and ``origin`` are only for reading.
    """

    __tablename__ = "identities"
    __table_args__ = (
        Index("ix_identities_status", "status_index", unique=True),
        Index("ix_identities_keep_until", "keep_until"),
        Index(
            "ix_identities_suspended",
            "suspended",
            "status_index",
            sqlite_where=text("suspended IS NOT NULL"),
            postgresql_where=text("suspended IS NOT NULL"),
        ),
        _STRICT,
    )

    identity_id: Mapped[str] = mapped_column(primary_key=True)
    consent_id: Mapped[str] = mapped_column(unique=True)
    handle_tag: Mapped[bytes] = mapped_column(unique=True)
    wrapped_key: Mapped[bytes]
    sealed_entry: Mapped[bytes]
    stored: Mapped[int]
    keep_until: Mapped[int]
    status_index: Mapped[int]
    suspended: Mapped[int | None]

    consent: Mapped[Consent | None] = relationship(
        primaryjoin="foreign(Consent.identity_id) == IdentityRow.identity_id", viewonly=True
    )
    origin: Mapped[Origin | None] = relationship(
        primaryjoin="foreign(Origin.identity_id) == IdentityRow.identity_id", viewonly=True
    )


class Consent(Base):
    """The consent record an identity rests on, sealed whole."""

    __tablename__ = "consents"
    __table_args__ = (_STRICT,)

    identity_id: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]


class Grant(Base):
    """One yes or no for one principal; ``sealed`` holds both, ``tag`` is for finding it."""

    __tablename__ = "grants"
    __table_args__ = (UniqueConstraint("identity_id", "tag"), _STRICT)

    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[str] = mapped_column(index=True)
    tag: Mapped[bytes]
    sealed: Mapped[bytes]


class Origin(Base):
    """Where a person who was not enrolled here comes from: the thumbprint of the operator whose status list counts for
    them, and their index in it."""

    __tablename__ = "origins"
    __table_args__ = (_STRICT,)

    identity_id: Mapped[str] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(index=True)
    status_index: Mapped[int]


class Rule(Base):
    """What a person never wants to appear in; ``tag`` is for finding it."""

    __tablename__ = "rules"
    __table_args__ = (UniqueConstraint("identity_id", "tag"), _STRICT)

    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[str] = mapped_column(index=True)
    tag: Mapped[bytes]
    sealed: Mapped[bytes]


class Scene(Base):
    """A generated file by its digest. ``sealed`` (path, user, prompt, seed, model) needs the key of everyone in it."""

    __tablename__ = "scenes"
    __table_args__ = (_STRICT,)

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(index=True)
    created: Mapped[int]
    sealed: Mapped[bytes | None]


class FingerprintRow(Base):
    """What a scene looks and sounds like (``cameo.marks.fingerprint``), sealed by the master key: it outlives everybody
    in the scene, so that a copy of it can still be told for what it is."""

    __tablename__ = "fingerprints"
    __table_args__ = (_STRICT,)

    scene_id: Mapped[int] = mapped_column(ForeignKey("scenes.id"), primary_key=True)
    sealed: Mapped[bytes]


class SceneUse(Base):
    """Who is in which scene, in the order of the prompt. Stays after revocation, so that the scene can be told."""

    __tablename__ = "uses"
    __table_args__ = (Index("ix_uses_identity", "identity_id"), _STRICT)

    scene_id: Mapped[int] = mapped_column(ForeignKey("scenes.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[str]
    consent_id: Mapped[str]


class LedgerRow(Base):
    """One line (see ``ledger``). ``opening`` is sealed under the person's key and dies with it.

    ``nodes`` are the hashes of the perfect subtrees that are full with this line, 32 bytes each, its own first.
    """

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_identity", "identity_id"), _STRICT)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[int]
    event: Mapped[str]
    commitment: Mapped[bytes]
    nodes: Mapped[bytes]
    identity_id: Mapped[str | None]
    opening: Mapped[bytes | None]


class Sketch(Base):
    """What one person is recognised by in one embedding space (``tag``), should they come again; see ``duplicates``.

    Goes with the person's key, unless they asked not to be enrolled again: then it stays, ``barred`` is 1, and
    ``identity_id`` is the tombstone's.
    """

    __tablename__ = "sketches"
    __table_args__ = (UniqueConstraint("identity_id", "tag"), _STRICT)

    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[str] = mapped_column(index=True)
    tag: Mapped[bytes] = mapped_column(index=True)
    barred: Mapped[int]
    sealed: Mapped[bytes]


class Tombstone(Base):
    """What is left of a revoked identity: that it was, and that it is no more.

    ``certificate`` is empty from the moment the key is destroyed until everything else is gone too. ``status_index``
    stays theirs, so that it is nobody else's.
    """

    __tablename__ = "tombstones"
    __table_args__ = (Index("ix_tombstones_status", "status_index", unique=True), _STRICT)

    identity_id: Mapped[str] = mapped_column(primary_key=True)
    consent_id: Mapped[str] = mapped_column(unique=True)
    handle_tag: Mapped[bytes] = mapped_column(index=True)
    enrolled: Mapped[int]
    revoked: Mapped[int]
    reason: Mapped[str | None]
    destroyed: Mapped[str]
    certificate: Mapped[str | None]
    status_index: Mapped[int]
