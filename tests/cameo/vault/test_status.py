"""How people stand, as others are told: who is out is in the very next list, and nobody gets another's index."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

import cameo.vault.allotment as allotment
from cameo.errors import Revoked, StoreDamaged, StoreFull, Suspended, UnknownHandle, UsageError
from cameo.status import LEAST_ENTRIES, MOST_ENTRIES
from cameo.vault import Vault
from cameo.vault.allotment import draw_indexes, size_for
from cameo.vault.schema import VERSION
from enroll.errors import ConsentExpired
from tests.cameo.vault.raw import change, rows

DIGEST = "a1" * 32


def marked(vault: Vault) -> tuple[int, set[int], set[int]]:
    """Epoch, and who is revoked and suspended in the list of now."""
    published = vault.status_list()
    published.verify(vault.trusted)
    revoked, suspended = (listed.bits for listed in published.credential_subject)
    return (
        published.epoch,
        {index for index in range(len(revoked)) if revoked[index]},
        {index for index in range(len(suspended)) if suspended[index]},
    )


def events(vault: Vault) -> list[str]:
    return [event for (event,) in rows(vault, "SELECT event FROM ledger ORDER BY seq")]


# --- suspended


def test_a_suspended_person_is_not_leased(vault, ada, scan) -> None:
    vault.suspend("ada", "on leave")
    before = scan.files(vault.home)
    for user in ("owner", "bob"):
        with pytest.raises(Suspended, match="@ada is suspended") as caught:
            vault.lease("ada", user=user)
        assert (caught.value.exit_status, caught.value.code) == (4, "cameo_suspended")
        assert caught.value.hint == "when they agree to go on: cameo resume ada"
    assert scan.files(vault.home) == before
    vault.resume("ada")
    vault.lease("ada", user="bob").close()


def test_a_scene_that_was_being_made_is_not_recorded(vault, ada) -> None:
    def record() -> None:
        vault.record_scene(
            sha256=DIGEST, path="s.mp4", identities=[ada[0].identity_id], user="bob", prompt="@ada", model="nano"
        )

    vault.suspend("ada")
    with pytest.raises(Suspended, match="@ada"):
        record()
    assert vault.find_scene(DIGEST) is None
    vault.resume("ada")
    record()
    assert vault.find_scene(DIGEST).cast[0].status == "in_force"
    vault.suspend("ada")
    assert vault.find_scene(DIGEST).cast[0].status == "suspended"
    assert vault.scene_cast([ada[1].consent_id])[0].status == "suspended"


def test_what_is_told_of_the_suspended(vault, ada, clock) -> None:
    entry = vault.suspend("ada", "on leave")
    assert entry == vault.show("ada") == vault.cast()[0]
    assert (entry.status, entry.suspended) == ("suspended", clock().replace(microsecond=0))
    assert (entry.name, entry.grants) == (ada[1].name, ("owner", "user:bob"))
    clock.advance(hours=1)
    assert vault.suspend("ada", "again") == entry
    entry = vault.resume("ada")
    assert (entry.status, entry.suspended) == ("active", None) and vault.resume("ada") == entry
    assert events(vault) == ["put", "suspend", "resume"]
    vault.verify_log()


def test_a_consent_that_ended_while_suspended_stays_ended(vault, person, clock) -> None:
    vault.put(*person("ada", valid_days=1))
    vault.suspend("ada")
    clock.advance(days=1)
    assert vault.show("ada").status == "expired"
    for act in (lambda: None, lambda: vault.resume("ada")):
        act()
        with pytest.raises(ConsentExpired):
            vault.lease("ada")


def test_nobody_to_suspend(vault, ada) -> None:
    for act in (vault.suspend, vault.resume):
        with pytest.raises(UnknownHandle):
            act("grace")
    with pytest.raises(UsageError, match="at most 200"):
        vault.suspend("ada", "x" * 201)
    assert vault.show("ada").status == "active"
    vault.revoke("ada")
    for act in (vault.suspend, vault.resume):
        with pytest.raises(Revoked):
            act("ada")


def test_a_reason_is_sealed_and_goes_with_the_person(vault, ada, scan) -> None:
    vault.suspend("ada", "because of the garden gate")
    needle = scan.windows(b"garden gate")
    assert scan.found(vault.home, needle) == []
    vault.revoke("ada")
    vault.verify_log()
    assert events(vault) == ["put", "suspend", "revoke", "purged"]


# --- published


def test_who_revoked_is_in_the_very_next_list_and_stays(vault, ada, person) -> None:
    vault.put(*person("grace"))
    mine, hers = (vault.show(handle).status_index for handle in ("ada", "grace"))
    assert marked(vault) == (1, set(), set())
    vault.revoke("ada")
    assert marked(vault) == (2, {mine}, set())
    assert Vault(vault.home).status_list().standing(mine) == "revoked"
    vault.put(*person("ada", seed=5))
    assert marked(vault) == (2, {mine}, set())
    vault.revoke("grace")
    assert marked(vault) == (3, {mine, hers}, set())


def test_who_is_suspended_is_in_the_next_list_until_they_resume(vault, ada) -> None:
    index = vault.show("ada").status_index
    for epoch, act, paused in [(1, vault.suspend, {index}), (2, vault.resume, set()), (3, vault.suspend, {index})]:
        act("ada")
        assert marked(vault) == (epoch, set(), paused)
    vault.revoke("ada")
    assert marked(vault) == (4, {index}, set())


def test_a_revocation_that_was_killed_half_way_is_in_the_list(vault, ada, monkeypatch) -> None:
    """The bit comes with the loss of the key, not with the rest."""
    index = vault.show("ada").status_index

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(vault, "_purge", killed)
    with pytest.raises(KeyboardInterrupt):
        vault.revoke("ada")
    assert marked(vault)[1] == {index}


def test_who_is_swept_out_is_in_the_list(vault, person, clock) -> None:
    vault.put(*person("ada", valid_days=10, retention_days=5))
    index = vault.show("ada").status_index
    clock.advance(days=15)
    assert marked(Vault(vault.home, clock=clock))[1] == {index}


def test_the_epoch_counts_what_changed_and_nothing_else(vault, ada, person, clock) -> None:
    assert vault.status_list().epoch == 1
    vault.put(*person("grace"))
    vault.lease("ada").close()
    vault.allow("ada", "carol")
    clock.advance(hours=3)
    again = Vault(vault.home, clock=clock).status_list()
    assert again.epoch == 1 and again.valid_from == clock().replace(microsecond=0)
    vault.suspend("ada")
    vault.resume("ada")
    assert vault.status_list().epoch == 3
    vault.suspend("grace")
    vault.suspend("grace")
    assert vault.status_list().epoch == 4


def test_how_long_it_may_be_relied_on(vault, ada, scan) -> None:
    issued = vault.status_list(timedelta(hours=2))
    assert issued.valid_until - issued.valid_from == timedelta(hours=2)
    assert vault.status_list(timedelta(days=31)).epoch == 1
    before = scan.files(vault.home)
    for wrong in (timedelta(0), timedelta(hours=-1), timedelta(milliseconds=999), timedelta(days=31, seconds=1)):
        with pytest.raises(UsageError, match="up to 744 hours"):
            vault.status_list(wrong)
    assert scan.files(vault.home) == before


def test_a_list_names_nobody(vault, ada) -> None:
    vault.suspend("ada", "on leave")
    text = vault.status_list().to_json()
    assert not any(word in text for word in ("ada", ada[0].identity_id, ada[1].consent_id, ada[1].name, "leave"))


def test_an_index_that_was_changed_beyond_the_list(vault, ada) -> None:
    vault.suspend("ada")
    for index in (-1, LEAST_ENTRIES):
        change(vault, "UPDATE identities SET status_index = ?", index)
        with pytest.raises(StoreDamaged, match=f"index {index} is not in a list"):
            vault.status_list()


# --- allotted


def test_an_index_is_never_used_again(vault, person, clock, monkeypatch) -> None:
    """In a list so short that it would be: 16 entries, of which 14 are given before it doubles."""
    monkeypatch.setattr(allotment, "LEAST_ENTRIES", 16)
    monkeypatch.setattr(allotment, "_FULL", (7, 8))
    # No list of the standard is so short.
    monkeypatch.setattr(Vault, "status_list", lambda *_: None)
    given = []
    for n in range(14):
        vault.put(*person("ada", seed=n))
        given.append(vault.show("ada").status_index)
        clock.advance(seconds=1)
        assert vault.revoke("ada") and vault.show("ada").status_index == given[-1]
    assert len(set(given)) == 14 and max(given) < 16
    vault.put(*person("ada", seed=14))
    assert size_for(15) == 32 and vault.show("ada").status_index not in given


def test_the_order_of_indexes_says_nothing(vault, person) -> None:
    """Of 12 people, the order of coming and that of the indexes agree by chance alone once in half a billion."""
    for n in range(12):
        vault.put(*person(f"p{n}"))
    indexes = [vault.show(f"p{n}").status_index for n in range(12)]
    assert indexes != sorted(indexes) and max(indexes) > 1000
    assert len(set(indexes)) == 12 and all(0 <= index < LEAST_ENTRIES for index in indexes)


def test_the_list_doubles_when_it_is_nearly_full() -> None:
    for people, size in [(0, 2**17), (126_976, 2**17), (126_977, 2**18), (1_000_000, 2**20), (1_015_809, 2**21)]:
        assert size_for(people) == size
    assert size_for(16_252_928) == MOST_ENTRIES
    with pytest.raises(StoreFull, match="16777216"):
        size_for(16_252_929)
    drawn = draw_indexes(126_976)
    assert len(set(drawn)) == 126_976 and max(drawn) < 2**17


# --- from an older vault


@pytest.mark.sqlite
def test_a_vault_of_format_two_gets_its_indexes(vault, ada, person, clock, as_format) -> None:
    for handle in ("grace", "mary"):
        vault.put(*person(handle))
    vault.revoke("mary", reason="enough")
    certificate = vault.revoke("mary")
    as_format(vault, 2)

    again = Vault(vault.home, clock=clock)
    indexes = [again.show(handle).status_index for handle in ("ada", "grace", "mary")]
    assert len(set(indexes)) == 3 and all(0 <= index < LEAST_ENTRIES for index in indexes)
    assert marked(again) == (1, {indexes[2]}, set())
    again.suspend("ada")
    assert marked(again) == (2, {indexes[2]}, {indexes[0]})
    assert again.revoke("mary") == certificate
    again.lease("grace").close()
    again.verify_log()
    again.put(*person("eve"))
    assert [Vault(vault.home).show(handle).status_index for handle in ("ada", "grace", "mary")] == indexes
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        assert raw.execute("SELECT version FROM meta").fetchone() == (VERSION,)
        for table in ("identities", "tombstones"):
            with pytest.raises(sqlite3.IntegrityError, match="status_index"):
                raw.execute(f"UPDATE {table} SET status_index = 5")  # noqa: S608
                raw.execute(f"INSERT INTO {table} SELECT * FROM {table}")  # noqa: S608


@pytest.mark.sqlite
def test_an_upgrade_that_fails_leaves_the_older_vault(vault, ada, clock, as_format, monkeypatch) -> None:
    as_format(vault, 2)
    before = (vault.home / "vault.sqlite3").read_bytes()

    def full(people: int) -> list[int]:
        raise StoreFull("no room")

    monkeypatch.setattr(allotment, "draw_indexes", full)
    with pytest.raises(StoreFull):
        Vault(vault.home, clock=clock)
    assert (vault.home / "vault.sqlite3").read_bytes() == before
    monkeypatch.undo()
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    assert Vault(vault.home, clock=clock).show("ada").status == "active"
