"""Nobody is enrolled twice unawares, and whoever asked to stay away is kept away: refusals first."""

from __future__ import annotations

import dataclasses
import json
import sqlite3

import numpy as np
import pytest

from cameo.errors import (
    AlreadyEnrolled,
    EnrollmentRefused,
    PermissionDenied,
    Revoked,
    StoreDamaged,
    UnknownHandle,
)
from cameo.vault import Vault
from cameo.vault.certificate import Certificate
from cameo.vault.duplicates import GUARDS, with_guard
from cameo.vault.schema import VERSION
from enroll.identity import Identity
from tests.cameo.vault.raw import rows

FACE, VOICE = GUARDS


def like(identity: Identity, other: Identity, distance: float, space: str = FACE, seed: int = 0) -> Identity:
    """``identity`` with the face (or voice) of ``other``, as far off as another clip would be."""
    near = other.embeddings[space]
    way = np.random.default_rng(seed).normal(size=near.dim)
    vector = (near.vector + distance * way / np.linalg.norm(way)).astype(np.float32)
    return dataclasses.replace(
        identity, embeddings=dict(identity.embeddings) | {space: dataclasses.replace(near, vector=vector)}
    )


def without(identity: Identity, *modalities: str) -> Identity:
    return dataclasses.replace(
        identity,
        embeddings={n: e for n, e in identity.embeddings.items() if e.modality not in modalities},
        crops=tuple(c for c in identity.crops if {"head": "face", "body": "body"}[c.kind] not in modalities),
        speech=None if "voice" in modalities else identity.speech,
    )


@pytest.fixture
def same(person, ada):
    """``same("grace")``: Ada once more, under another handle and another consent."""

    def same(handle: str, distance: float = 0.25, **fields: object):
        identity, consent = person(handle, seed=77, **fields)
        return like(identity, ada[0], distance), consent

    return same


@pytest.mark.parametrize("distance", [0.0, 0.2, 0.35])
def test_who_is_here_under_another_handle_is_noticed_before_anything_is_stored(vault, same, scan, distance) -> None:
    before = scan.files(vault.home)
    with pytest.raises(AlreadyEnrolled, match="as @ada") as caught:
        vault.put(*same("grace", distance))
    assert (caught.value.code, caught.value.exit_status) == ("already_enrolled", 4)
    assert "--again" in caught.value.hint
    assert scan.files(vault.home) == before
    assert [entry.handle for entry in vault.cast()] == ["ada"]


@pytest.mark.parametrize("distance", [0.6, 0.8, 2.0])
def test_somebody_else_is_not(vault, same, distance) -> None:
    vault.put(*same("grace", distance))
    assert [entry.handle for entry in vault.cast()] == ["ada", "grace"]


def test_the_operator_may_know_better_and_the_ledger_keeps_that(vault, ada, same) -> None:
    identity, consent = same("grace")
    vault.put(identity, consent, again=True)
    assert [entry.handle for entry in vault.cast()] == ["ada", "grace"]
    ((sealed,),) = rows(
        vault, "SELECT opening FROM ledger WHERE identity_id = ? AND event = 'put'", identity.identity_id
    )
    from cameo.vault.cipher import open_sealed

    with vault._database.transaction() as session:
        owner = vault._people.owner(vault._people.alive(session, "grace"))
    detail = json.loads(open_sealed(owner.key, sealed, owner.context("ledger 2")))["detail"]
    assert detail == {"consent_id": consent.consent_id, "again": ada[0].identity_id}
    vault.verify_log()


def test_once_revoked_they_may_come_back_under_any_handle(vault, same) -> None:
    certificate = vault.revoke("ada")
    assert certificate.kept is None and certificate.destroyed.sketches == 2
    assert rows(vault, "SELECT count(*) FROM sketches") == [(0,)]
    vault.put(*same("grace"))


def test_who_asked_not_to_be_enrolled_again_is_refused(vault, ada, same, scan, tmp_path) -> None:
    certificate = vault.revoke("ada", reason="enough", never_again=True)
    assert certificate.destroyed.sketches == 0
    assert certificate.kept is not None and certificate.kept.sketches == 2
    assert "refuses a new enrollment" in certificate.kept.what
    certificate.save(tmp_path / "certificate.json")
    Certificate.load(tmp_path / "certificate.json").verify(vault.trusted)
    before = scan.files(vault.home)
    for again in (False, True):
        for handle in ("grace", "ada"):
            with pytest.raises(EnrollmentRefused, match="asked not to be enrolled again") as caught:
                vault.put(*same(handle), again=again)
    assert (caught.value.code, caught.value.exit_status) == ("enrollment_barred", 4)
    assert scan.files(vault.home) == before
    with pytest.raises(Revoked):
        vault.lease("ada")
    vault.verify_log()
    # Another process, another day: the bar is at rest.
    with pytest.raises(EnrollmentRefused):
        Vault(vault.home).put(*same("grace"))


def test_nothing_of_the_person_but_the_sketch_is_left(vault, ada, person, scan) -> None:
    vault.revoke("ada", never_again=True)
    assert scan.found(vault.home, scan.fragments(ada[0])) == []
    vault.put(*person("eve", seed=5))


