"""Putting, leasing, granting: refusals first."""

from __future__ import annotations

import dataclasses
import stat

import numpy as np
import pytest

from cameo.errors import HandleTaken, PermissionDenied, UnknownHandle, UsageError
from cameo.vault import Vault
from enroll.consent import ConsentRecord
from enroll.errors import BadInput, ConsentExpired, ConsentInvalid


def unchanged(vault, scan, act, error, match=None):
    """``act`` is refused, and afterwards every file is what it was."""
    before = scan.files(vault.home)
    with pytest.raises(error, match=match) as caught:
        act()
    assert scan.files(vault.home) == before
    return caught.value


# --- put


@pytest.mark.sqlite
def test_a_consent_that_does_not_hold_stores_nothing(vault, person, clock, scan) -> None:
    identity, consent = person()
    request = ConsentRecord.new(name="Ada", handle="ada", now=clock())
    stranger = request.attest(by="Mallory", key=Vault(vault.home.with_name("other")).operator, now=clock())
    widened = consent.model_copy(update={"grants": ("everyone",)})
    for bad, match in [
        (request, "not signed"),
        (request.sign(vault.operator), "assurance requested"),
        (stranger, "nobody here trusts"),
        (widened, "changed after it was signed"),
        (person("grace")[1], "handle @grace, expected @ada"),
        (person("ada")[1], "rests on consent"),
    ]:
        error = unchanged(vault, scan, lambda bad=bad: vault.put(identity, bad), ConsentInvalid, match)
        assert error.exit_status == 3
    clock.advance(days=366)
    assert unchanged(vault, scan, lambda: vault.put(identity, consent), ConsentExpired).exit_status == 4


@pytest.mark.parametrize(
    ("scope", "beyond"), [(("face", "body"), "voice"), (("face", "voice"), "body"), (("voice", "body"), "face")]
)
def test_what_the_consent_does_not_cover_is_not_kept(vault, person, scan, scope, beyond) -> None:
    identity, consent = person(scope=scope)
    unchanged(vault, scan, lambda: vault.put(identity, consent), ConsentInvalid, f"the identity holds {beyond}")
    within = dataclasses.replace(
        identity,
        embeddings={n: e for n, e in identity.embeddings.items() if e.modality in scope},
        crops=tuple(c for c in identity.crops if {"head": "face", "body": "body"}[c.kind] in scope),
        speech=identity.speech if "voice" in scope else None,
    )
    assert vault.put(within, consent).consent.scope == scope


def test_a_handle_is_one_person(vault, ada, person, scan) -> None:
    error = unchanged(vault, scan, lambda: vault.put(*person("ada", seed=2)), HandleTaken, "@ada already")
    assert (error.exit_status, error.code) == (3, "handle_taken")


def test_an_identity_is_stored_once(vault, ada, person, scan) -> None:
    _, consent = person("grace")
    again = dataclasses.replace(ada[0], handle="grace", consent_id=consent.consent_id)
    unchanged(vault, scan, lambda: vault.put(again, consent), HandleTaken)
    vault.lease("ada").close()


@pytest.mark.parametrize("identity_id", ["../../escape", "", "a" * 36, "B0E0A3B4-0000-4000-8000-000000000000"])
def test_an_id_is_a_uuid(vault, person, scan, identity_id) -> None:
    identity, consent = person()
    odd = dataclasses.replace(identity, identity_id=identity_id)
    unchanged(vault, scan, lambda: vault.put(odd, consent), BadInput, "no UUID")


def test_what_put_and_show_tell(vault, person, clock) -> None:
    identity, consent = person(grants=("user:bob",), valid_days=30)
    entry = vault.put(identity, consent)
    assert vault.show("ada") == entry == vault.cast()[0]
    assert (entry.handle, entry.name, entry.status, entry.uses) == ("ada", consent.name, "active", 0)
    assert entry.coverage == identity.coverage and entry.created == identity.created
    assert entry.grants == ("owner", "user:bob")
    assert entry.consent.id == consent.consent_id and entry.consent.expires == consent.valid_until
    assert (entry.consent.assurance, entry.consent.attested_by) == ("attested", "Studio North")
    assert entry.embeddings["ge2e-256"].model_dump() == {
        "modality": "voice",
        "dim": 256,
        "views": 3,
        "seconds": 4.2,
        "quality": 0.9,
    }
    assert entry.crops == {"head": 2, "body": 1}


def test_the_cast_is_in_order(vault, person) -> None:
    assert vault.cast() == ()
    for seed, handle in enumerate(["grace", "ada", "mary_2"]):
        vault.put(*person(handle, seed=seed))
    assert [entry.handle for entry in vault.cast()] == ["ada", "grace", "mary_2"]


