"""Consent records: first everything that must be refused, then what may pass."""

from __future__ import annotations

import json
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey
from pydantic import ValidationError

from enroll.consent import ConsentRecord
from enroll.errors import ConsentExpired, ConsentInvalid
from enroll.signature import canonical, thumbprint

NOW = datetime(2026, 11, 3, 9, 0, 0, tzinfo=UTC)
KEY = OKPKey.generate_key("Ed25519")
STRANGER = OKPKey.generate_key("Ed25519")


def request(**changes: object) -> ConsentRecord:
    return ConsentRecord.new(**{"name": "Ada Lovelace", "handle": "ada", "now": NOW} | changes)


@pytest.fixture(scope="module")
def consent() -> ConsentRecord:
    return request(grants=("owner", "user:bob")).attest(by="Studio North", key=KEY, now=NOW)


def refused(record: ConsentRecord, match: str, **how: object) -> ConsentInvalid:
    with pytest.raises(ConsentInvalid, match=match) as caught:
        record.verify(**{"now": NOW, "trusted": {thumbprint(KEY)}, "handle": "ada"} | how)
    assert "\n" not in caught.value.message
    return caught.value


# --- refusals: what it says


def test_unsigned() -> None:
    assert "cameo consent attest" in refused(request(), "not signed").hint


def test_only_a_request() -> None:
    assert "cameo consent attest" in refused(request().sign(KEY), "assurance requested, expected attested").hint


def test_for_another_handle(consent: ConsentRecord) -> None:
    refused(consent, "handle @ada, expected @grace", handle="grace")


def test_signed_by_a_stranger() -> None:
    stranger = request().attest(by="Mallory", key=STRANGER, now=NOW)
    refused(stranger, "whom nobody here trusts")
    stranger.verify(now=NOW, trusted=None, handle="ada")


def test_expired_to_the_second(consent: ConsentRecord) -> None:
    consent.verify(now=consent.valid_until - timedelta(seconds=1))
    with pytest.raises(ConsentExpired, match="ended 2027-11-03T09:00:00Z") as caught:
        consent.verify(now=consent.valid_until)
    assert caught.value.exit_status == 4


def test_not_begun(consent: ConsentRecord) -> None:
    consent.verify(now=NOW - timedelta(minutes=4))
    refused(consent, "begins 2026-11-03T09:00:00Z", now=NOW - timedelta(minutes=6))


# --- refusals: changed after signing


def test_every_single_character_counts(consent: ConsentRecord) -> None:
    text = consent.to_json()
    ConsentRecord.from_json(text).verify(now=NOW)
    survived = []
    for index, character in enumerate(text):
        changed = text[:index] + chr(ord(character) ^ 1) + text[index + 1 :]
        try:
            ConsentRecord.from_json(changed).verify(now=NOW)
        except ConsentInvalid:
            continue
        survived.append((index, character))
    assert survived == []


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_field_can_be_changed(consent: ConsentRecord, data: st.DataObject) -> None:
    fields = json.loads(consent.to_json())
    others = {"signature", "format", "assurance", "capture", "evidence", "processing", "agreement"}
    field = data.draw(st.sampled_from(sorted(set(fields) - others)))
    alternatives: dict[str, object] = {
        "scope": ["face"],
        "uses": ["generate", "personalize"],
        "grants": ["everyone"],
        "retention_days": 3650,
        "valid_until": "2030-01-01T00:00:00Z",
        "created": "2026-11-01T00:00:00Z",
        "challenge": fields["challenge"] | {"valid_until": "2026-11-03T19:30:00Z"},
        "handle": "grace",
        "consent_id": "00000000-0000-4000-8000-000000000000",
    }
    fields[field] = alternatives.get(field) or data.draw(st.text(st.characters(categories=["L"]), min_size=1))
    refused(ConsentRecord.from_json(json.dumps(fields)), "changed after it was signed", handle=None)


def test_a_request_cannot_be_promoted_by_hand() -> None:
    fields = json.loads(request().sign(KEY).to_json())
    fields |= {"assurance": "attested", "attested_by": "Studio North"}
    refused(ConsentRecord.from_json(json.dumps(fields)), "changed after it was signed")


def test_a_changed_request_cannot_be_attested() -> None:
    changed = request().sign(KEY).model_copy(update={"grants": ("everyone",)})
    with pytest.raises(ConsentInvalid, match="changed after it was signed"):
        changed.attest(by="Studio North", key=KEY, now=NOW)


def test_an_expired_request_cannot_be_attested() -> None:
    with pytest.raises(ConsentExpired):
        request(valid_days=1).attest(by="Studio North", key=KEY, now=NOW + timedelta(days=1))


