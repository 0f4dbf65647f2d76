"""Grants with limits, rules, asking without opening, and what the person is told afterwards."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import OKPKey

from cameo.errors import PermissionDenied, Revoked, RuleBroken, UnknownHandle, UsageError
from cameo.vault import Vault
from cameo.vault.cipher import seal
from enroll.errors import ConsentInvalid
from enroll.processing import Processing, by_whoever_runs_this
from tests.cameo.vault.raw import change, rows

DIGEST = "a1" * 32
OTHER = "b2" * 32


def record(vault, identity, sha256: str = DIGEST, user: str = "bob", **more: object):
    fields = {"path": "/films/a.mp4", "prompt": "@ada", "model": "nano", "seed": 1}
    return vault.record_scene(sha256=sha256, identities=[identity.identity_id], user=user, **fields | more)


def test_a_grant_for_so_many_scenes(vault, ada) -> None:
    vault.allow("ada", "bob", scenes=2)
    for number in range(2):
        assert vault.may("ada", "bob").scenes_left == 2 - number
        vault.lease("ada", "bob").close()
        record(vault, ada[0], sha256=f"{number}" * 64)
    with pytest.raises(PermissionDenied, match="allowed bob 2 scenes, and they are made"):
        vault.lease("ada", "bob")
    with pytest.raises(PermissionDenied):
        record(vault, ada[0])
    assert vault.show("ada").uses == 2 and vault.show("ada").grants == ("owner",)
    assert vault.may("ada").scenes_left is None
    # Allowed anew, it counts from nothing; and the owner never runs out.
    assert vault.allow("ada", "bob", scenes=1).terms[0].left == 1
    record(vault, ada[0], user="owner")
    assert vault.may("ada", "bob").scenes_left == 1


def test_two_at_once_do_not_share_the_last_scene(vault, ada) -> None:
    vault.allow("ada", "bob", scenes=1)
    with vault.lease("ada", "bob") as one, Vault(vault.home).lease("ada", "bob") as other:
        vault.require_still(one)
        record(vault, ada[0])
        with pytest.raises(PermissionDenied):
            vault.require_still(other)
        with pytest.raises(PermissionDenied):
            record(vault, ada[0], sha256=OTHER)
    assert vault.find_scene(OTHER) is None


def test_a_grant_until(vault, ada, clock) -> None:
    end = clock() + timedelta(days=3)
    vault.allow("ada", "bob", until=end)
    assert vault.may("ada", "bob").until == end.replace(microsecond=0)
    clock.advance(days=2, hours=23, minutes=30)
    assert vault.lease("ada", "bob").expires == end.replace(microsecond=0)
    clock.advance(hours=1)
    with pytest.raises(PermissionDenied, match="allowed bob until"):
        vault.lease("ada", "bob")
    assert vault.show("ada").grants == ("owner",)


def test_a_grant_for_a_use(vault, person) -> None:
    vault.put(*person(uses=("generate", "personalize")))
    vault.allow("ada", "bob", uses=["generate"])
    assert vault.may("ada", "bob").allowed
    refused = vault.may("ada", "bob", "personalize")
    assert not refused.allowed and refused.code == "cameo_permission_denied"
    assert refused.message == "@ada allowed bob to generate, not to personalize"


def test_a_name_counts_before_everyone(vault, ada) -> None:
    vault.allow("ada", "everyone", scenes=1)
    record(vault, ada[0], user="dave")
    assert not vault.may("ada", "erin").allowed and vault.may("ada", "bob").allowed


def test_no_grant_reaches_beyond_the_consent(vault, ada, clock, scan) -> None:
    before = scan.files(vault.home)
    for limits in (
        {"uses": ["evaluate"]},
        {"until": clock() + timedelta(days=366)},
        {"until": clock() - timedelta(days=1)},
        {"scenes": 0},
        {"until": datetime(2026, 1, 1)},
    ):
        with pytest.raises(UsageError):
            vault.allow("ada", "bob", **limits)
    with pytest.raises(UsageError, match="owner always may"):
        vault.allow("ada", "owner", scenes=1)
    assert scan.files(vault.home) == before


def test_asking_leaves_no_trace(vault, ada, scan) -> None:
    before = scan.files(vault.home)
    assert vault.may("ada", "bob").allowed
    assert vault.may("ada", "mallory").message == "@ada has not allowed mallory"
    assert vault.may("grace").code == "unknown_handle"
    assert scan.files(vault.home) == before
    vault.revoke("ada")
    assert vault.may("ada").code == "cameo_revoked"


def test_a_consent_that_was_put_into_the_vault_from_outside_opens_nobody(vault, ada) -> None:
    """Sealed as it should be, by who has the keys of the home: signed by a stranger, or somebody else's."""
    consent, stranger = vault.consent("ada"), OKPKey.generate_key("Ed25519")
    with vault._reading() as session:
        owner = vault._people.owner(vault._people.alive(session, "ada"))
    another = consent.model_copy(update={"handle": "grace"}).sign(vault.operator)
    for forged, why in ((consent.sign(stranger), "whom nobody here trusts"), (another, "for handle @grace")):
        sealed = seal(owner.key, forged.to_json().encode(), owner.context("consent"))
        change(vault, "UPDATE consents SET sealed = ? WHERE identity_id = ?", sealed, owner.identity_id)
        said = vault.may("ada")
        assert said.code == "consent_invalid" and why in said.message
        with pytest.raises(ConsentInvalid, match=why):
            vault.lease("ada")


