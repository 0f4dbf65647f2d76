"""A grant from home to home: refusals first, then that it says there what was said here, and no more."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from joserfc.jwk import OKPKey

from cameo.errors import GrantInvalid, PermissionDenied, Revoked, UnknownHandle, UsageError
from cameo.vault import SignedGrant, Vault
from enroll.fields import spell
from enroll.signature import sign, thumbprint
from tests.cameo.vault.raw import last_told

WORDS = "correct horse battery staple"


@pytest.fixture
def there(tmp_path, clock) -> Vault:
    return Vault(tmp_path / "there", clock=clock)


@pytest.fixture
def guest(vault, ada, there) -> Vault:
    """The other home, with Ada as a guest whom only bob may use."""
    vault.allow("ada", "bob", scenes=5)
    sent = vault.export("ada", WORDS)
    there.take(sent, WORDS, trust=thumbprint(vault.operator), status=vault.status_list())
    return there


def issue(vault: Vault, there: Vault, user: str = "bob", **limits: object) -> SignedGrant:
    return vault.issue("ada", user, thumbprint(there.operator), **limits)


def resigned(grant: SignedGrant, key: OKPKey, **changes: object) -> SignedGrant:
    changed = grant.model_copy(update=changes | {"signature": None})
    fields = changed.model_dump(mode="json", exclude={"signature"})
    return changed.model_copy(update={"signature": sign(fields, key)})


def test_what_was_allowed_here_holds_there(vault, guest, clock) -> None:
    vault.allow("ada", "carol", uses=["generate"], scenes=4)
    assert not guest.may("ada", "carol").allowed
    clock.now += timedelta(minutes=1)
    grant = issue(vault, guest, "carol", scenes=3)
    guest.accept(SignedGrant.model_validate_json(grant.to_json()))
    found = guest.may("ada", "carol")
    assert found.allowed and found.scenes_left == 3
    assert found.until == grant.until
    assert vault.may("ada", "carol").scenes_left == 1  # those that were signed away are made no more here
    guest.verify_log()
    vault.verify_log()


def test_both_ledgers_say_what_was_signed_away_and_taken(vault, guest, clock) -> None:
    clock.now += timedelta(minutes=1)
    grant = issue(vault, guest, scenes=1)
    guest.accept(grant)
    said = {"grant": grant.grant_id, "principal": "user:bob", "scenes": "1", "until": spell(grant.until)}
    assert last_told(vault, "ada") == ("issue", said | {"audience": thumbprint(guest.operator)})
    assert last_told(guest, "ada") == ("accept", said)


def test_what_is_left_out_is_as_far_as_here(vault, guest, clock) -> None:
    until = (clock() + timedelta(days=3)).replace(microsecond=0)
    vault.allow("ada", "carol", uses=["generate"], scenes=4, until=until)
    grant = issue(vault, guest, "carol")
    assert (grant.uses, grant.scenes, grant.until) == (("generate",), 4, until)


def test_to_take_it_again_counts_nothing_anew(vault, guest, clock) -> None:
    clock.now += timedelta(minutes=1)
    grant = issue(vault, guest, scenes=1)
    guest.accept(grant)
    ada = guest.show("ada").identity_id
    guest.record_scene(sha256="0" * 64, path="x.mp4", identities=[ada], user="bob", prompt="@ada waves", model="nano")
    assert not guest.may("ada", "bob").allowed
    lines = guest.verify_log().size
    guest.accept(grant)
    assert not guest.may("ada", "bob").allowed and guest.verify_log().size == lines


def test_an_older_one_does_not_undo_a_no(vault, guest, clock) -> None:
    first = issue(vault, guest, scenes=1)
    clock.now += timedelta(minutes=1)
    guest.deny("ada", "bob")
    with pytest.raises(GrantInvalid, match="older than what was said"):
        guest.accept(first)
    assert not guest.may("ada", "bob").allowed
    clock.now += timedelta(minutes=1)
    guest.accept(issue(vault, guest, scenes=1))
    assert guest.may("ada", "bob").allowed


@pytest.mark.parametrize(
    "limits",
    [{}, {"scenes": 6}, {"scenes": 5, "uses": ["personalize"]}, {"until": timedelta(days=10)}],
    ids=["any number", "more scenes", "another use", "without a number"],
)
def test_a_guest_is_allowed_no_more_than_their_home_allowed(guest, clock, limits) -> None:
    limits = {name: clock.now + value if name == "until" else value for name, value in limits.items()}
    with pytest.raises((PermissionDenied, UsageError)):
        guest.allow("ada", "bob", **limits)
    with pytest.raises(PermissionDenied, match="another home"):
        guest.allow("ada", "carol")
    assert guest.allow("ada", "bob", scenes=2).terms[-1].scenes == 2


def test_only_the_home_they_come_from_signs_it(vault, guest, clock) -> None:
    clock.now += timedelta(minutes=1)
    good, key = issue(vault, guest, scenes=1), vault.operator
    stranger = OKPKey.generate_key("Ed25519")
    for bad, says in [
        (good.model_copy(update={"signature": None}), "not signed"),
        (good.model_copy(update={"scenes": 99}), "changed|signature"),
        (resigned(good, stranger), "trust"),
        (resigned(good, stranger, issuer=thumbprint(stranger)), "trust"),
        (resigned(good, key, issuer=thumbprint(guest.operator)), "says it is by"),
        (resigned(good, key, audience=thumbprint(vault.operator)), "is for the home"),
        (resigned(good, key, until=clock.now), "ended"),
        (resigned(good, key, issued=clock.now + timedelta(hours=1)), "begins"),
        (resigned(good, key, consent_id="00000000-0000-4000-8000-000000000000"), "another consent"),
        (resigned(good, key, uses=("evaluate",)), "consented to"),
        (resigned(good, key, until=clock.now + timedelta(days=9999)), "lie within"),
    ]:
        with pytest.raises(GrantInvalid, match=says):
            guest.accept(bad)
    with pytest.raises(UnknownHandle):
        guest.accept(resigned(good, key, handle="grace"))
    guest.accept(good)


def test_what_cannot_be_issued(vault, ada, there) -> None:
    with pytest.raises(PermissionDenied, match="has not allowed carol"):
        issue(vault, there, "carol")
    vault.allow("ada", "carol", scenes=2)
    with pytest.raises(PermissionDenied):
        issue(vault, there, "carol", scenes=3)
    with pytest.raises(UsageError, match="not to personalize"):
        issue(vault, there, "carol", uses=["personalize"])
    with pytest.raises(UsageError, match="needs no grant"):
        issue(vault, there, "owner")
    with pytest.raises(UsageError, match="no thumbprint"):
        vault.issue("ada", "carol", "there")
    assert vault.may("ada", "carol").scenes_left == 2  # nothing was spent
    vault.revoke("ada")
    with pytest.raises(Revoked):
        issue(vault, there, "carol")


def test_who_wants_more_of_a_guest_is_sent_to_their_home(vault, guest) -> None:
    told = guest.may("ada", "mallory")
    assert not told.allowed and told.hint == "the home they come from can: cameo grant issue ada --user mallory"
    assert vault.may("ada", "mallory").hint == "their owner can: cameo allow ada --user mallory"


def test_a_guest_is_not_sent_on(vault, guest) -> None:
    with pytest.raises(PermissionDenied, match="not enrolled here"):
        guest.issue("ada", "bob", thumbprint(vault.operator))


def test_no_single_character_of_it_can_be_changed(vault, guest, clock) -> None:
    clock.now += timedelta(minutes=1)
    grant = issue(vault, guest, scenes=1)
    text = json.dumps(json.loads(grant.to_json()), separators=(",", ":"))
    for index in range(0, len(text), 7):
        changed = text[:index] + ("a" if text[index] != "a" else "b") + text[index + 1 :]
        try:
            read = SignedGrant.model_validate_json(changed)
        except ValueError:
            continue
        with pytest.raises((GrantInvalid, UnknownHandle)):
            guest.accept(read)
