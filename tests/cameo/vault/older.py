"""Vaults as earlier versions left them."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import rfc8785
from joserfc.jwk import OKPKey

from cameo.vault import Vault
from cameo.vault.cipher import Context
from enroll.signature import sign

DATA = Path(__file__).parent / "data"
MADE = datetime(2026, 11, 25, 3, tzinfo=UTC)
"""When the vault of format 2 was made, and an hour more."""


def unpack_format_2(home: Path) -> None:
    """A vault that the last version with a chain made: grace is here, ada and eve left, eve for good. 15 lines. The
    sealed identities, which no test of the ledger needs, are not with it."""
    home.mkdir(mode=0o700, parents=True)
    with sqlite3.connect(home / "vault.sqlite3") as raw:
        raw.executescript((DATA / "vault-2.sql").read_text())
    (home / "master.key").write_bytes((DATA / "vault-2.key").read_bytes())
    (home / "master.key").chmod(0o600)


def back_to_a_chain(home: Path, operator: OKPKey, version: int) -> None:
    """Make of a vault of today what it would have been: the formulas of formats 1 and 2, by hand."""
    with sqlite3.connect(home / "vault.sqlite3") as raw:
        raw.execute("ALTER TABLE ledger RENAME COLUMN nodes TO link")
        (vault_id,) = raw.execute("SELECT vault_id FROM meta").fetchone()
        link, size = sha256(b"cameo/1 ledger" + vault_id.encode()).digest(), 0
        for seq, at, event, commitment in raw.execute(
            "SELECT seq, at, event, commitment FROM ledger ORDER BY seq"
        ).fetchall():
            line = rfc8785.dumps({"seq": seq, "at": at, "event": event, "commitment": commitment.hex()})
            link, size = sha256(b"cameo/1 link" + link + line).digest(), seq
            raw.execute("UPDATE ledger SET link = ? WHERE seq = ?", (link, seq))
        head = {"format": "cameo-ledger-head/1", "vault_id": vault_id, "size": size, "head": link.hex()}
        raw.execute("UPDATE meta SET head = ?, version = ?", (sign(head, operator), version))
        raw.execute("DROP TABLE alembic_version")


def without_a_tree(vault: Vault) -> None:
    """Make of a vault of today one of format 4, whose keys the master key alone wraps."""
    master, tree = vault._secrets.master, vault._secrets.tree
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        for identity_id, consent_id, wrapped, index in raw.execute(
            "SELECT identity_id, consent_id, wrapped_key, status_index FROM identities"
        ).fetchall():
            context = Context(identity_id, consent_id, "key")
            key = master.wrap(tree.unwrap(wrapped, index, context), context)
            raw.execute("UPDATE identities SET wrapped_key = ? WHERE identity_id = ?", (key, identity_id))
        raw.execute("UPDATE meta SET version = 4")
    raw.close()
    (vault.home / "keys.tree").unlink()
