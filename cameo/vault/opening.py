"""Opening a vault: its id, its master key, its signing key; made when it is opened for the first time.

A vault of an older format is brought to the one of today in the transaction that unlocks it, in two parts, for the
tables can only be read as the classes of ``schema`` once they have all their columns: ``migrations`` give them their
shape, in SQL alone; then ``upgrade`` fills, format by format, what needs the keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

from joserfc.jwk import OKPKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.errors import StoreDamaged
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

__all__ = ["Opened", "Secrets", "unlock", "upgrade"]

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


def unlock(session: Session, home: Path, *, occupied: Callable[[], bool]) -> Secrets:
    """The vault's secrets. The caller's transaction holds the write lock, so two first openings make one vault.

    Args:
        occupied: whether ciphertexts lie in it; then it cannot be a new one.

    Raises:
        StoreDamaged: the database is gone or of a later format; the master key is missing or not the one.
    """
    meta = session.get(Meta, 1)
    if meta is None:
        if occupied():
            raise StoreDamaged(f"people are stored in {home}, but their database is gone", hint="put the database back")
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


def upgrade(session: Session, opened: Opened) -> None:
    """Fill what ``migrations`` made room for, in the same transaction; then the vault is of the format of today."""
    meta = session.get_one(Meta, 1)
    for first, fill in _FILLS:
        if meta.version < first:
            fill(session, opened)
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


_FILLS: Final[tuple[tuple[int, Callable[[Session, Opened], None]], ...]] = (
    (_FIRST_WITH_A_TREE, _wrap_by_the_tree),
    (2, _draw_sketches),
    (4, _plant_the_ledger),
)
"""The first format that has it, and what an older vault gets it by. Keys come first, for the others read people."""


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
