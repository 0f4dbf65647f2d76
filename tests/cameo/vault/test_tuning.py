"""People's own LoRAs: under their key, and gone with it."""

from __future__ import annotations

import secrets

import pytest

from cameo.errors import PermissionDenied, Revoked, Suspended
from cameo.vault import Vault
from enroll.errors import ConsentExpired

WEIGHTS = secrets.token_bytes(20_000)


@pytest.fixture
def agreed(vault, person):
    """Somebody who agreed to be personalized, by bob too."""
    identity, consent = person("ada", uses=("generate", "personalize"), grants=("owner", "user:bob"))
    vault.put(identity, consent)
    return identity, consent


def keep(vault, weights: bytes = WEIGHTS, version: str = "1") -> None:
    with vault.lease("ada", purpose="personalize") as lease:
        vault.keep_tuning(lease, "nano", version, weights)


def test_it_is_there_for_this_generator_and_no_other(vault, agreed):
    keep(vault)
    with vault.lease("ada", user="bob") as lease:
        assert vault.tuning(lease, "nano", "1") == WEIGHTS
        assert vault.tuning(lease, "nano", "2") is None
        assert vault.tuning(lease, "another", "1") is None
        assert [vault.tuned_elsewhere(lease, "nano", version) for version in ("1", "2")] == [False, True]


def test_of_whom_nothing_was_learned_nothing_lies_unused(vault, agreed):
    with vault.lease("ada") as lease:
        assert not vault.tuned_elsewhere(lease, "nano", "1")


def test_a_new_one_takes_the_place_of_the_former(vault, agreed):
    keep(vault)
    keep(vault, b"second")
    with vault.lease("ada") as lease:
        assert vault.tuning(lease, "nano", "1") == b"second"


def test_nothing_of_it_lies_in_plain(vault, agreed):
    keep(vault)
    for path in vault.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(WEIGHTS[at : at + 16] in content for at in range(0, len(WEIGHTS) - 16, 500))


def test_it_leaves_with_the_person(vault, agreed):
    keep(vault)
    lease = vault.lease("ada", purpose="personalize")
    certificate = vault.revoke("ada")
    assert certificate.destroyed.blobs == 2
    assert not list(vault.home.rglob("*.sealed"))
    with pytest.raises(Revoked):
        vault.tuning(lease, "nano", "1")
    with pytest.raises(Revoked):
        vault.keep_tuning(lease, "nano", "1", WEIGHTS)
    assert not list(vault.home.rglob("*.sealed"))


def test_it_is_in_a_copy_of_the_vault(vault, agreed, tmp_path, clock):
    keep(vault)
    vault.backup(tmp_path / "copy")
    keep(vault, b"later")
    again = Vault.restore(tmp_path / "copy", vault.home, clock=clock)
    with again.lease("ada") as lease:
        assert again.tuning(lease, "nano", "1") == WEIGHTS


def test_who_did_not_agree_to_it_is_not_personalized(vault, ada):
    with pytest.raises(PermissionDenied, match="not to personalize"):
        vault.lease("ada", purpose="personalize")
    with vault.lease("ada") as lease, pytest.raises(PermissionDenied, match="is to generate"):
        vault.keep_tuning(lease, "nano", "1", WEIGHTS)


def test_who_is_suspended_meanwhile_keeps_nothing(vault, agreed):
    with vault.lease("ada", purpose="personalize") as lease:
        vault.suspend("ada")
        with pytest.raises(Suspended):
            vault.keep_tuning(lease, "nano", "1", WEIGHTS)
    assert not list(vault.home.rglob("lora-*"))


def test_a_lease_that_ended_opens_nothing(vault, agreed, clock):
    keep(vault)
    lease = vault.lease("ada", purpose="personalize")
    lease.close()
    with pytest.raises(PermissionDenied, match="has ended"):
        vault.tuning(lease, "nano", "1")
    lease = vault.lease("ada", purpose="personalize")
    clock.advance(days=4000)
    with pytest.raises((PermissionDenied, ConsentExpired)):
        vault.keep_tuning(lease, "nano", "1", WEIGHTS)


def test_anothers_does_not_open(vault, agreed, person):
    """A ciphertext that is moved to another person is no ciphertext of theirs."""
    from cameo.errors import StoreDamaged

    keep(vault)
    identity, consent = person("grace", uses=("generate", "personalize"))
    vault.put(identity, consent)
    folders = {path.parent.name: path for path in vault.home.rglob("lora-*.sealed")}
    (source,) = folders.values()
    (source.parent.parent / identity.identity_id / source.name).write_bytes(source.read_bytes())
    with vault.lease("grace") as lease, pytest.raises(StoreDamaged):
        vault.tuning(lease, "nano", "1")