def test_the_bar_is_lifted_by_the_certificate_alone(vault, ada, same) -> None:
    certificate = vault.revoke("ada", never_again=True)
    for wrong in (ada[0].identity_id, ada[1].consent_id, "ada", "", "%"):
        with pytest.raises(UnknownHandle, match="no bar"):
            vault.unbar(wrong)
    vault.unbar(certificate.certificate_id)
    assert rows(vault, "SELECT count(*) FROM sketches") == [(0,)]
    assert rows(vault, "SELECT event FROM ledger ORDER BY seq DESC LIMIT 1") == [("unbar",)]
    with pytest.raises(UnknownHandle, match="no bar"):
        vault.unbar(certificate.certificate_id)
    vault.put(*same("grace"))
    vault.verify_log()


def test_a_wish_that_comes_too_late_is_not_swallowed(vault, ada) -> None:
    vault.revoke("ada")
    with pytest.raises(PermissionDenied, match="nothing is here"):
        vault.revoke("ada", never_again=True)


def test_asked_twice_the_certificate_is_the_same(vault, ada) -> None:
    first = vault.revoke("ada", never_again=True)
    assert vault.revoke("ada", never_again=True) == first == vault.revoke("ada")


def test_retention_ends_without_a_bar(vault, person, clock, ada) -> None:
    clock.advance(days=1000)
    assert rows(Vault(vault.home, clock=clock), "SELECT count(*) FROM sketches") == [(0,)]


def test_a_voice_serves_where_the_consent_leaves_the_face_out(vault, person, ada) -> None:
    identity, consent = person("grace", seed=77, scope=("voice",))
    spoken = without(like(identity, ada[0], 0.3, VOICE), "face", "body")
    with pytest.raises(AlreadyEnrolled, match="as @ada"):
        vault.put(spoken, consent)
    vault.put(without(like(identity, ada[0], 1.2, VOICE), "face", "body"), consent)


def test_a_voice_does_not_accuse_who_shows_another_face(vault, person, ada) -> None:
    identity, consent = person("grace", seed=77)
    vault.put(like(identity, ada[0], 0.1, VOICE), consent)


def test_a_body_alone_is_not_recognised_and_cannot_be_barred(vault, person) -> None:
    identity, consent = person("grace", seed=77, scope=("body",))
    vault.put(without(identity, "face", "voice"), consent)
    with pytest.raises(PermissionDenied, match="nothing is here by which @grace") as caught:
        vault.revoke("grace", never_again=True)
    assert "cameo revoke grace" in caught.value.hint
    assert vault.show("grace").status == "active"
    vault.revoke("grace")


def test_who_chooses_encoders_does_not_choose_whether_a_bar_holds() -> None:
    assert with_guard(None, ("face",)) is None
    assert with_guard(("arcface-buffalo_l-512",), ("face", "voice")) == ("arcface-buffalo_l-512", FACE)
    assert with_guard((FACE,), ("face",)) == (FACE,)
    assert with_guard(("ecapa-192",), ("voice", "body")) == ("ecapa-192", VOICE)
    assert with_guard(("appearance",), ("body",)) == ("appearance",)


@pytest.mark.sqlite
def test_sketches_are_sealed_and_bound_to_their_person(vault, person, ada, same) -> None:
    other = person("grace", seed=77)
    vault.put(*other)
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        rows = raw.execute("SELECT identity_id, sealed FROM sketches").fetchall()
        assert len(rows) == 4 and all(len(sealed) == 512 + 29 for _, sealed in rows)
        (mine,) = raw.execute(
            "SELECT sealed FROM sketches WHERE identity_id = ? LIMIT 1", (ada[0].identity_id,)
        ).fetchone()
        raw.execute("UPDATE sketches SET sealed = ? WHERE identity_id = ?", (mine, other[0].identity_id))
    with pytest.raises(StoreDamaged, match="the stored sketch"):
        vault.put(*same("eve"))


@pytest.mark.sqlite
def test_two_vaults_cannot_be_compared(vault, ada, tmp_path) -> None:
    """The same person in two homes: their sketches differ as those of strangers do."""
    elsewhere = Vault(tmp_path / "elsewhere")
    embedding = ada[0].embeddings[FACE]
    here, there = (np.frombuffer(v._duplicates._sketch(embedding), np.uint8) for v in (vault, elsewhere))
    assert abs(np.unpackbits(here ^ there).mean() - 0.5) < 0.05


@pytest.mark.sqlite
def test_a_vault_of_format_one_gets_its_sketches(vault, ada, person, same, clock, as_format) -> None:
    damaged = person("grace", seed=77)
    vault.put(*damaged)
    next((vault.home / "blobs" / damaged[0].identity_id).iterdir()).write_bytes(b"damaged")
    as_format(vault, 1)
    again = Vault(vault.home, clock=clock)
    with sqlite3.connect(vault.home / "vault.sqlite3") as raw:
        assert raw.execute("SELECT version FROM meta").fetchone() == (VERSION,)
        assert raw.execute("SELECT DISTINCT identity_id FROM sketches").fetchall() == [(ada[0].identity_id,)]
    with pytest.raises(AlreadyEnrolled, match="as @ada"):
        again.put(*same("eve"))
    again.revoke("grace")
    again.verify_log()


def test_a_certificate_of_format_one_still_holds(vault, ada) -> None:
    from enroll.signature import sign

    now = vault.revoke("ada")
    fields = now.model_dump(mode="json", exclude={"signature", "kept", "logged"}) | {"format": "cameo-deletion/1"}
    del fields["destroyed"]["sketches"]
    fields["ledger"] = {"size": 3, "head": "ab" * 32}
    old = Certificate.model_validate_json(json.dumps(fields | {"signature": sign(fields, vault.operator)}))
    old.verify(vault.trusted)
    assert now.format == "cameo-deletion/3"