def test_may_and_lease_say_the_same(vault, ada, clock) -> None:
    vault.forbid("ada", "alcohol")
    for user in ("owner", "bob", "carol"):
        for prompt in (None, "@ada by the sea", "@ada with a beer"):
            said = vault.may("ada", user, prompt=prompt)
            try:
                vault.lease("ada", user, prompt=prompt).close()
            except (PermissionDenied, RuleBroken) as refusal:
                assert (said.allowed, said.code, said.message) == (False, refusal.code, refusal.message)
            else:
                assert said.allowed


def test_a_rule_stops_a_prompt_and_does_not_repeat_it(vault, ada) -> None:
    assert vault.forbid("ada", "alcohol").rules == ("alcohol",)
    assert vault.forbid("ada", "alcohol").rules == ("alcohol",)
    with pytest.raises(RuleBroken, match="never wants to appear in this: alcohol") as caught:
        vault.lease("ada", prompt="@ada pours vodka over a cake")
    assert (caught.value.exit_status, caught.value.code) == (4, "rule_broken")
    assert "cake" not in caught.value.message + caught.value.hint
    vault.lease("ada", prompt="@ada pours milk over a cake").close()
    assert Vault(vault.home).lift("ada", "alcohol").rules == ()
    vault.lease("ada", prompt="@ada pours vodka over a cake").close()
    with pytest.raises(UsageError, match="no such rule"):
        vault.lift("ada", "alcohol")


def test_rules_lie_sealed_and_go_with_the_person(vault, ada, scan) -> None:
    vault.forbid("ada", "my brother bartholomew")
    text = b"".join(scan.files(vault.home).values())
    assert b"bartholomew" not in text
    vault.revoke("ada")
    assert rows(vault, "SELECT COUNT(*) FROM rules") == [(0,)]


def test_a_lease_is_good_in_its_own_process_alone(vault, ada) -> None:
    with vault.lease("ada") as lease:
        child = os.fork()
        if child == 0:
            try:
                lease.identity  # noqa: B018
            except PermissionDenied:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert lease.identity.handle == "ada"


