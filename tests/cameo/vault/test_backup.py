"""A copy put back brings nobody back who left, however it is put back."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta

import numpy as np
import pytest

from cameo.errors import InputRefused, Revoked, StoreBusy, StoreDamaged, Suspended
from cameo.status import StatusReader
from cameo.studio import Studio
from cameo.vault import Vault
from enroll.signature import thumbprint


@pytest.fixture
def copy(vault, ada, person, tmp_path):
    """Of a vault with ada, grace and mary in it."""
    vault.put(*person("grace"))
    vault.put(*person("mary"))
    vault.backup(tmp_path / "copy")
    return tmp_path / "copy"


def test_a_copy_opens_in_either_kind_of_vault(vault, copy, ada, clock, tmp_path, store, postgresql, scan) -> None:
    """Moved there and back; what was written meanwhile gets the numbers after those that came."""
    for turn in range(2):
        with pytest.MonkeyPatch.context() as patch:
            elsewhere = turn if store == "postgresql" else not turn
            patch.setenv("CAMEO_DATABASE", postgresql.new_database() if elsewhere else "")
            home = tmp_path / f"home{turn}"
            home.mkdir()
            for name in ("master.key", "keys.tree"):
                shutil.copy2(vault.home / name, home)
            moved = Vault.restore(copy, home, clock=clock)
            assert handles(moved) == ["ada", "grace", "mary"]
            with moved.lease("ada") as lease:
                assert np.array_equal(scan.fragments(lease.identity), scan.fragments(ada[0]))
            moved.allow("mary", f"user{turn}")
            moved.forbid("mary", f"rule{turn}")
            before = moved.verify_log()
            moved.backup(tmp_path / f"copy{turn}")
            copy = tmp_path / f"copy{turn}"
    assert before.size == 3 + 2 * 3 and moved.show("mary").rules == ("rule0", "rule1")
    assert moved.show("mary").grants == ("owner", "user:user0", "user:user1")


def handles(vault: Vault) -> list[str]:
    return [entry.handle for entry in vault.cast()]


def test_who_left_since_is_destroyed_again(vault, copy, clock, person) -> None:
    vault.revoke("ada")
    vault.suspend("grace")
    vault.put(*person("later"))
    assert Studio(vault.home).restore(copy) == 1
    again = Vault(vault.home, clock=clock)
    assert handles(again) == ["grace", "mary"]
    with pytest.raises(Revoked):
        again.lease("ada")
    with pytest.raises(Suspended):
        again.lease("grace")
    again.lease("mary").close()
    assert again.revoke("ada").reason == "revoked before this copy of the vault was put back"
    assert not (vault.home / "blobs" / again.show("ada").identity_id).exists()
    again.verify_log()


@pytest.mark.sqlite
def test_a_database_copied_over_by_hand_is_held_to_the_list_too(vault, copy, clock) -> None:
    vault.revoke("mary")
    shutil.copyfile(copy / "vault.sqlite3", vault.home / "vault.sqlite3")
    shutil.copytree(copy / "blobs", vault.home / "blobs", dirs_exist_ok=True)
    assert handles(Vault(vault.home, clock=clock)) == ["ada", "grace"]


def test_the_list_is_there_before_a_revocation_is_acknowledged(vault, copy, clock, monkeypatch) -> None:
    """Killed after the key was destroyed and before anything else: the next opening finishes, and writes it."""
    monkeypatch.setattr(Vault, "_purge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        vault.revoke("ada")
    monkeypatch.undo()
    Vault(vault.home, clock=clock)
    Studio(vault.home).restore(copy)
    assert handles(Vault(vault.home, clock=clock)) == ["grace", "mary"]


def test_in_an_empty_home_a_later_list_does_the_same(vault, copy, clock, tmp_path) -> None:
    vault.revoke("ada")
    vault.status_list(timedelta(hours=1)).save(tmp_path / "list.json")
    clock.advance(days=2)
    home = tmp_path / "fresh"
    home.mkdir()
    for name in ("master.key", "keys.tree"):
        shutil.copy2(vault.home / name, home / name)
    assert Studio(home).restore(copy, status=tmp_path / "list.json") == 1
    assert handles(Vault(home, clock=clock)) == ["grace", "mary"]


def test_the_lists_after_that_are_later_ones(vault, copy, clock, tmp_path) -> None:
    reader = StatusReader(tmp_path / "reader", vault.trusted, clock=clock)
    vault.revoke("ada")
    before = reader.accept(vault.status_list())
    Studio(vault.home).restore(copy)
    again = Vault(vault.home, clock=clock)
    after = reader.accept(again.status_list())
    assert after.epoch > before.epoch or after.says_the_same_as(before)
    index = again.show("ada").status_index
    assert reader.standing(thumbprint(again.operator), index) == "revoked"


def test_a_copy_holds_nothing_in_plain_and_no_key(copy, ada, scan) -> None:
    assert scan.found(copy, scan.fragments(ada[0])) == []
    assert {path.name for path in copy.iterdir()} == {"vault.sqlite3", "blobs"}
    with pytest.raises(StoreDamaged):
        Vault(copy)


def test_what_is_no_copy(vault, ada, tmp_path, clock, scan) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "vault.sqlite3").write_bytes(b"no database at all" * 99)
    before = scan.files(vault.home)
    for folder in (tmp_path / "none", tmp_path / "empty", tmp_path / "other"):
        with pytest.raises(InputRefused, match="holds no copy"):
            Studio(vault.home).restore(folder)
    with pytest.raises(InputRefused, match="cannot be made"):
        vault.backup(tmp_path / "empty")
    assert scan.files(vault.home) == before


@pytest.mark.sqlite
def test_a_copy_of_another_vault_does_not_open(vault, ada, copy, tmp_path, clock) -> None:
    other = Vault(tmp_path / "other", clock=clock)
    with pytest.raises(StoreDamaged):
        Studio(other.home).restore(copy)


def test_a_changed_list_is_not_passed_over(vault, copy) -> None:
    vault.revoke("ada")
    (path,) = (vault.home / "status").iterdir()
    path.write_text(path.read_text().replace('"epoch":', '"epoch":1'))
    with pytest.raises(StoreDamaged, match="own status list"):
        Vault(vault.home)


def test_a_copy_is_of_one_moment(vault, copy) -> None:
    with sqlite3.connect(copy / "vault.sqlite3") as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (count,) = raw.execute("SELECT COUNT(*) FROM identities").fetchone()
    assert count == len(list((copy / "blobs").iterdir())) == 3


@pytest.mark.sqlite
def test_the_database_stays_the_file_that_others_have_open(vault, copy, person) -> None:
    """Another in its place would be taken, by who waits for the old one's lock, for one whose writer died."""
    vault.put(*person("later"))
    with closing(sqlite3.connect(vault.home / "vault.sqlite3")) as waiting:
        assert waiting.execute("SELECT COUNT(*) FROM identities").fetchone() == (4,)
        Vault.restore(copy, vault.home)
        assert waiting.execute("SELECT COUNT(*) FROM identities").fetchone() == (3,)


