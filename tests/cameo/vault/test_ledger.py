"""The ledger: nothing in it can be changed, dropped, put between, or read without the person's key."""

from __future__ import annotations

import json
import sqlite3
from hashlib import sha256

import pytest
import rfc8785

from cameo.errors import StoreDamaged
from cameo.vault import Vault

DIGEST = "a1" * 32


@pytest.fixture
def busy(vault, ada, person):
    """A vault in which something of everything happened: 11 lines."""
    grace, consent = person("grace", seed=2, grants=("owner", "user:bob"))
    vault.put(grace, consent)
    for _ in range(2):
        vault.lease("grace").close()
    vault.allow("ada", "carol")
    vault.deny("grace", "carol")
    ids = [ada[0].identity_id, grace.identity_id]
    vault.record_scene(sha256=DIGEST, path="s.mp4", identities=ids, user="bob", prompt="@ada @grace", model="nano")
    vault.lease("ada").close()
    vault.revoke("ada")
    return vault


def tamper(vault, *statements: str) -> None:
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        for statement in statements:
            assert raw.execute(statement).rowcount > 0
    raw.close()


NONE = "00000000-0000-4000-8000-000000000000"
CHANGES = [
    ["UPDATE ledger SET event = 'put' WHERE seq = 4"],
    ["UPDATE ledger SET at = at - 1 WHERE seq = 11"],
    ["UPDATE ledger SET commitment = zeroblob(32) WHERE seq = 3"],
    ["UPDATE ledger SET link = zeroblob(32) WHERE seq = 3"],
    ["UPDATE ledger SET opening = NULL WHERE seq = 3"],
    ["UPDATE ledger SET opening = NULL WHERE seq = 11"],
    ["UPDATE ledger SET opening = (SELECT opening FROM ledger WHERE seq = 4) WHERE seq = 3"],
    ["UPDATE ledger SET opening = (SELECT opening FROM ledger WHERE seq = 10) WHERE seq = 11"],
    [f"UPDATE ledger SET identity_id = '{NONE}' WHERE seq = 3"],  # noqa: S608
    ["UPDATE ledger SET identity_id = NULL WHERE seq = 3"],
    ["DELETE FROM ledger WHERE seq = 1"],
    ["DELETE FROM ledger WHERE seq = 5"],
    ["DELETE FROM ledger WHERE seq = 5", "UPDATE ledger SET seq = seq - 1 WHERE seq > 5"],
    ["DELETE FROM ledger WHERE seq = 11"],
    ["DELETE FROM ledger"],
    [f"UPDATE ledger SET seq = {new} WHERE seq = {old}" for old, new in [(3, 99), (4, 3), (99, 4)]],  # noqa: S608
    ["UPDATE meta SET head = head || 'A'"],
    ["UPDATE meta SET head = ''"],
]


def test_every_change_is_noticed(busy) -> None:
    assert busy.verify_log().size == 11
    path = busy.home / "vault.sqlite3"
    whole = path.read_bytes()
    unnoticed = []
    for statements in CHANGES:
        tamper(busy, *statements)
        try:
            busy.verify_log()
            unnoticed.append(statements)
        except StoreDamaged as error:
            assert error.exit_status == 6 and error.hint
        path.write_bytes(whole)
    assert unnoticed == []
    busy.verify_log()


def test_the_end_cut_off_with_an_older_signature_of_another_vault(busy, tmp_path) -> None:
    other = Vault(tmp_path / "other")
    with sqlite3.connect(other.home / "vault.sqlite3") as raw:
        (head,) = raw.execute("SELECT head FROM meta").fetchone()
    tamper(busy, "DELETE FROM ledger", f"UPDATE meta SET head = '{head}'")  # noqa: S608
    with pytest.raises(StoreDamaged):
        busy.verify_log()


def test_an_empty_ledger_verifies(vault) -> None:
    assert vault.verify_log().size == 0


def test_the_chain_by_an_independent_judge(busy) -> None:
    """The two formulas of the module's docstring, by hand."""
    with sqlite3.connect(busy.home / "vault.sqlite3") as raw:
        (vault_id,) = raw.execute("SELECT vault_id FROM meta").fetchone()
        rows = raw.execute(
            "SELECT seq, at, event, commitment, identity_id, opening FROM ledger ORDER BY seq"
        ).fetchall()
    link = sha256(b"cameo/1 ledger" + vault_id.encode()).digest()
    for seq, at, event, commitment, _, _ in rows:
        line = rfc8785.dumps({"seq": seq, "at": at, "event": event, "commitment": commitment.hex()})
        link = sha256(b"cameo/1 link" + link + line).digest()
    assert busy.verify_log().head == link.hex()
    events = [row[2] for row in rows]
    assert events == ["put", "put", "lease", "lease", "allow", "deny", "scene", "scene", "lease", "revoke", "purged"]
    assert json.loads(rows[9][5])["detail"].keys() == {"identity_id", "consent_id"}


def test_what_is_told_of_the_dead(busy, ada) -> None:
    """Lines of a revoked person stay, and hold nothing that can be opened or guessed."""
    with sqlite3.connect(busy.home / "vault.sqlite3") as raw:
        theirs = raw.execute(
            "SELECT event, opening FROM ledger WHERE identity_id = ?", (ada[0].identity_id,)
        ).fetchall()
    assert [event for event, _ in theirs] == ["put", "allow", "scene", "lease"]
    assert all(opening is None for _, opening in theirs)
    busy.verify_log()


def test_equal_events_commit_differently(busy) -> None:
    with sqlite3.connect(busy.home / "vault.sqlite3") as raw:
        commitments = [row[0] for row in raw.execute("SELECT commitment FROM ledger WHERE event = 'lease'")]
    assert len(set(commitments)) == 3
