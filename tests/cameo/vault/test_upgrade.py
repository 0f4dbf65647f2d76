"""Vaults of earlier versions: opened, and nothing in them lost or believed that should not be."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest

from cameo.errors import CertificateInvalid, Revoked, StoreDamaged
from cameo.vault import Certificate, Vault
from cameo.vault.entries import ChainHead
from cameo.vault.schema import VERSION
from tests.cameo.log import judge
from tests.cameo.vault.older import MADE, unpack_format_2
from tests.cameo.vault.test_ledger import entries_of, lines_of, tamper


@pytest.fixture
def old_home(tmp_path):
    unpack_format_2(tmp_path / "old")
    return tmp_path / "old"


def rows(home, columns: str) -> list[tuple]:
    with sqlite3.connect(home / "vault.sqlite3") as raw:
        return raw.execute(f"SELECT {columns} FROM ledger ORDER BY seq").fetchall()  # noqa: S608


def test_a_chain_becomes_a_tree_over_the_same_lines(old_home) -> None:
    kept = "seq, at, event, commitment, identity_id, opening"
    before = rows(old_home, kept)
    vault = Vault(old_home, clock=lambda: MADE)
    assert rows(old_home, kept) == before and len(before) == 15
    head = vault.verify_log()
    assert (head.size, head.root) == (15, judge.mth(entries_of(vault)).hex())
    with sqlite3.connect(old_home / "vault.sqlite3") as raw:
        assert raw.execute("SELECT version FROM meta").fetchone() == (VERSION,)
    assert Vault(old_home, clock=lambda: MADE).verify_log() == head, "opened again, nothing changes"
    certificate = vault.revoke("grace")
    certificate.verify(vault.trusted)
    assert certificate.check_log(vault.log_key).size == 17
    assert vault.prove(handle="ada").verify(vault.log_key).size == 17


def test_certificates_of_that_time_still_hold(old_home, tmp_path) -> None:
    vault = Vault(old_home, clock=lambda: MADE)
    for handle, kept in [("ada", False), ("eve", True)]:
        certificate = vault.revoke(handle)
        assert certificate.format == "cameo-deletion/2" and (certificate.kept is not None) is kept
        assert isinstance(certificate.ledger, ChainHead)
        certificate.save(tmp_path / "certificate.json")
        again = Certificate.load(tmp_path / "certificate.json")
        again.verify(vault.trusted)
        assert again == certificate
        with pytest.raises(CertificateInvalid, match="no proofs") as caught:
            again.check_log(vault.log_key)
        assert "earlier Cameo" in caught.value.hint
        fields = json.loads(certificate.to_json())
        forged = Certificate.model_validate_json(json.dumps(fields | {"format": "cameo-deletion/3"}))
        with pytest.raises(CertificateInvalid, match="was changed"):
            forged.verify(vault.trusted)


CHANGES = [
    "UPDATE ledger SET at = at - 1 WHERE seq = 1",
    "UPDATE ledger SET event = 'put' WHERE seq = 9",
    "UPDATE ledger SET link = zeroblob(32) WHERE seq = 15",
    "UPDATE ledger SET commitment = zeroblob(32) WHERE seq = 7",
    "UPDATE ledger SET at = 1 << 60 WHERE seq = 3",
    "DELETE FROM ledger WHERE seq = 15",
    "DELETE FROM ledger WHERE seq = 1",
    "UPDATE meta SET head = substr(head, 1, length(head) - 4) || 'AAAA'",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_chain_that_does_not_verify_is_not_signed_again(old_home, change) -> None:
    with sqlite3.connect(old_home / "vault.sqlite3") as raw:
        assert raw.execute(change).rowcount == 1
    vault = Vault(old_home, clock=lambda: MADE)
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            vault.verify_log()
        vault = Vault(old_home, clock=lambda: MADE)
    with pytest.raises(StoreDamaged):
        vault.allow("grace", "carol")
    vault.revoke("grace").verify(vault.trusted)
    with pytest.raises(Revoked):
        vault.lease("grace")


def test_an_upgrade_is_done_whole_or_not_at_all(vault, ada, as_format) -> None:
    """The step fails at its end: the vault is still one of format 2, and the next opening goes through."""
    as_format(vault, 2)
    before = rows(vault.home, "*")
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        raw.execute("CREATE TRIGGER no BEFORE UPDATE ON meta BEGIN SELECT raise(ABORT, 'no'); END")
    with pytest.raises(StoreDamaged):
        Vault(vault.home)
    assert rows(vault.home, "*") == before and rows(vault.home, "length(link)") == [(32,)]
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        assert raw.execute("SELECT version FROM meta").fetchone() == (2,)
        raw.execute("DROP TRIGGER no")
    assert Vault(vault.home).verify_log().size == 1


def test_the_shape_of_an_upgraded_vault_is_that_of_a_new_one(old_home, vault) -> None:
    Vault(old_home, clock=lambda: MADE)

    def columns(home) -> dict[str, list[tuple]]:
        with sqlite3.connect(home / "vault.sqlite3") as raw:
            tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            # A column that was added has a default, on which nothing relies.
            return {t: [(*row[:4], row[5]) for row in raw.execute(f"PRAGMA table_info({t})")] for t in tables}

    assert columns(old_home) == columns(vault.home)


def test_a_vault_of_the_future_is_left_alone(old_home, tmp_path) -> None:
    shutil.copytree(old_home, tmp_path / "copy")
    with sqlite3.connect(old_home / "vault.sqlite3") as raw:
        raw.execute("UPDATE meta SET version = ?", (VERSION + 1,))
    with pytest.raises(StoreDamaged, match="has format"):
        Vault(old_home)
    assert rows(old_home, "link") == rows(tmp_path / "copy", "link")


def test_lines_are_added_after_an_upgrade(old_home) -> None:
    vault = Vault(old_home, clock=lambda: MADE)
    early = vault.verify_log().size
    vault.allow("grace", "carol")
    assert vault.prove_growth(early).verify(vault.log_key).size == early + 1 == len(lines_of(vault))
    tamper(vault, "UPDATE ledger SET at = at + 1 WHERE seq = 16")
    with pytest.raises(StoreDamaged):
        vault.verify_log()
