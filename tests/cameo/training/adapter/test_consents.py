"""Whose clips may be opened: nobody's without a consent to just this, in force now."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import OKPKey

from cameo.training.adapter.clips import Found
from cameo.training.adapter.consents import admit, is_held_out
from enroll.signature import thumbprint

KEY, OTHER = (OKPKey.generate_key("Ed25519") for _ in range(2))


@contextmanager
def never():
    pytest.fail("a clip was opened")
    yield


def clip(name: str, consent: object) -> Found:
    content = consent if isinstance(consent, bytes | None) else consent.to_json().encode()
    return Found(name, name, content, "", never)


def asked(*clips: Found, standing: str = "unknown", days: int = 0, trusted=(KEY,)):
    """What is said so many days from now."""
    keys, now = {thumbprint(key) for key in trusted}, datetime.now(UTC) + timedelta(days=days)
    return admit(clips, trusted=keys, standing=lambda consent_id: standing, now=now)


def test_who_agreed_is_admitted_and_known_by_every_clip(agree):
    one, two, bo = (clip(name, agree(name[:2], KEY)) for name in ("ad1", "ad2", "bo1"))
    admitted, refused = asked(one, two, bo)
    assert refused == [] and [one.found.name for one in admitted] == ["ad1", "ad2", "bo1"]
    assert admitted[0].person == admitted[1].person != admitted[2].person


def test_an_ada_of_another_operator_is_another_person(agree):
    (one, two), refused = asked(clip("a", agree("ada", KEY)), clip("b", agree("ada", OTHER)), trusted=(KEY, OTHER))
    assert refused == [] and one.person != two.person


@pytest.mark.parametrize(
    ("make", "named", "reason"),
    [
        (lambda agree: None, {}, "there is no consent beside it"),
        (lambda agree: b"{", {}, "what is beside it is no consent record"),
        (lambda agree: b" " * 65_537, {}, "no consent record"),
        (lambda agree: agree("ada", OTHER), {}, "whom nobody here trusts"),
        (lambda agree: agree("ada", KEY), {"days": 400}, "ended"),
        (lambda agree: agree("ada", KEY, uses=("generate",)), {}, "consented to generate, not to train"),
        (lambda agree: agree("ada", KEY, scope=("face", "voice")), {}, "did not agree to body"),
        (lambda agree: agree("ada", KEY, scope=("voice",)), {}, "did not agree to face and body"),
        (lambda agree: agree("ada", KEY, grants=("user:bob",)), {}, "to user:bob alone"),
        (lambda agree: agree("ada", KEY), {"standing": "revoked"}, "revoked this consent"),
        (lambda agree: agree("ada", KEY), {"standing": "suspended"}, "is suspended"),
    ],
)
def test_everybody_else_is_left_out_with_a_line(agree, make, named, reason):
    admitted, refused = asked(clip("a.mp4", make(agree)), **named)
    assert admitted == [] and len(refused) == 1
    assert refused[0].startswith("a.mp4: ") and reason in refused[0] and "\n" not in refused[0]


def test_a_request_is_no_consent_and_a_changed_one_neither(agree):
    whole = agree("ada", KEY)
    request = whole.model_copy(update={"assurance": "requested", "attested_by": None, "signature": None}).sign(KEY)
    wider = whole.model_copy(update={"handle": "eve"})
    admitted, refused = asked(clip("a", request), clip("b", wider))
    assert admitted == [] and "nobody has agreed yet" in refused[0] and "changed after it was signed" in refused[1]


def test_the_share_of_people_who_are_held_out_is_about_what_was_asked():
    people = [f"{number:016x}" for number in range(4000)]
    held = [person for person in people if is_held_out(person, 0.1)]
    assert 320 < len(held) < 480
    assert {person for person in people if is_held_out(person, 0.05)} <= set(held)
    assert not any(is_held_out(person, 0.0) for person in people)
