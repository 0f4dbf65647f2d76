"""A signed status list: what cannot be changed, swapped or slipped in, and what the standard would read in it."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from datetime import timedelta

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from cameo.errors import StatusListInvalid, StatusListNotInForce
from cameo.status import LEAST_ENTRIES, Bitstring, StatusList, issuer_of
from enroll.signature import canonical, sign, thumbprint

GONE, PAUSED, BOTH = 7, 94_567, 131_071


def refused(fields: dict, trusted: set[str], tmp_path, match: str) -> None:
    """As a file, however it fails: to be read, or to verify."""
    (tmp_path / "list.json").write_text(json.dumps(fields))
    with pytest.raises(StatusListInvalid, match=match) as caught:
        StatusList.load(tmp_path / "list.json").verify(trusted)
    assert (caught.value.exit_status, caught.value.code) == (3, "status_list_invalid")
    assert "\n" not in caught.value.message


def resigned(fields: dict, key: OKPKey) -> dict:
    fields = {name: value for name, value in fields.items() if name != "signature"}
    return fields | {"signature": sign(fields, key)}


@pytest.fixture
def good(issue, keys):
    """The members of a list that holds, and who must be trusted for it."""
    return json.loads(issue(epoch=5).to_json()), {thumbprint(keys[0])}


def test_unsigned_forged_and_of_a_stranger(good, keys, tmp_path) -> None:
    fields, trusted = good
    refused(fields | {"signature": None}, trusted, tmp_path, "not signed")
    refused(fields | {"epoch": 6}, trusted, tmp_path, "changed after it was signed")
    refused(fields | {"validUntil": "2026-11-09T09:00:00Z"}, trusted, tmp_path, "changed after it was signed")
    refused(fields, {thumbprint(keys[1])}, tmp_path, "nobody here trusts")
    refused(fields, set(), tmp_path, "nobody here trusts")


def test_every_character_counts(good, tmp_path) -> None:
    """Of the whole file; in the long runs of the lists, a sample."""
    fields, trusted = good
    text = json.dumps(fields, separators=(",", ":"))
    path = tmp_path / "list.json"
    survived = []
    for index, character in enumerate(text):
        path.write_text(text[:index] + chr(ord(character) ^ 1) + text[index + 1 :])
        try:
            StatusList.load(path).verify(trusted)
        except StatusListInvalid:
            continue
        survived.append((index, character))
    assert survived == []
    path.write_text(text)
    StatusList.load(path).verify(trusted)


def test_an_issuer_in_anothers_name(good, keys, tmp_path) -> None:
    """Both are trusted; neither can speak for the other."""
    fields, _ = good
    both = {thumbprint(key) for key in keys}
    other = issuer_of(thumbprint(keys[1]))
    refused(resigned(fields, keys[1]), both, tmp_path, "and names .* as its issuer")
    swapped = fields | {"issuer": other, "id": f"{other}#status"}
    refused(swapped, both, tmp_path, "changed after it was signed")
    refused(resigned(swapped, keys[0]), both, tmp_path, "and names .* as its issuer")
    refused(resigned(fields | {"id": f"{other}#status"}, keys[0]), both, tmp_path, "no status list")


def test_purposes_swapped_doubled_or_missing(good, keys, tmp_path) -> None:
    fields, trusted = good
    gone, paused = fields["credentialSubject"]
    relabelled = [gone | {"statusPurpose": "suspension"}, paused | {"statusPurpose": "revocation"}]
    exchanged = [
        gone | {"encodedList": paused["encodedList"]},
        paused | {"encodedList": gone["encodedList"]},
    ]
    for subjects, match in [
        (relabelled, "no status list"),
        (exchanged, "changed after it was signed"),
    ]:
        refused(fields | {"credentialSubject": subjects}, trusted, tmp_path, match)
    for subjects in (relabelled, [paused, gone], [gone, gone], [gone], [], [gone, paused, paused], gone):
        # Even under the issuer's own signature.
        refused(resigned(fields | {"credentialSubject": subjects}, keys[0]), trusted, tmp_path, "no status list")


def test_lists_the_issuer_should_not_have_signed(good, keys, tmp_path) -> None:
    fields, trusted = good
    gone, paused = fields["credentialSubject"]

    def with_list(encoded: str) -> dict:
        return resigned(fields | {"credentialSubject": [gone, paused | {"encodedList": encoded}]}, keys[0])

    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packing.compress(bytes(2**26)) + packing.flush()
    for content, match in [
        (bomb, "more than 16777216 entries"),
        (gzip.compress(bytes(100)), "expected at least 131072"),
        (gzip.compress(bytes(2**14))[:-9], "cut short"),
        (gzip.compress(bytes(2**15)), "131072 and 262144 entries, expected as many"),
        (b"nothing packed", "no GZIP"),
    ]:
        encoded = "u" + base64.urlsafe_b64encode(content).rstrip(b"=").decode()
        refused(with_list(encoded), trusted, tmp_path, match)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 0},
        {"epoch": -1},
        {"epoch": 2**53},
        {"epoch": True},
        {"epoch": "5"},
        {"epoch": 5.0},
        {"validUntil": "2026-11-03T09:00:00Z"},
        {"validUntil": "2026-11-01T09:00:00Z"},
        {"validUntil": "2026-12-05T09:00:00Z"},
        {"validFrom": "2026-11-03T09:00:00.5Z"},
        {"validFrom": 1793696400},
        {"issuer": "did:example:12345"},
        {"type": ["VerifiableCredential"]},
        {"@context": []},
        {"another": 1},
    ],
)
def test_fields_that_do_not_fit(good, tmp_path, change) -> None:
    fields, trusted = good
    refused(fields | change, trusted, tmp_path, "no status list")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_files_that_are_none(tmp_path, content) -> None:
    (tmp_path / "list.json").write_bytes(content)
    for path in (tmp_path / "list.json", tmp_path, tmp_path / "none"):
        with pytest.raises(StatusListInvalid):
            StatusList.load(path)


def test_truncated_anywhere(good, tmp_path) -> None:
    text = json.dumps(good[0])
    for length in random.Random(0).sample(range(len(text)), 60):
        (tmp_path / "list.json").write_text(text[:length])
        with pytest.raises(StatusListInvalid, match="no status list"):
            StatusList.load(tmp_path / "list.json")


def test_a_place_that_cannot_be_written(issue, tmp_path) -> None:
    with pytest.raises(StatusListInvalid, match="cannot write"):
        issue().save(tmp_path / "no" / "list.json")


def test_its_time(issue, clock) -> None:
    issued = issue()
    issued.require_in_force(clock())
    clock.advance(hours=24, seconds=-1)
    issued.require_in_force(clock())
    clock.advance(seconds=1)
    with pytest.raises(StatusListNotInForce, match="good until 2026-11-04T09:00:00Z") as caught:
        issued.require_in_force(clock())
    assert (caught.value.exit_status, caught.value.code) == (4, "status_list_not_in_force")
    clock.advance(hours=-24, minutes=-5)
    issued.require_in_force(clock())
    clock.advance(seconds=-1)
    with pytest.raises(StatusListNotInForce, match="is of 2026-11-03T09:00:00Z"):
        issued.require_in_force(clock())


def test_what_it_says(issue) -> None:
    issued = issue()
    assert [issued.standing(index) for index in (GONE, PAUSED, BOTH, 0)] == ["revoked", "suspended", "revoked", "valid"]
    for index in (-1, LEAST_ENTRIES):
        with pytest.raises(StatusListInvalid, match=f"none with index {index}"):
            issued.standing(index)


def test_as_any_reader_of_the_standards_sees_it(issue, keys) -> None:
    """JSON, RFC 8785, JWS, GZIP and base64 alone; nothing of ours."""
    fields = json.loads(issue(epoch=5).to_json())
    signature = fields.pop("signature")
    header = json.loads(base64.urlsafe_b64decode(signature.split(".")[0] + "=="))
    assert header["alg"] == "Ed25519"
    key = OKPKey.import_key(header["jwk"])
    jws.deserialize_compact(signature, key, algorithms=["Ed25519"], payload=canonical(fields))
    assert fields["issuer"] == "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + key.thumbprint()
    assert fields["type"] == ["VerifiableCredential", "BitstringStatusListCredential"]
    assert (fields["validFrom"], fields["validUntil"]) == ("2026-11-03T09:00:00Z", "2026-11-04T09:00:00Z")
    for subject, purpose, ones in zip(
        fields["credentialSubject"], ("revocation", "suspension"), ({GONE, BOTH}, {PAUSED, BOTH}), strict=True
    ):
        assert (subject["type"], subject["statusPurpose"]) == ("BitstringStatusList", purpose)
        body = subject["encodedList"].removeprefix("u")
        content = gzip.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        bits = "".join(f"{byte:08b}" for byte in content)
        assert {index for index, bit in enumerate(bits) if bit == "1"} == ones


def test_a_million_people_with_one_in_a_hundred_revoked_take_less_than_20_kb(clock, keys, tmp_path) -> None:
    """The whole signed file, both lists, in the list a vault of a million has; the entropy alone is 10.6 kB."""
    from cameo.vault.allotment import size_for

    size = size_for(1_000_000)
    revoked = Bitstring.of(size, random.Random(1).sample(range(size), 10_000))
    issued = StatusList.issue(
        revoked, Bitstring.of(size, []), epoch=2**53 - 1, now=clock(), age=timedelta(days=1), key=keys[0]
    )
    issued.save(tmp_path / "list.json")
    assert (tmp_path / "list.json").stat().st_size < 20_000
    again = StatusList.load(tmp_path / "list.json")
    again.verify({thumbprint(keys[0])})
    assert again.credential_subject[0].bits == revoked and revoked.ones == 10_000


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff"])
def test_what_is_no_list_is_told_so(content: bytes) -> None:
    with pytest.raises(StatusListInvalid, match="no status list"):
        StatusList.from_json(content)
