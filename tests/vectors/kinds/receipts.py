"""Receipts: what the person took home."""

from __future__ import annotations

from hashlib import sha256

import rfc8785

from tests.vectors.book import Book
from tests.vectors.forge import OPERATOR, OTHER, STRANGER, Json, b64u, changed, jws
from tests.vectors.kinds.consents import request, text

__all__ = ["book", "receipt", "signed"]

_INVALID = "bad_input"


def receipt() -> Json:
    """Unsigned."""
    consent = request()
    return {
        "metadata": {
            "schema_version": "cameo-receipt/1",
            "receipt_id": "0c2d8f6e-5a41-4b7c-9d13-6e7f8091a2b3",
            "record_id": consent["consent_id"],
            "pii_principal_id": "@ada",
            "issued": "2026-11-03T12:11:00Z",
            "status_list": f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{OPERATOR.thumbprint}#status",
            "status_index": 94567,
        },
        "pii_processing": {
            "privacy_notice": consent["statement"],
            "language": "en",
            "lawful_basis": "explicit consent",
            "purposes": ["making scenes in which the person appears"],
            "pii_information": ["embeddings of the face and aligned crops of the head"],
            "sensitive": True,
            "pii_controllers": ["Studio North"],
            "storage_locations": ["encrypted, on the operator's machine"],
            "retention_period": "30 days, locked, after the consent ends",
            "valid_until": "2027-11-03T12:00:00Z",
            "destroyed_by": "2027-12-03T12:00:00Z",
            "jurisdiction": "FI",
            "recipient_third_parties": [],
            "users": ["owner", "user:bob"],
            "scenes": 20,
            "never": ["alcohol"],
            "withdrawal_method": "write to the studio, at any time",
        },
        "party_identification": [{"name": "Studio North", "contact": "consent@studio-north.example"}],
        "events": [
            {"event_type": "requested", "event_time": "2026-11-03T12:00:00Z", "entity": "Studio North"},
            {"event_type": "live", "event_time": "2026-11-03T12:10:00Z", "entity": "@ada"},
            {"event_type": "enrolled", "event_time": "2026-11-03T12:11:00Z", "entity": "Studio North"},
        ],
        "signature": None,
    }


def signed(document: Json) -> Json:
    return document | {"signature": jws({n: v for n, v in document.items() if n != "signature"})}


def book() -> Book:
    made = Book("receipt", ("Read the receipt, then hold it to its signature. trusted: keys whose word counts.",))
    group = made.group("ReceiptVerify", trusted=[OPERATOR.jwk])
    good = signed(receipt())
    base = group.valid("of a live consent", document=good)
    unlisted = changed(changed(receipt(), "metadata.status_list", None), "metadata.status_index", None)
    group.valid("without a status list", document=signed(unlisted))
    group.valid("any number of scenes", document=signed(changed(receipt(), "pii_processing.scenes", None)))
    for path, value, comment in (
        ("metadata.record_id", "11111111-2222-4333-8444-555555555555", "another consent"),
        ("metadata.status_index", 94568, "another place in the status list"),
        ("pii_processing.never", [], "nothing forbidden any more"),
        ("pii_processing.users", ["everyone"], "everyone allowed"),
        ("pii_processing.destroyed_by", "2037-12-03T12:00:00Z", "destroyed ten years later"),
        ("pii_processing.withdrawal_method", "not at all", "no way back"),
        ("party_identification.0.contact", "nobody@studio-north.example", "another contact"),
        ("events.1.event_type", "attested", "another event"),
    ):
        group.invalid(f"changed: {comment}", _INVALID, "Changed", source=base, document=changed(good, path, value))
    fields = {name: value for name, value in good.items() if name != "signature"}
    for flag, comment, signature in (
        ("Forged", "no signature", None),
        ("Forged", "signed by a stranger", jws(fields, STRANGER)),
        ("Forged", "signed by a stranger who shows the operator's key", jws(fields, STRANGER, _claim())),
        (
            "Swapped",
            "the signature of another receipt",
            signed(changed(receipt(), "metadata.status_index", 1))["signature"],
        ),
        ("Forged", "a signature of zeros", f"{good['signature'].split('..')[0]}..{b64u(bytes(64))}"),
    ):
        group.invalid(comment, _INVALID, flag, source=base, document=good | {"signature": signature})
    group.invalid(
        "to somebody who trusts another", _INVALID, "Replayed", source=base, document=good, trusted=[OTHER.jwk]
    )
    for path, value, comment in (
        ("metadata.schema_version", "cameo-receipt/99", "a format that does not exist"),
        ("metadata.status_index", -1, "a place before the first"),
        ("metadata.status_index", "94567", "a number in quotes"),
        ("pii_processing.sensitive", False, "not sensitive"),
        ("pii_processing.lawful_basis", "legitimate interest", "another basis than consent"),
        ("events", [], "no events"),
    ):
        document = signed(changed(receipt(), path, value))
        group.invalid(comment, _INVALID, "Malformed", source=base, document=document)
    whole = text(good)
    for flag, comment, words in (
        ("Truncated", "half of the file", whole[: len(whole) // 2]),
        ("Malformed", "a member twice", whole.replace('"never": [', '"never": [], "never": [', 1)),
        ("Costly", "more than 64 KiB", whole + " " * 65_536),
    ):
        group.invalid(comment, _INVALID, flag, source=base, text=words)
    named = receipt()
    named["metadata"]["record_sha256"] = sha256(rfc8785.dumps(request())).hexdigest()
    digested = group.valid("that names its consent by digest too", document=signed(named))
    other = changed(signed(named), "metadata.record_sha256", "0" * 64)
    group.invalid("changed: the digest of another consent", _INVALID, "Changed", source=digested, document=other)
    return made


def _claim() -> Json:
    return {"alg": "Ed25519", "jwk": OPERATOR.jwk}