def test_the_person_is_told_of_every_scene_and_every_opening(vault, ada, person, clock) -> None:
    vault.put(*person("grace", seed=2, grants=("owner", "user:bob")))
    assert vault.history("ada").scenes == vault.history("ada").leases == ()
    vault.lease("ada", "bob").close()
    clock.advance(minutes=5)
    made = record(vault, ada[0], prompt="@ada waves")
    vault.lease("ada").close()
    vault.lease("grace").close()
    found = Vault(vault.home).history("ada")
    assert [scene.sha256 for scene in found.scenes] == [made.sha256]
    assert found.scenes[0].detail is not None and found.scenes[0].detail.prompt == "@ada waves"
    assert [(o.user, o.purpose) for o in found.leases] == [("bob", "generate"), ("owner", "generate")]
    assert found.leases[0].at < found.leases[1].at <= datetime.now(UTC) + timedelta(minutes=6)
    assert len(vault.history("grace").leases) == 1
    vault.revoke("ada")
    with pytest.raises(Revoked):
        vault.history("ada")


def test_a_scene_is_forgotten_and_its_digest_is_not(vault, ada, person, scan) -> None:
    vault.put(*person("grace", seed=2))
    record(vault, ada[0], prompt="@ada whispers")
    with pytest.raises(UsageError):
        vault.forget_scene("grace", DIGEST)
    with pytest.raises(UnknownHandle):
        vault.forget_scene("nobody", DIGEST)
    vault.forget_scene("ada", DIGEST)
    left = vault.find_scene(DIGEST)
    assert left is not None and left.detail is None and left.cast[0].handle == "ada"
    vault.verify_log()


def handled(**terms: object) -> Processing:
    return Processing.model_validate(by_whoever_runs_this().model_dump() | terms)


def test_so_many_scenes_were_agreed_to_in_all(vault, person) -> None:
    ada, consent = person(grants=("owner", "everyone"), processing=handled(scenes=2))
    vault.put(ada, consent)
    for number, user in enumerate(("owner", "bob")):
        record(vault, ada, sha256=f"{number}" * 64, user=user)
    assert vault.may("ada").message == "@ada consented to 2 scenes in all, and 2 are made"
    with pytest.raises(PermissionDenied):
        record(vault, ada, sha256=OTHER, user="owner")


def test_a_rule_of_the_consent_stands(vault, person) -> None:
    vault.put(*person(processing=handled(forbidden=("No Alcohol",))))
    assert vault.forbid("ada", "weapons").rules == ("alcohol", "weapons")
    with pytest.raises(UsageError, match="no such rule"):
        vault.lift("ada", "alcohol")
    assert vault.may("ada", prompt="@ada with a beer").code == "rule_broken"


def test_a_lease_is_not_one_on_whoever_comes_after(vault, ada, person) -> None:
    """The same handle, another person: what was leased is gone."""
    lease = vault.lease("ada")
    vault.revoke("ada")
    vault.put(*person("ada", seed=7))
    with pytest.raises(Revoked, match="@ada was revoked"):
        vault.require_still(lease)
    assert "open" in repr(lease) and "identity" not in repr(lease)
    lease.close()
    lease.close()
    assert "ended" in repr(lease)


def test_a_lease_without_a_voice_is_wiped_too(vault, person) -> None:
    identity, consent = person("grace", seed=2)
    vault.put(replace(identity, speech=None), consent)
    with vault.lease("grace") as lease:
        vector = lease.identity.embeddings["dlib-resnet-128"].vector
        assert vector.any()
    assert not vector.any()


def test_a_lease_ends_with_what_it_was_given_for(vault, person) -> None:
    """A grant that is narrowed while a lease runs: asked for the lease's own purpose, user and prompt."""
    vault.put(*person(uses=("generate", "personalize")))
    vault.allow("ada", "bob")
    lease, other = vault.lease("ada", "bob"), vault.lease("ada", "bob", "personalize")
    vault.allow("ada", "bob", uses=["personalize"])
    vault.require_still(other)
    with pytest.raises(PermissionDenied, match="allowed bob to personalize, not to generate"):
        vault.require_still(lease)
    vault.forbid("ada", "alcohol")
    vault.require_still(other, prompt="@ada by the sea")
    with pytest.raises(RuleBroken):
        vault.require_still(other, prompt="@ada with a beer")
    vault.deny("ada", "bob")
    with pytest.raises(PermissionDenied, match="has not allowed bob"):
        vault.require_still(other)
