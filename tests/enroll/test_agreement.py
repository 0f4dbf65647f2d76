"""The third format of a consent: how it is handled, and the person's own signature."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from enroll.consent import ConsentRecord
from enroll.errors import BadInput, ConsentInvalid
from enroll.processing import Party, Processing
from enroll.receipt import Receipt
from enroll.signature import sign, thumbprint

NOW = datetime(2026, 11, 3, 9, 0, 0, tzinfo=UTC)
OPERATOR, ADA, EVE = (OKPKey.generate_key("Ed25519") for _ in range(3))
HANDLED = Processing(
    controller=Party(name="Studio North", contact="privacy@north.example"),
    storage=("encrypted, in Oslo",),
    recipients=("Film Fund",),
    withdrawal="write to privacy@north.example",
    jurisdiction="NO",
    forbidden=("alcohol",),
    scenes=3,
)


def request(**changes: object) -> ConsentRecord:
    fields = {"name": "Ada Lovelace", "handle": "ada", "now": NOW, "processing": HANDLED} | changes
    return ConsentRecord.new(**fields).sign(OPERATOR)


def attested(record: ConsentRecord) -> ConsentRecord:
    return record.attest(by="Studio North", key=OPERATOR, now=NOW)


def test_the_person_signs_what_they_were_asked() -> None:
    asked = request()
    assert asked.subject_key is None
    agreed = asked.agree(ADA)
    assert agreed.subject_key == thumbprint(ADA)
    # The operator's signature on the request stands, and covers the person's from the moment it is a consent.
    agreed.verify(now=NOW, trusted={thumbprint(OPERATOR)}, request=True)
    consent = attested(agreed)
    consent.verify(now=NOW, trusted={thumbprint(OPERATOR)}, handle="ada")
    assert ConsentRecord.from_json(consent.to_json()).subject_key == thumbprint(ADA)


@pytest.mark.parametrize(
    "changes",
    [
        {"uses": ["generate", "personalize"]},
        {"grants": ["everyone"]},
        {"valid_until": "2028-11-03T09:00:00Z"},
        {"retention_days": 3000},
        {"processing": HANDLED.model_copy(update={"forbidden": ()}).model_dump(mode="json")},
        {"processing": HANDLED.model_copy(update={"scenes": None}).model_dump(mode="json")},
    ],
)
def test_an_operator_cannot_widen_what_was_agreed(changes: dict[str, object]) -> None:
    """Even under the operator's own new signature: the person's does not fit any more."""
    fields = json.loads(request().agree(ADA).to_json()) | changes
    widened = ConsentRecord.from_json(json.dumps(fields)).sign(OPERATOR)
    for record in (widened, widened.model_copy(update={"assurance": "attested", "attested_by": "x"}).sign(OPERATOR)):
        with pytest.raises(ConsentInvalid, match="not what the person signed"):
            record.verify(now=NOW, trusted={thumbprint(OPERATOR)}, request=True)


def test_another_persons_signature_is_theirs_and_shows() -> None:
    asked, other = request(), request()
    stolen = asked.model_copy(update={"agreement": other.agree(ADA).agreement})
    with pytest.raises(ConsentInvalid, match="not what the person signed"):
        stolen.verify(now=NOW, request=True)
    consent = attested(asked.agree(ADA))
    swapped = consent.model_copy(update={"agreement": sign(consent._asked(), EVE)})
    with pytest.raises(ConsentInvalid, match="changed after it was signed"):
        swapped.verify(now=NOW)
    with pytest.raises(ConsentInvalid, match="changed after it was signed"):
        consent.model_copy(update={"agreement": None}).verify(now=NOW)


def test_only_a_whole_request_can_be_agreed_to() -> None:
    with pytest.raises(ConsentInvalid, match="a person signs the request"):
        attested(request()).agree(ADA)
    with pytest.raises(ConsentInvalid, match="changed after it was signed"):
        request().model_copy(update={"grants": ("everyone",)}).agree(ADA)


@pytest.mark.parametrize("number", [1, 2])
def test_records_of_older_formats_hold_as_they_were(number: int) -> None:
    fields = json.loads(request().to_json()) | {"format": f"cameo-consent/{number}", "signature": None}
    older = {k: v for k, v in fields.items() if k not in {"processing", "agreement"}}
    if number == 1:
        older = {k: v for k, v in older.items() if k not in {"capture", "evidence"}}
    signed = ConsentRecord.from_json(json.dumps(older)).sign(OPERATOR)
    written = json.loads(signed.to_json())
    assert set(written) == set(older) and "processing" not in written
    attested(signed).verify(now=NOW, trusted={thumbprint(OPERATOR)})
    for extra in ({"processing": fields["processing"]}, {"agreement": "x"}):
        with pytest.raises(ConsentInvalid, match="no consent record"):
            ConsentRecord.from_json(json.dumps(older | extra))
    with pytest.raises(ConsentInvalid, match="processing belongs to"):
        ConsentRecord.from_json(json.dumps(older | {"format": "cameo-consent/4"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"adult": False},
        {"scenes": 0},
        {"jurisdiction": "Norway"},
        {"language": "English"},
        {"storage": ()},
        {"forbidden": ("",)},
        {"withdrawal": "a\nb"},
        {"controller": {"name": "Studio"}},
        {"extra": 1},
    ],
)
def test_how_it_is_handled_must_be_said_properly(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Processing.model_validate(HANDLED.model_dump() | changes)


def test_what_is_read_aloud_names_the_limits() -> None:
    words = request().statement
    assert "until 2027-11-03, never with alcohol." in words and "I am of age." in words


# --- the receipt


def receipt(consent: ConsentRecord | None = None) -> Receipt:
    return Receipt.of(consent or attested(request().agree(ADA)), enrolled=NOW, key=OPERATOR, now=NOW)


def test_a_receipt_says_all_there_is_to_say(tmp_path: Path) -> None:
    consent = attested(request().agree(ADA))
    receipt(consent).save(tmp_path / "receipt.json")
    found = Receipt.load(tmp_path / "receipt.json")
    assert found.verify({thumbprint(OPERATOR)}) == thumbprint(OPERATOR)
    told = found.pii_processing
    assert told.privacy_notice == consent.statement
    assert (told.never, told.scenes, told.users) == (("alcohol",), 3, ("owner",))
    assert (told.valid_until, (told.destroyed_by - told.valid_until).days) == (consent.valid_until, 30)
    assert found.metadata.record_id == consent.consent_id
    assert found.party_identification == (HANDLED.controller,)
    assert [event.event_type for event in found.events] == ["requested", "agreed", "attested", "enrolled"]


def test_every_character_of_a_receipt_counts(tmp_path: Path) -> None:
    text = receipt().to_json()
    survived = []
    for index, character in enumerate(text):
        (tmp_path / "changed").write_text(text[:index] + chr(ord(character) ^ 1) + text[index + 1 :])
        try:
            Receipt.load(tmp_path / "changed").verify()
        except BadInput:
            continue
        survived.append((index, character))
    assert survived == []


def test_receipts_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="whom nobody here trusts"):
        receipt().verify({thumbprint(EVE)})
    with pytest.raises(BadInput, match="is not signed"):
        receipt().model_copy(update={"signature": None}).verify()
    for content in (b"", b"{}", b"\xff\xfe", b"[" * 60_000, b"x" * 100_000):
        (tmp_path / "r.json").write_bytes(content)
        with pytest.raises(BadInput, match="no receipt"):
            Receipt.load(tmp_path / "r.json")
    with pytest.raises(BadInput, match="cannot read"):
        Receipt.load(tmp_path)
