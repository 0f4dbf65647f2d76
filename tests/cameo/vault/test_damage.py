"""What is missing, changed or moved is noticed, and said: exit status 6, ``store_damaged``."""

from __future__ import annotations

import random
import shutil
import sqlite3

import pytest

from cameo.errors import StoreDamaged
from cameo.vault import Vault
from cameo.vault.schema import VERSION
from enroll.errors import KitError


@pytest.fixture
def damaged():
    def check(act, match: str | None = None) -> StoreDamaged:
        with pytest.raises(StoreDamaged, match=match) as caught:
            act()
        assert (caught.value.exit_status, caught.value.code) == (6, "store_damaged")
        assert "\n" not in caught.value.message and caught.value.hint
        return caught.value

    return check


def sealed(vault, identity):
    return vault.home / "blobs" / identity.identity_id / "identity.sealed"


@pytest.mark.parametrize("position", [0, 5, 13, 5000, -1])
def test_one_bit_of_a_ciphertext(vault, ada, damaged, position) -> None:
    path = sealed(vault, ada[0])
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)
    damaged(lambda: vault.lease("ada"))
    assert vault.verify_log().size == 1, "a refused lease leaves no line"


@pytest.mark.parametrize("length", [0, 1, 28, -1])
def test_a_ciphertext_cut_short(vault, ada, damaged, length) -> None:
    path = sealed(vault, ada[0])
    path.write_bytes(path.read_bytes()[:length])
    damaged(lambda: vault.lease("ada"))


def test_a_ciphertext_gone(vault, ada, damaged) -> None:
    sealed(vault, ada[0]).unlink()
    damaged(lambda: vault.lease("ada"), "missing|No such file")


def test_blobs_swapped_between_two_people(vault, ada, person, damaged) -> None:
    grace, consent = person("grace", seed=2)
    vault.put(grace, consent)
    one, two = sealed(vault, ada[0]), sealed(vault, grace)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    for handle in ("ada", "grace"):
        damaged(lambda handle=handle: vault.lease(handle), "does not verify")


@pytest.mark.parametrize("column", ["wrapped_key", "sealed_entry", "handle_tag", "consent_id"])
def test_columns_swapped_between_two_people(vault, ada, person, damaged, column) -> None:
    """Not even the person's own key moves with them: it is wrapped for one identity and one consent."""
    vault.put(*person("grace", seed=2))
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        (a, first), (b, second) = raw.execute(f"SELECT identity_id, {column} FROM identities").fetchall()  # noqa: S608
        spare = b"x" if isinstance(first, bytes) else "x"
        for identity_id, value in [(a, spare), (b, first), (a, second)]:
            raw.execute(f"UPDATE identities SET {column} = ? WHERE identity_id = ?", (value, identity_id))  # noqa: S608
    damaged(lambda: [vault.show("ada"), vault.show("grace")])


@pytest.mark.parametrize("table", ["consents", "grants"])
def test_rows_swapped_between_two_people(vault, ada, person, damaged, table) -> None:
    vault.put(*person("grace", seed=2))
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        ids = [row[0] for row in raw.execute("SELECT identity_id FROM identities")]
        for old, new in [(ids[0], "spare"), (ids[1], ids[0]), ("spare", ids[1])]:
            raw.execute(f"UPDATE {table} SET identity_id = ? WHERE identity_id = ?", (new, old))  # noqa: S608
    damaged(lambda: vault.lease("ada"))


def test_a_consent_removed_from_under_an_identity(vault, ada, damaged) -> None:
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        raw.execute("DELETE FROM consents")
    damaged(lambda: vault.lease("ada"), "consent of identity .* is missing")


def test_the_master_key_gone(vault, ada, damaged) -> None:
    (vault.home / "master.key").unlink()
    damaged(lambda: Vault(vault.home), "master.key cannot be read")
    assert not (vault.home / "master.key").exists(), "a lost key is never replaced by a new one"


def test_another_master_key(vault, ada, damaged, tmp_path) -> None:
    Vault(tmp_path / "other")
    shutil.copy2(tmp_path / "other" / "master.key", vault.home / "master.key")
    damaged(lambda: Vault(vault.home), "operator .* does not verify")


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 44, b"A" * 44])
def test_something_else_in_its_place(vault, ada, damaged, content) -> None:
    (vault.home / "master.key").write_bytes(content)
    damaged(lambda: Vault(vault.home))


def test_a_master_key_others_can_read(vault, ada, damaged) -> None:
    (vault.home / "master.key").chmod(0o640)
    assert "chmod 600" in damaged(lambda: Vault(vault.home), "can be read by others").hint


def test_the_database_gone(vault, ada, damaged) -> None:
    (vault.home / "vault.sqlite3").unlink()
    damaged(lambda: Vault(vault.home), "their database is gone")
    assert sealed(vault, ada[0]).exists(), "nothing is tidied away on the strength of a missing database"


@pytest.mark.parametrize("content", [b"not a database at all, not at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_the_database_replaced(vault, ada, damaged, content) -> None:
    (vault.home / "vault.sqlite3").write_bytes(content)
    damaged(lambda: Vault(vault.home), "does not answer")


def test_the_database_cut_short(vault, ada, damaged) -> None:
    path = vault.home / "vault.sqlite3"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    damaged(lambda: Vault(vault.home).verify_log())


def test_a_schema_that_is_no_text(vault, ada, damaged) -> None:
    path = vault.home / "vault.sqlite3"
    content = path.read_bytes()
    assert content.count(b"CREATE TABLE consents") == 1
    path.write_bytes(content.replace(b"CREATE TABLE consents", b"CREATE TABLE \xc2\xc2 \xc2ents"))
    damaged(lambda: Vault(vault.home))


def test_a_database_of_the_future(vault, ada, damaged) -> None:
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        raw.execute("UPDATE meta SET version = version + 1")
    damaged(lambda: Vault(vault.home), f"has format {VERSION + 1}, expected at most {VERSION}")


def test_any_byte_of_the_database(vault, ada, person, scan) -> None:
    """Whatever is changed in it: the very same person comes back, or one of our own errors; never another person,
    never somebody else's exception."""
    identity, _ = ada
    path = vault.home / "vault.sqlite3"
    whole = path.read_bytes()
    random_ = random.Random(7)
    noticed = 0
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(random_.choice([1, 8, 64])):
            content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
        path.write_bytes(content)
        try:
            again = Vault(vault.home)
            with again.lease("ada") as lease:
                assert lease.identity.identity_id == identity.identity_id
                assert lease.identity.clip_sha256 == identity.clip_sha256
            again.verify_log()
        except KitError:
            noticed += 1
        (vault.home / "vault.sqlite3-journal").unlink(missing_ok=True)
        if not sealed(vault, identity).exists():
            pytest.fail("a damaged database made the vault drop a person's blob")
    assert noticed > 15