@pytest.mark.sqlite
def test_files_are_their_owners_alone(vault, ada) -> None:
    assert stat.S_IMODE(vault.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((vault.home / "blobs").stat().st_mode) == 0o700
    for name in ("vault.sqlite3", "master.key"):
        assert stat.S_IMODE((vault.home / name).stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_one(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be the vault's folder"):
        Vault(tmp_path / "file")


# --- lease


def test_nobody_there(vault, ada) -> None:
    for handle in ("grace", "", "ada ", "@ada", "ADA", "a\nb"):
        for act in (vault.lease, vault.show):
            with pytest.raises(UnknownHandle) as caught:
                act(handle)
            assert (caught.value.exit_status, caught.value.code) == (4, "unknown_handle")
            assert "\n" not in caught.value.message


def test_a_user_without_a_grant(vault, ada) -> None:
    with pytest.raises(PermissionDenied, match="@ada has not allowed mallory") as caught:
        vault.lease("ada", user="mallory")
    assert (caught.value.exit_status, caught.value.code) == (4, "cameo_permission_denied")
    assert caught.value.hint == "their owner can: cameo allow ada --user mallory"


def test_a_purpose_nobody_agreed_to(vault, ada) -> None:
    with pytest.raises(PermissionDenied, match="consented to generate, not to personalize"):
        vault.lease("ada", purpose="personalize")


def test_a_purpose_somebody_agreed_to(vault, person) -> None:
    vault.put(*person(uses=("generate", "personalize")))
    vault.lease("ada", purpose="personalize").close()


def test_grants(vault, ada) -> None:
    def may(user: str) -> bool:
        try:
            vault.lease("ada", user=user).close()
        except PermissionDenied:
            return False
        return True

    assert [may("owner"), may("bob"), may("user:bob"), may("carol"), may("everyone")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert vault.allow("ada", "carol").grants == ("owner", "user:bob", "user:carol")
    assert may("carol")
    assert vault.deny("ada", "bob").grants == ("owner", "user:carol")
    assert not may("bob")
    assert vault.allow("ada", "everyone").grants == ("owner", "user:carol", "everyone")
    assert may("dave") and not may("bob")
    assert vault.deny("ada", "everyone").grants == ("owner", "user:carol")
    assert [may("owner"), may("dave"), may("carol")] == [True, False, True]
    assert Vault(vault.home).show("ada").grants == ("owner", "user:carol")


def test_grants_do_not_reach_over_to_others(vault, ada, person) -> None:
    vault.put(*person("grace", seed=2))
    with pytest.raises(PermissionDenied):
        vault.lease("grace", user="bob")


def test_the_owner_cannot_be_denied(vault, ada) -> None:
    with pytest.raises(UsageError, match="owner always may"):
        vault.deny("ada", "owner")


@pytest.mark.parametrize("user", ["", "a b", "a\nb", "user:", "x" * 65, "\udcff", "everyone "])
def test_users_are_plain_words(vault, ada, user) -> None:
    for act in (vault.allow, vault.deny, vault.lease):
        with pytest.raises(UsageError):
            act("ada", user)


def test_a_lease_gives_the_very_same_person(vault, ada) -> None:
    original = ada[0]
    with Vault(vault.home).lease("ada", user="bob") as lease:
        identity = lease.identity
        assert (identity.identity_id, identity.handle, identity.created) == (
            original.identity_id,
            "ada",
            original.created,
        )
        for space, embedding in original.embeddings.items():
            assert np.array_equal(identity.embeddings[space].vector, embedding.vector)
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(identity.crops, original.crops, strict=True))
        assert np.array_equal(identity.speech.samples, original.speech.samples)


def test_when_a_lease_ends_its_memory_is_zero(vault, ada) -> None:
    with vault.lease("ada") as lease:
        identity = lease.identity
        arrays = [e.vector for e in identity.embeddings.values()]
        arrays += [view.vector for e in identity.embeddings.values() for view in e.views]
        arrays += [crop.pixels for crop in identity.crops] + [identity.speech.samples]
        assert all(array.any() for array in arrays) and len(arrays) == 16
    assert not any(array.any() for array in arrays)
    with pytest.raises(PermissionDenied, match="lease on @ada has ended"):
        _ = lease.identity
    lease.close()


def test_a_lease_ends_with_an_exception_too(vault, ada) -> None:
    with pytest.raises(RuntimeError), vault.lease("ada") as lease:
        vector = lease.identity.embeddings["ge2e-256"].vector
        raise RuntimeError
    assert not vector.any()


def test_a_lease_is_short(vault, ada, clock) -> None:
    lease = vault.lease("ada")
    vector = lease.identity.embeddings["ge2e-256"].vector
    clock.advance(minutes=59)
    assert lease.identity is not None and vector.any()
    clock.advance(minutes=1)
    with pytest.raises(PermissionDenied, match="has ended"):
        _ = lease.identity
    assert not vector.any()


def test_a_lease_does_not_outlive_the_consent(vault, person, clock) -> None:
    identity, consent = person(valid_days=1)
    vault.put(identity, consent)
    clock.advance(hours=23, minutes=30)
    assert vault.lease("ada").expires == consent.valid_until


def test_nothing_of_the_person_is_printed(vault, ada) -> None:
    with vault.lease("ada") as lease:
        shown = repr(lease) + repr(vault) + repr(lease.identity)
    assert "Lovelace" not in shown and "array" not in shown