def test_a_signature_does_not_move(consent: ConsentRecord) -> None:
    other = request().model_copy(update={"assurance": "attested", "signature": consent.signature})
    refused(other, "changed after it was signed")


def test_the_last_character_of_a_signature_has_one_spelling(consent: ConsentRecord) -> None:
    assert consent.signature is not None
    body, last = consent.signature[:-1], consent.signature[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = alphabet[alphabet.index(last) + 1]
    assert _signature_bytes(body + twin) == _signature_bytes(consent.signature)
    refused(consent.model_copy(update={"signature": body + twin}), "changed after it was signed")


def _forged(consent: ConsentRecord, header: dict[str, object], key: object) -> ConsentRecord:
    content = canonical(consent.model_dump(mode="json", exclude={"signature"}))
    algorithm = str(header["alg"])
    signature = jws.detach_content(jws.serialize_compact(header, content, key, algorithms=[algorithm]))  # type: ignore[arg-type]
    return consent.model_copy(update={"signature": signature})


@pytest.mark.filterwarnings("ignore:JWS algorithm .none.")
def test_forged_headers(consent: ConsentRecord) -> None:
    public = KEY.as_dict(private=False)
    hmac_key = OctKey.import_key(urlsafe_b64decode(_padded(str(public["x"]))))
    for header, key in [
        ({"alg": "HS256", "jwk": public}, hmac_key),
        ({"alg": "HS256", "jwk": {"kty": "oct", "k": public["x"]}}, hmac_key),
        ({"alg": "none", "jwk": public}, None),
        ({"alg": "Ed25519", "jwk": public}, STRANGER),
        ({"alg": "Ed25519"}, KEY),
        ({"alg": "Ed25519", "jwk": KEY.as_dict(private=True)}, KEY),
        ({"alg": "Ed25519", "jwk": public, "kid": "studio"}, KEY),
    ]:
        refused(_forged(consent, header, key), "changed after it was signed")


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=8), lambda leaf: st.dictionaries(st.text(max_size=4), leaf)
        )
        .map(json.dumps)
        .map(lambda header: urlsafe_b64encode(header.encode()).decode().rstrip("=") + "..AAAA"),
    )
)
def test_any_signature_is_refused_in_our_own_words(consent: ConsentRecord, signature: str) -> None:
    refused(consent.model_copy(update={"signature": signature}), "changed after it was signed")


# --- refusals: files


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "Invalid JSON"),
        (b"not json", "Invalid JSON"),
        (b"\xff\xfe\x00", "Invalid JSON"),
        (b"[]", "no consent record"),
        (b"{}", "consent_id: Field required"),
        (b"{" * 100_000, "over 65536 bytes"),
        (b"[" * 60_000, "Invalid JSON"),
    ],
)
def test_files_that_are_no_consent(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "a\nb.json"
    path.write_bytes(content)
    with pytest.raises(ConsentInvalid, match=match) as caught:
        ConsentRecord.load(path)
    assert "\n" not in caught.value.message and "a b.json" in caught.value.message
    assert caught.value.exit_status == 3


def test_missing_and_folder_and_impossible(tmp_path: Path) -> None:
    for path, match in [(tmp_path / "no.json", "no consent at"), (tmp_path, "is a folder"), ("a\0b", "cannot read")]:
        with pytest.raises(ConsentInvalid, match=match):
            ConsentRecord.load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("extra", 1),
        ("format", "cameo-consent/5"),
        ("retention_days", "30"),
        ("retention_days", -1),
        ("created", "2026-11-03T09:00:00+00:00"),
        ("created", "2026-11-03 09:00:00Z"),
        ("created", "2026-02-30T09:00:00Z"),
        ("created", 1793696400),
        ("valid_until", "2026-11-03T09:00:00Z"),
        ("valid_until", "2099-11-03T09:00:00Z"),
        ("scope", []),
        ("scope", ["face", "face"]),
        ("scope", ["soul"]),
        ("grants", ["user:"]),
        ("grants", ["user:a b"]),
        ("grants", ["root"]),
        ("assurance", "sworn"),
        ("consent_id", "../../etc"),
        ("challenge", {"digits": "12345", "turns": ["left"], "valid_until": "2026-11-03T09:30:00Z"}),
    ],
)
def test_fields_that_do_not_fit(consent: ConsentRecord, field: str, value: object) -> None:
    fields = json.loads(consent.to_json()) | {field: value}
    with pytest.raises(ConsentInvalid, match="no consent record"):
        ConsentRecord.from_json(json.dumps(fields))


