"""Opening a vault: its id, its master key, its signing key; made when it is opened for the first time.

A vault of an older format is brought to the one of today step by step, from each format to the next, in the transaction
that unlocks it. A step may have two parts, for the tables can only be read as the classes of ``schema`` once they have
all their columns: ``reshape`` of every step comes first, in SQL alone; ``fill`` of every step follows, with the people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

from joserfc.jwk import OKPKey
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cameo.errors import StoreDamaged
from cameo.vault.allotment import draw_indexes
from cameo.vault.blobs import Blobs
from cameo.vault.chain import plant
from cameo.vault.cipher import Context
from cameo.vault.duplicates import Duplicates
from cameo.vault.keys import Keystore, MasterKey, create_master_key, load_master_key
from cameo.vault.keytree import KeyTree
from cameo.vault.ledger import Ledger, Owner
from cameo.vault.people import People
from cameo.vault.schema import VERSION, IdentityRow, Meta
from enroll.errors import BadInput

__all__ = ["Opened", "Secrets", "reshape", "unlock", "upgrade"]

_FIRST_WITH_A_TREE: Final = 5


@dataclass(frozen=True, repr=False)
class Secrets:
    """What an open vault holds in memory.

    Attributes:
        vault_id: UUID4.
        master: wraps the keys of its people.
        tree: wraps them too, and forgets those of who left.
        operator: Ed25519, signs consents, certificates and the ledger's checkpoints. Stored wrapped by the master key.
    """

    vault_id: str
    master: MasterKey
    tree: KeyTree
    operator: OKPKey


def unlock(session: Session, home: Path, *, occupied: bool) -> Secrets:
    """The vault's secrets. The caller's transaction holds the write lock, so two first openings make one vault.

    Args:
        occupied: whether ciphertexts lie in it; then it cannot be a new one.

    Raises:
        StoreDamaged: the database is gone or of a later format; the master key is missing or not the one.
    """
    meta = session.get(Meta, 1)
    if meta is None:
        if occupied:
            raise StoreDamaged(
                f"people are stored in {home}, but their database is gone", hint="put vault.sqlite3 back"
            )
        return _found(session, home)
    master = load_master_key(home, meta.vault_id, cast(Keystore, meta.keystore))
    jwk = master.unwrap(meta.operator, _operator_context(meta.vault_id))
    tree = KeyTree(home, master)
    if meta.version < _FIRST_WITH_A_TREE:
        tree.plant()
    return Secrets(meta.vault_id, master, tree, OKPKey.import_key(json.loads(jwk)))


@dataclass(frozen=True)
class Opened:
    """What filling an older vault may need."""

    secrets: Secrets
    people: People
    blobs: Blobs
    duplicates: Duplicates


def reshape(session: Session) -> None:
    """Give the tables of an older vault the columns of today, before anything is read from them. A new vault is left as
    it is.

    Raises:
        StoreDamaged: the vault is of a later format.
    """
    version = session.scalar(text("SELECT version FROM meta WHERE id = 1"))
    if version is not None and not 1 <= version <= VERSION:
        raise StoreDamaged(
            f"the vault has format {version}, expected at most {VERSION}", hint="use the Cameo that made it"
        )
    for step in _steps_from(version):
        step.reshape(session)


def upgrade(session: Session, opened: Opened) -> None:
    """Fill what ``reshape`` made room for, in the same transaction; then the vault is of the format of today."""
    meta = session.get_one(Meta, 1)
    if meta.version < _FIRST_WITH_A_TREE:
        _wrap_by_the_tree(session, opened)  # before all else, for the steps read people
    for step in _steps_from(meta.version):
        step.fill(session, opened)
    meta.version = VERSION


def _draw_sketches(session: Session, opened: Opened) -> None:
    """Everyone gets the sketches they would have been given when they came. Whoever does not open is left as they are;
    they can still be revoked."""
    for row in session.scalars(select(IdentityRow)).all():
        with suppress(StoreDamaged, BadInput):
            opened.duplicates.remember(session, opened.people.identity(row, opened.blobs))


def _plant_the_ledger(session: Session, opened: Opened) -> None:
    """The ledger's chain becomes a tree."""
    plant(session, opened.secrets.vault_id, opened.secrets.operator)


def _allot_indexes(session: Session) -> None:
    """Everyone who is here, and everyone who left, gets an index in the status list; nobody is suspended."""
    for statement in (
        "ALTER TABLE meta ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE meta ADD COLUMN published BLOB NOT NULL DEFAULT x''",
        "ALTER TABLE identities ADD COLUMN status_index INTEGER NOT NULL DEFAULT -1",
        "ALTER TABLE identities ADD COLUMN suspended INTEGER",
        "ALTER TABLE tombstones ADD COLUMN status_index INTEGER NOT NULL DEFAULT -1",
    ):
        session.execute(text(statement))
    people = {
        table: session.scalars(text(f"SELECT identity_id FROM {table}")).all()  # noqa: S608
        for table in ("identities", "tombstones")
    }
    indexes = iter(draw_indexes(sum(map(len, people.values()))))
    for table, ids in people.items():
        for identity_id, index in zip(ids, indexes, strict=False):
            session.execute(
                text(f"UPDATE {table} SET status_index = :index WHERE identity_id = :id"),  # noqa: S608
                {"index": index, "id": identity_id},
            )
        session.execute(text(f"CREATE UNIQUE INDEX ix_{table}_status ON {table} (status_index)"))


def _wrap_by_the_tree(session: Session, opened: Opened) -> None:
    """The keys of people, which the master key alone wrapped, are wrapped by the key tree as well. Whoever does not
    open is left as they are; they can still be revoked."""
    secrets = opened.secrets
    for row in session.scalars(select(IdentityRow)).all():
        context = Owner(row.identity_id, row.consent_id, b"").context("key")
        with suppress(StoreDamaged):
            key = secrets.master.unwrap(row.wrapped_key, context)
            row.wrapped_key = secrets.tree.wrap(key, row.status_index, context)
    session.flush()


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True)
class _Step:
    """From one format to the next; see the module."""

    reshape: Callable[[Session], None] = _nothing
    fill: Callable[[Session, Opened], None] = _nothing


_STEPS: Final[Mapping[int, _Step]] = {
    1: _Step(fill=_draw_sketches),
    2: _Step(reshape=_allot_indexes),
    3: _Step(fill=_plant_the_ledger),
    4: _Step(),
}


def _steps_from(version: int | None) -> list[_Step]:
    """What is to be done to a vault of this format, in order."""
    return [_STEPS[older] for older in range(version, VERSION)] if version is not None and version in _STEPS else []


def _found(session: Session, home: Path) -> Secrets:
    vault_id = str(uuid4())
    keystore, master = create_master_key(home, vault_id)
    operator = OKPKey.generate_key("Ed25519")
    jwk = json.dumps(operator.as_dict(private=True)).encode()
    meta = Meta(
        id=1,
        version=VERSION,
        vault_id=vault_id,
        keystore=keystore,
        operator=master.wrap(jwk, _operator_context(vault_id)),
        head=Ledger(vault_id, operator).empty_head(),
    )
    session.add(meta)
    tree = KeyTree(home, master)
    tree.plant()
    return Secrets(vault_id, master, tree, operator)


def _operator_context(vault_id: str) -> Context:
    return Context(vault_id, "", "operator")