@pytest.mark.sqlite
@pytest.mark.parametrize("left", [None, b"", b"no database at all" * 99])
def test_a_copy_takes_the_place_of_what_is_no_database(vault, copy, clock, left) -> None:
    (path := vault.home / "vault.sqlite3").unlink()
    if left is not None:
        path.write_bytes(left)
    Vault.restore(copy, vault.home, clock=clock)
    assert handles(Vault(vault.home, clock=clock)) == ["ada", "grace", "mary"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.sqlite
def test_a_copy_waits_for_who_is_at_work_and_not_for_ever(vault, copy, clock, monkeypatch, person) -> None:
    vault.put(*person("later"))
    monkeypatch.setattr("cameo.vault.sqlite.BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(vault.home / "vault.sqlite3", isolation_level=None)) as working:
        working.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            Vault.restore(copy, vault.home, clock=clock)
    assert handles(Vault(vault.home, clock=clock)) == ["ada", "grace", "later", "mary"]


def test_nobody_sees_a_copy_before_it_is_held_to_what_happened_since(vault, copy, clock, monkeypatch) -> None:
    """Another process has the vault open while the copy is put back."""
    vault.revoke("ada")
    vault.suspend("grace")
    other, seen = Vault(vault.home, clock=clock), []

    original = Vault._reconcile

    def amid(self: Vault, session: object) -> tuple[str, ...]:
        seen.append([other.may(handle).code for handle in ("ada", "grace")])
        return original(self, session)

    monkeypatch.setattr(Vault, "_reconcile", amid)
    Vault.restore(copy, vault.home, clock=clock)
    assert seen == [["cameo_revoked", "cameo_suspended"]]
    monkeypatch.undo()
    Vault.restore(copy, vault.home, clock=clock)
    assert [other.may(handle).code for handle in ("ada", "grace")] == ["cameo_revoked", "cameo_suspended"]


def test_a_copy_that_does_not_open_leaves_all_as_it_was(vault, copy, tmp_path, clock, scan, store, postgresql) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAMEO_DATABASE", postgresql.new_database() if store == "postgresql" else "")
        other = Vault(tmp_path / "other", clock=clock)
        before = scan.files(other.home)
        with pytest.raises(StoreDamaged):
            Vault.restore(copy, other.home, clock=clock)
        assert {name: content for name, content in scan.files(other.home).items() if "blobs" not in name} == before
        Vault(other.home, clock=clock).verify_log()
