"""From one home to another: refusals first, then that what arrives is what left, and dies when it dies at home."""

from __future__ import annotations

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

import numpy as np
import pytest
from joserfc import jwe
from joserfc.jwk import OctKey, OKPKey

from cameo.errors import (
    AlreadyEnrolled,
    HandleTaken,
    PackageInvalid,
    PermissionDenied,
    Revoked,
    StatusListInvalid,
    StatusListNotInForce,
    Suspended,
    UsageError,
)
from cameo.vault import Vault
from cameo.vault.package import Head, pack, unpack
from enroll.errors import ConsentExpired
from enroll.processing import Processing, by_whoever_runs_this
from enroll.signature import thumbprint

WORDS = "correct horse battery staple"


@pytest.fixture
def there(tmp_path, clock) -> Vault:
    return Vault(tmp_path / "there", clock=clock)


@pytest.fixture
def sent(vault, ada) -> bytes:
    vault.allow("ada", "bob", scenes=3)
    vault.forbid("ada", "alcohol")
    return vault.export("ada", WORDS)


def take(there: Vault, vault: Vault, sent: bytes, **how: object):
    how = {"trust": thumbprint(vault.operator), "status": vault.status_list()} | how
    return there.take(sent, how.pop("passphrase", WORDS), **how)


def test_what_arrives_is_what_left(vault, ada, sent, there) -> None:
    entry = take(there, vault, sent)
    assert (entry.handle, entry.status, entry.rules) == ("ada", "active", ("alcohol",))
    assert entry.terms == vault.show("ada").terms and entry.consent == vault.show("ada").consent
    with there.lease("ada", "bob") as lease:
        for space, embedding in ada[0].embeddings.items():
            assert np.array_equal(lease.identity.embeddings[space].vector, embedding.vector)
        assert np.array_equal(lease.identity.crops[0].pixels, ada[0].crops[0].pixels)
    assert there.may("ada", "carol").code == "cameo_permission_denied"
    assert there.may("ada", prompt="@ada drinks wine").code == "rule_broken"
    there.verify_log()
    vault.verify_log()


def test_a_rule_of_the_consent_stands_there_too(vault, person, there) -> None:
    processing = Processing.model_validate(by_whoever_runs_this().model_dump() | {"forbidden": ("alcohol",)})
    vault.put(*person(processing=processing))
    vault.forbid("ada", "weapons")
    assert take(there, vault, vault.export("ada", WORDS)).rules == ("alcohol", "weapons")
    with pytest.raises(PermissionDenied, match="lifted there alone"):
        there.lift("ada", "weapons")
    assert there.forbid("ada", "politics").rules == ("alcohol", "weapons", "politics"), "to say no is free everywhere"
    with pytest.raises(UsageError, match="no such rule"):
        vault.lift("ada", "alcohol")


def test_it_dies_here_when_it_dies_at_home(vault, ada, sent, there) -> None:
    take(there, vault, sent)
    lease = there.lease("ada")
    vault.revoke("ada")
    (certificate,) = there.heed(vault.status_list())
    certificate.verify(there.trusted)
    assert certificate.reason == "revoked where they were enrolled"
    with pytest.raises(Revoked):
        there.require_still(lease)
    with pytest.raises(Revoked):
        there.lease("ada")
    with pytest.raises(Revoked):
        take(there, vault, sent)


def test_a_pause_at_home_is_a_pause_here(vault, ada, sent, there) -> None:
    take(there, vault, sent)
    vault.suspend("ada")
    there.heed(vault.status_list())
    with pytest.raises(Suspended, match="where they were enrolled"):
        there.lease("ada")
    vault.resume("ada")
    there.heed(vault.status_list())
    there.lease("ada").close()


def test_without_news_it_stops_when_the_list_is_too_old(vault, ada, sent, there, clock) -> None:
    take(there, vault, sent, status=vault.status_list(timedelta(hours=2)))
    clock.advance(hours=1, minutes=50)
    there.lease("ada").close()
    clock.advance(minutes=20)
    with pytest.raises(StatusListNotInForce):
        there.lease("ada")
    assert there.may("ada").code == "status_list_not_in_force"
    there.heed(vault.status_list())
    there.lease("ada").close()


def refused(there: Vault, scan, error, act, match: str | None = None) -> None:
    before = {name: content for name, content in scan.files(there.home).items() if not name.startswith("status")}
    with pytest.raises(error, match=match):
        act()
    after = {name: content for name, content in scan.files(there.home).items() if not name.startswith("status")}
    assert after == before and there.cast() == ()


def test_nobody_is_taken_in_without_a_good_list(vault, ada, sent, there, clock, scan) -> None:
    refused(there, scan, StatusListNotInForce, lambda: take(there, vault, sent, status=None))
    old, own = vault.status_list(timedelta(hours=1)), there.status_list()
    clock.advance(hours=2)
    refused(there, scan, StatusListNotInForce, lambda: take(there, vault, sent, status=old))
    refused(there, scan, StatusListInvalid, lambda: take(there, vault, sent, status=own))
    vault.revoke("ada")
    refused(there, scan, Revoked, lambda: take(there, vault, sent))


