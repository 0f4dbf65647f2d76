"""Straight into the tables, past everything the vault would say to it; the words are SQLite's."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from typing import Any

import psycopg

from cameo.vault import Vault
from cameo.vault.cipher import open_sealed
from cameo.vault.line import Opening

__all__ = ["change", "last_told", "rows"]


def rows(vault: Vault, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a query gives."""
    url = os.environ.get("CAMEO_DATABASE")
    if url is None:
        with closing(sqlite3.connect(vault.home / "vault.sqlite3")) as raw:
            return raw.execute(query, values).fetchall()
    with psycopg.connect(url) as raw:
        return raw.execute(_translated(query), values).fetchall()  # type: ignore[arg-type]


def change(vault: Vault, statement: str, *values: object) -> int:
    """How many rows it changed."""
    url = os.environ.get("CAMEO_DATABASE")
    if url is None:
        with closing(sqlite3.connect(vault.home / "vault.sqlite3")) as raw, raw:
            return raw.execute(statement, values).rowcount
    with psycopg.connect(url) as raw:
        return raw.execute(_translated(statement), values).rowcount  # type: ignore[arg-type]


def last_told(vault: Vault, handle: str) -> tuple[str, dict[str, str | None]]:
    """The last line of the ledger, which must be about this person: its event, and what their key opens of it."""
    ((seq, event, identity_id, opening),) = rows(
        vault, "SELECT seq, event, identity_id, opening FROM ledger ORDER BY seq DESC LIMIT 1"
    )
    with vault._reading() as session:
        owner = vault._people.owner(vault._people.alive(session, handle))
    assert identity_id == owner.identity_id
    sealed = open_sealed(owner.key, opening, owner.context(f"ledger {seq}"))
    return event, dict(Opening.from_bytes(bytes(sealed)).detail)


def _translated(statement: str) -> str:
    """Into PostgreSQL's words."""
    statement = re.sub(r"\bx'([0-9a-f]*)'", r"'\\x\1'::bytea", statement)
    statement = re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", statement)
    return statement.replace("1 << ", "1::bigint << ").replace("?", "%s")
