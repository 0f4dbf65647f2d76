"""Deletion certificates: what was destroyed, and the two lines of the ledger that say so."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import rfc8785

from tests.cameo.log.judge import mth
from tests.vectors.book import Book
from tests.vectors.forge import OPERATOR, OTHER, STRANGER, Json, Key, b64, changed, jws, seed
from tests.vectors.kinds.consents import text
from tests.vectors.kinds.logs import ENTRIES, ORIGIN, checkpoint, inclusion, line

__all__ = ["book", "certificate", "signed"]

_INVALID: Final = "bad_input"
_IDS: Final = {
    "identity_id": "5d0f7c1e-9b2a-4c3d-8e4f-60718293a4b5",
    "consent_id": "7f9b4a52-3c1d-4e6f-8a90-1b2c3d4e5f60",
}
_REVOKED: Final = 1_793_710_800
_SALTS: Final = [seed("salt of the first"), seed("salt of the second")]


def _commitment(salt: bytes, detail: Json = _IDS) -> bytes:
    return sha256(b"cameo/1 event" + salt + rfc8785.dumps(detail)).digest()


def _entries(events: tuple[str, str] = ("revoke", "purged"), detail: Json = _IDS) -> list[bytes]:
    """The ledger with the two lines at its end: at, then two seconds later."""
    lines = [
        rfc8785.dumps(
            {"seq": 14 + n, "at": _REVOKED + 2 * n, "event": event, "commitment": _commitment(_SALTS[n], detail).hex()}
        )
        for n, event in enumerate(events)
    ]
    return [*ENTRIES, *lines]


def certificate(entries: list[bytes] | None = None, key: Key = OPERATOR) -> Json:
    """Unsigned."""
    log = entries or _entries()
    return {
        "format": "cameo-deletion/3",
        "certificate_id": "aa3f0d6c-1e2b-4f5a-9c8d-7e6f5a4b3c2d",
        **_IDS,
        "enrolled": "2026-11-03T12:11:00Z",
        "revoked": "2026-11-03T13:00:00Z",
        "completed": "2026-11-03T13:00:02Z",
        "reason": None,
        "destroyed": {
            "keys": 1,
            "blobs": 1,
            "consent_records": 1,
            "grants": 2,
            "scene_details": 3,
            "ledger_openings": 5,
            "sketches": 2,
        },
        "kept": None,
        "ledger": {"size": len(log), "root": mth(log).hex()},
        "logged": [
            {"event": event, "salt": b64(salt), "proof": inclusion(13 + n, log, checkpoint(log, key=key)).decode()}
            for n, (event, salt) in enumerate(zip(("revoke", "purged"), _SALTS, strict=True))
        ],
        "signature": None,
    }


def signed(document: Json, key: Key = OPERATOR, header: Json | None = None) -> Json:
    gone = {"signature"} | ({"logged"} if document["format"] != "cameo-deletion/3" else set())
    return document | {"signature": jws({n: v for n, v in document.items() if n not in gone}, key, header)}


def book() -> Book:
    made = Book(
        "certificate",
        (
            "Read the certificate, hold it to its signature and, in the group CertificateInLog, to the two proofs in it"
            " with the ledger's verifierKey, which is the key that signs certificates too.",
        ),
    )
    alone = made.group("CertificateVerify", trusted=[OPERATOR.jwk])
    good = signed(certificate())
    base = alone.valid("with proofs", document=good)
    bare = certificate() | {
        "format": "cameo-deletion/2",
        "logged": [],
        "ledger": {"size": 15, "head": seed("chain").hex()},
    }
    del bare["logged"]
    second = alone.valid("of format 2, with the head of a chain", flags=("Older",), document=signed(bare))
    first = {name: value for name, value in bare.items() if name not in ("kept",)} | {"format": "cameo-deletion/1"}
    first["destroyed"] = {name: value for name, value in first["destroyed"].items() if name != "sketches"}
    oldest = alone.valid("of format 1", flags=("Older",), document=signed(first))
    without = certificate() | {"ledger": None, "logged": []}
    damaged = alone.valid("of a ledger that was damaged, without proofs", document=signed(without))

    def no(comment: str, flag: str, source: int = base, **inputs: Any) -> None:
        alone.invalid(comment, _INVALID, flag, source=source, **inputs)

    for path, value, comment in (
        ("identity_id", "00000000-0000-4000-8000-000000000000", "another identity"),
        ("consent_id", "00000000-0000-4000-8000-000000000000", "another consent"),
        ("completed", "2026-11-03T13:00:01Z", "another time"),
        ("reason", "they asked", "a reason"),
        ("destroyed.keys", 0, "no key destroyed"),
        ("kept", {"sketches": 1, "what": "A sketch."}, "something kept"),
        ("ledger.size", 16, "another size of the ledger"),
        ("logged", [], "the proofs left out"),
    ):
        no(f"changed: {comment}", "Changed", document=changed(good, path, value))
    no("no signature", "Forged", document=certificate())
    no("signed by a stranger", "Forged", document=signed(certificate(), STRANGER))
    claim = {"alg": "Ed25519", "jwk": OPERATOR.jwk}
    no("signed by a stranger who shows the operator's key", "Forged", document=signed(certificate(), STRANGER, claim))
    no(
        "the signature of another certificate",
        "Swapped",
        damaged,
        document=signed(without) | {"signature": good["signature"]},
    )
    no("to somebody who trusts another", "Replayed", document=good, trusted=[OTHER.jwk])
    for path, value, comment in (
        ("format", "cameo-deletion/99", "a format that does not exist"),
        ("destroyed.keys", -1, "fewer keys than none"),
        ("destroyed.keys", "1", "a number in quotes"),
        ("ledger.size", "15", "the ledger's size in quotes"),
        ("revoked", "2026-11-03T13:00:00+00:00", "a time in another spelling"),
    ):
        no(comment, "Malformed", document=signed(changed(certificate(), path, value)))
    for path, value in (("destroyed.keys", "1"), ("ledger.size", "15")):
        respelled = changed(good, path, value)
        no(f"signed with a number in {path}, shown with another spelling of it", "Respelled", document=respelled)
    no("a member more", "Malformed", document=signed(certificate() | {"remark": "x"}))
    kept = {"sketches": 1, "what": "A sketch."}
    no("of format 1, with something kept", "Changed", oldest, document=signed(first) | {"kept": kept})
    no("of format 1, with sketches", "Changed", oldest, document=changed(signed(first), "destroyed", bare["destroyed"]))
    no("of format 2, with proofs", "Malformed", second, document=signed(bare) | {"logged": certificate()["logged"]})
    whole = text(good)
    no("half of the file", "Truncated", text=whole[: len(whole) // 2])
    no("a member twice", "Malformed", text=whole.replace('"keys": 1', '"keys": 9, "keys": 1', 1))
    _in_log(made)
    return made


def _in_log(made: Book) -> None:
    group = made.group("CertificateInLog", verifierKey=OPERATOR.vkey(ORIGIN))
    base = group.valid("the ledger says so", document=signed(certificate()))
    later = [*_entries(), line(16, "put")]
    grown = certificate(later)
    group.valid("the ledger says so, and went on", document=signed(grown))

    def no(comment: str, flag: str, document: Json, **inputs: Any) -> None:
        group.invalid(comment, _INVALID, flag, source=base, document=signed(document), **inputs)

    doc = certificate()
    no("no proofs", "Truncated", doc | {"logged": []})
    no("one proof", "Truncated", doc | {"logged": doc["logged"][:1]})
    no("the proofs in each other's place", "Swapped", doc | {"logged": doc["logged"][::-1]})
    no("the proof of one for both", "Swapped", changed(doc, "logged.1.proof", doc["logged"][0]["proof"]))
    no(
        "the proof of another line",
        "Swapped",
        changed(doc, "logged.0.proof", inclusion(3, _entries(), checkpoint(_entries())).decode()),
    )
    no("another salt", "Changed", changed(doc, "logged.0.salt", b64(seed("another salt"))))
    no("a salt in another spelling", "Respelled", changed(doc, "logged.0.salt", doc["logged"][0]["salt"].rstrip("=")))
    no("revoked at another second than the ledger has", "Changed", changed(doc, "revoked", "2026-11-03T13:00:01Z"))
    no("completed at another second", "Changed", changed(doc, "completed", "2026-11-03T13:00:03Z"))
    elsewhere = certificate(_entries(detail=_IDS | {"identity_id": "00000000-0000-4000-8000-000000000000"}))
    no("the ledger says it of somebody else", "Swapped", elsewhere)
    no("the ledger says something else", "Swapped", certificate(_entries(("suspend", "purged"))))
    no("a checkpoint signed by a stranger", "Forged", certificate(key=STRANGER))
    no("the head of another size", "Changed", changed(doc, "ledger.size", 13))
    no("another root", "Changed", changed(doc, "ledger.root", "00" * 32))
    no("the head of a chain", "Swapped", changed(doc, "ledger", {"size": 15, "head": mth(_entries()).hex()}))
    no("for another ledger", "Replayed", doc, verifierKey=OTHER.vkey(ORIGIN))