@pytest.mark.parametrize("handle", ["", "Ada", "1ada", "a" * 33, "ada lovelace", "ada\n", "ädä", "@ada", "../ada"])
def test_handles_outside_the_grammar(handle: str) -> None:
    with pytest.raises(ConsentInvalid, match="handle: expected a small letter"):
        request(handle=handle)


@pytest.mark.parametrize("name", ["", " ", "Ada\nLovelace", "Ada\x1b[31m", "Ada\u2028", "Ada\u202eecalevoL", "A" * 201])
def test_names_that_are_not_one_line(name: str) -> None:
    with pytest.raises(ConsentInvalid, match="name: ") as caught:
        request(name=name)
    assert "Ada" not in caught.value.message


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_bytes_are_refused_in_our_own_words(text: bytes | str) -> None:
    with pytest.raises(ConsentInvalid):
        ConsentRecord.from_json(text)


# --- what passes


def test_the_way_from_request_to_consent(tmp_path: Path) -> None:
    issued = request(name="Zoë Kravitz-O’Neil", scope=("face", "voice"), valid_days=7, retention_days=0).sign(KEY)
    path = tmp_path / "consent.json"
    issued.save(path)
    ConsentRecord.load(path).attest(by="Studio North", key=KEY, now=NOW).save(path)
    consent = ConsentRecord.load(path)
    consent.verify(now=NOW, trusted={thumbprint(KEY)}, handle="ada")
    assert (consent.assurance, consent.attested_by) == ("attested", "Studio North")
    unchanged = {"consent_id", "name", "handle", "scope", "uses", "grants", "statement", "challenge", "created"}
    assert consent.model_dump(include=unchanged) == issued.model_dump(include=unchanged)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["consent.json"]


def test_names_written_with_joiners_pass() -> None:
    assert request(name="می‌خواهم").name == "می‌خواهم"


def test_saving_where_there_is_no_folder(tmp_path: Path, consent: ConsentRecord) -> None:
    with pytest.raises(ConsentInvalid, match="cannot write"):
        consent.save(tmp_path / "none" / "consent.json")


def test_white_space_and_order_do_not_matter(consent: ConsentRecord) -> None:
    fields = json.loads(consent.to_json())
    shuffled = json.dumps(dict(reversed(fields.items())), indent=7)
    ConsentRecord.from_json(shuffled).verify(now=NOW, trusted={thumbprint(KEY)})


def test_the_signature_by_an_independent_judge(consent: ConsentRecord) -> None:
    """RFC 7515 by hand: cryptography's Ed25519 over ``header.payload``, the payload canonical JSON (this document has
    neither floats nor keys outside ASCII, so sorted keys without white space are its RFC 8785 form)."""
    fields = json.loads(consent.to_json())
    header, empty, signature = fields.pop("signature").split(".")
    payload = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    jwk = json.loads(urlsafe_b64decode(_padded(header)))["jwk"]
    key = Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(_padded(jwk["x"])))
    signed = header.encode() + b"." + urlsafe_b64encode(payload).rstrip(b"=")
    key.verify(urlsafe_b64decode(_padded(signature)), signed)
    assert empty == "" and "d" not in jwk


def test_the_challenge_is_fresh_and_is_read_aloud() -> None:
    records = [request() for _ in range(40)]
    for record in records:
        challenge = record.challenge
        assert " ".join(challenge.digits) in record.statement
        assert record.name in record.statement and "2027-11-03" in record.statement
        assert len(set(challenge.turns)) == 3
        assert challenge.valid_until == NOW + timedelta(minutes=30)
    assert len({record.challenge.digits for record in records}) > 35
    assert len({record.challenge.turns for record in records}) > 10
    assert len({record.consent_id for record in records}) == 40


def test_a_consent_is_not_written_into_logs(consent: ConsentRecord) -> None:
    assert "Lovelace" not in repr(consent) and "Lovelace" not in str(consent)


def _signature_bytes(compact: str) -> bytes:
    return urlsafe_b64decode(_padded(compact.rpartition(".")[2]))


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_consent_runs_a_while_and_not_for_ever(days: int) -> None:
    with pytest.raises(ConsentInvalid, match="1 to 3650 days"):
        ConsentRecord.new(name="Ada", handle="ada", valid_days=days)


def test_who_teaches_models_is_told_that_they_do_not_forget() -> None:
    stays = "What such models have learned by then stays in them."
    assert stays in request(uses=("generate", "train")).statement
    assert stays not in request(uses=("generate", "personalize")).statement


def test_an_older_format_knows_no_training() -> None:
    fields = request(uses=("train",)).model_dump()
    with pytest.raises(ValidationError, match="knows no use train"):
        ConsentRecord.model_validate(fields | {"format": "cameo-consent/3"})