def test_nobody_is_taken_in_from_strangers(vault, ada, sent, there, scan) -> None:
    refused(there, scan, PackageInvalid, lambda: take(there, vault, sent, trust=None), "whom nobody here trusts")
    stranger = thumbprint(OKPKey.generate_key("Ed25519"))
    refused(there, scan, PackageInvalid, lambda: take(there, vault, sent, trust=stranger), "cameo|whom nobody")


def test_another_passphrase(vault, ada, sent, there, scan) -> None:
    for words in ("correct horse battery stapl", "x" * 14, "short", ""):
        refused(there, scan, PackageInvalid, lambda words=words: take(there, vault, sent, passphrase=words))
    with pytest.raises(PackageInvalid, match="at least 14"):
        vault.export("ada", "eleven char")


def test_every_changed_character_is_noticed(vault, ada, sent, there, scan) -> None:
    """The head's and some hundred of the body's; each costs as much as an opening."""
    rng = random.Random(0)
    for place in [*range(0, 60, 7), *rng.sample(range(60, len(sent) - 1), 12), len(sent) - 1]:
        changed = bytearray(sent)
        changed[place] = ord("A") if changed[place] != ord("A") else ord("B")
        with pytest.raises(PackageInvalid):
            take(there, vault, bytes(changed))
    assert there.cast() == ()


@pytest.mark.parametrize("content", [b"", b".", b"....", b"a.b.c.d.e", b"\xff" * 40, b"e30.e30.e30.e30.e30", b"{}" * 9])
def test_what_is_no_package(there, content: bytes) -> None:
    with pytest.raises(PackageInvalid):
        there.take(content, WORDS)


def test_a_header_that_asks_for_much_work_is_refused(sent) -> None:
    header, rest = sent.split(b".", 1)
    fields = json.loads(urlsafe_b64decode(header + b"=="))
    for change in ({"p2c": 10**9}, {"alg": "dir"}, {"enc": "A128CBC-HS256"}, {"zip": "DEF"}, {"p2s": ""}):
        worse = urlsafe_b64encode(json.dumps(fields | change).encode()).rstrip(b"=")
        with pytest.raises(PackageInvalid):
            unpack(worse + b"." + rest, WORDS)


def sealed(inside: bytes) -> bytes:
    header = {"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 1000}
    return jwe.encrypt_compact(header, inside, OctKey.import_key(WORDS), algorithms=list(header.values())[:2]).encode()


@pytest.mark.parametrize(
    "inside", [b"", b"\0\0\0\0", b"\0\0\0\x05{}", b"\xff\xff\xff\xff", b"\0\0\0\x02{}", b"\0\0\0\x02[]x"]
)
def test_insides_that_do_not_fit(inside: bytes) -> None:
    with pytest.raises(PackageInvalid, match="head does not fit"):
        unpack(sealed(inside), WORDS)


def test_whoever_knows_the_passphrase_still_cannot_change_it(vault, ada, person, sent, there, scan) -> None:
    head, content = unpack(sent, WORDS)
    other = person("grace", seed=5)[0].to_bytes()
    for changed, identity in (
        (head.model_copy(update={"grants": ()}), content),
        (head.model_copy(update={"rules": ()}), content),
        (head.model_copy(update={"status_index": head.status_index + 1}), content),
        (head.model_copy(update={"signature": None}), content),
        (head, other),
        (head, content[:-1]),
    ):
        package = pack(changed, identity, WORDS)
        refused(there, scan, PackageInvalid, lambda package=package: take(there, vault, package))


def test_the_handle_or_the_face_is_here_already(vault, ada, person, sent, there) -> None:
    take(there, vault, sent)
    with pytest.raises(HandleTaken):
        take(there, vault, sent)
    vault.put(*person("grace", seed=0))
    sent = vault.export("grace", WORDS)
    mine = Vault(there.home.with_name("third"), clock=there._clock)
    take(mine, vault, sent)
    with pytest.raises(HandleTaken):
        take(mine, vault, sent)
    assert AlreadyEnrolled.code == "already_enrolled"


def test_only_the_home_they_come_from_sends_them_on(vault, ada, sent, there) -> None:
    take(there, vault, sent)
    with pytest.raises(PermissionDenied, match="was not enrolled here"):
        there.export("ada", WORDS)


def test_nobody_is_sent_who_may_not_be_used(vault, ada, clock) -> None:
    vault.suspend("ada")
    with pytest.raises(Suspended):
        vault.export("ada", WORDS)
    vault.resume("ada")
    clock.advance(days=366)
    with pytest.raises(ConsentExpired):
        vault.export("ada", WORDS)


def test_the_file_says_nothing_without_the_passphrase(vault, ada, sent, scan) -> None:
    raw = b"".join(urlsafe_b64decode(part + b"==") for part in sent.split(b"."))
    assert not np.isin(scan.fragments(ada[0]), scan.windows(raw, sent)).any()
    for word in (b"Lovelace", ada[0].identity_id.encode(), ada[1].consent_id.encode(), b"alcohol"):
        assert word not in raw and word not in sent


def test_a_head_is_signed_by_the_home_it_names(vault, ada, sent) -> None:
    head, content = unpack(sent, WORDS)
    other = OKPKey.generate_key("Ed25519")
    forged = Head.of(
        ada[1],
        content,
        issuer=head.issuer,
        status_index=head.status_index,
        grants=(),
        rules=(),
        now=head.exported,
        key=other,
    )
    with pytest.raises(PackageInvalid):
        forged.require_whole(content, {head.issuer, thumbprint(other)})
