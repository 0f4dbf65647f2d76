"""Packages: a person on the way from one home to another, sealed with a passphrase."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from tests.vectors.book import Book
from tests.vectors.forge import OPERATOR, OTHER, STRANGER, Json, Key, b64, b64u, changed, jwe, jws
from tests.vectors.kinds import statuses
from tests.vectors.kinds.consents import NOW, attested, signed, text
from tests.vectors.kinds.grants import terms

__all__ = ["WORDS", "book", "head", "identity", "inside", "stored"]

WORDS: Final = "correct horse battery staple"
_INVALID: Final = "package_invalid"
_INDEX: Final = 42


def identity(**how: Any) -> bytes:
    """One that was learnt from nobody, sixteen samples of a ramp. ``how``: members over the right ones."""
    told = {
        "identity_id": "5d0f7c1e-9b2a-4c3d-8e4f-60718293a4b5",
        "consent_id": attested()["consent_id"],
        "handle": "ada",
        "clip_sha256": "",
        "created": "2026-11-03T12:11:00+00:00",
        "sample_rate": 16_000,
        "coverage": {
            "yaw": None,
            "pitch": None,
            "face_px": 0.0,
            "face_frames": 0,
            "speech_seconds": 0.0,
            "advice": [],
        },
        "embeddings": {},
        "crops": [],
    }
    return stored(told | how, {"speech": ("F32", [16], struct.pack("<16f", *(n / 16 for n in range(16))))})


def stored(told: Json, tensors: Mapping[str, tuple[str, list[int], bytes]]) -> bytes:
    """Safetensors written by hand: the library writes its metadata in another order every time. ``tensors``: kind,
    shape and bytes by name."""
    header: Json = {"__metadata__": {"format": "cameo-identity/1", "identity": json.dumps(told)}}
    body = b""
    for name, (kind, shape, content) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    return len(words).to_bytes(8, "little") + words + body


def head(content: bytes, consent: str | None = None) -> Json:
    """Unsigned."""
    return {
        "format": "cameo-package/1",
        "exported": "2026-11-03T12:20:00Z",
        "issuer": OPERATOR.thumbprint,
        "status_index": _INDEX,
        "consent": text(signed(attested())) if consent is None else consent,
        "grants": [terms(scenes=3)],
        "rules": ["alcohol"],
        "identity_sha256": sha256(content).hexdigest(),
        "signature": None,
    }


def inside(words: Json, content: bytes, key: Key | None = OPERATOR) -> bytes:
    """Length, signed head, identity."""
    if key is not None:
        words = words | {"signature": jws({n: v for n, v in words.items() if n != "signature"}, key)}
    spelled = json.dumps(words).encode()
    return len(spelled).to_bytes(4, "big") + spelled + content


def book() -> Book:
    made = Book(
        "package",
        (
            "Open the package with the passphrase, hold it to the signature of the home it comes from, its identity to"
            " the head, its consent to the operator and to now, and the person to that home's status list.",
            "trusted: keys of homes that packages are taken from. status: that home's newest list, or null. taken:"
            " packages that were taken in before, base64.",
        ),
    )
    status = statuses.signed(statuses.status_list())
    group = made.group("PackageTake", trusted=[OPERATOR.jwk], passphrase=WORDS, now=NOW, status=status, taken=[])
    content = identity()
    good = jwe(inside(head(content), content), WORDS)
    base = group.valid("of somebody in force", base64=b64(good))
    group.valid("with a line end behind it", flags=("Edge",), base64=b64(good + b"\n"))
    group.valid(
        "without grants and rules", base64=b64(jwe(inside(head(content) | {"grants": [], "rules": []}, content), WORDS))
    )
    parts = good.split(b".")

    def no(comment: str, flag: str, sealed: bytes = good, error: str = _INVALID, **inputs: Any) -> None:
        group.invalid(comment, error, flag, source=base, base64=b64(sealed), **inputs)

    def resealed(comment: str, flag: str, opened: bytes, error: str = _INVALID) -> None:
        no(comment, flag, jwe(opened, WORDS), error)

    no("another passphrase", "Forged", passphrase="correct horse battery stable")
    no("a passphrase that is too short", "Forged", passphrase="correct horse")
    for n, name in enumerate(("header", "wrapped key", "nonce", "body", "tag")):
        raw = bytearray(base64.urlsafe_b64decode(parts[n] + b"=" * (-len(parts[n]) % 4)))
        raw[len(raw) // 2] ^= 1
        no(
            f"one bit of the {name} changed",
            "Changed",
            b".".join([*parts[:n], b64u(bytes(raw)).encode(), *parts[n + 1 :]]),
        )
    no("another spelling of the last character", "Respelled", good[:-1] + _neighbour(good[-1:]))
    no("cut short by a character", "Truncated", good[:-1])
    no("half of it", "Truncated", good[: len(good) // 2])
    no("nothing", "Truncated", b"")
    no("four parts", "Truncated", b".".join(parts[:4]))
    no("six parts", "Truncated", good + b".AA")
    words = inside(head(content), content)
    for flag, comment, header in (
        ("Costly", "a billion rounds", {"p2c": 10**9}),
        ("Malformed", "fewer rounds than none", {"p2c": -1}),
        ("Malformed", "no rounds", {"p2c": 0}),
        ("Malformed", "rounds in quotes", {"p2c": "1000"}),
        ("Malformed", "the passphrase as the key itself", {"alg": "dir"}),
        ("Malformed", "another cipher", {"enc": "A128GCM"}),
        ("Malformed", "compressed", {"zip": "DEF"}),
        ("Malformed", "a critical extension", {"crit": ["exp"], "exp": 1}),
        ("Malformed", "no salt", {"p2s": None}),
    ):
        no(comment, flag, jwe(words, WORDS, header=header))

    unsigned = head(content)
    resealed("unsigned", "Forged", inside(unsigned, content, None))
    resealed("signed by a stranger", "Forged", inside(unsigned, content, STRANGER))
    resealed("of a stranger's home", "Forged", inside(unsigned | {"issuer": STRANGER.thumbprint}, content, STRANGER))
    whole = json.loads(words[4 : 4 + int.from_bytes(words[:4], "big")])
    for path, value, comment in (
        ("status_index", 43, "another place in the status list"),
        ("grants", [], "no grants"),
        ("rules", [], "no rules"),
        ("exported", "2026-11-03T12:21:00Z", "another time"),
        ("grants.0.scenes", None, "any number of scenes"),
    ):
        resealed(f"changed: {comment}", "Changed", inside(changed(whole, path, value), content, None))
    resealed("swapped: another identity", "Swapped", inside(unsigned, identity(handle="eve")))
    resealed(
        "swapped: another consent",
        "Swapped",
        inside(whole | {"consent": text(signed(attested() | {"name": "Eve"}))}, content, None),
    )
    resealed("an identity cut short", "Truncated", inside(unsigned, content[:-1]))
    malformed: tuple[tuple[str, Any, str], ...] = (
        ("format", "cameo-package/99", "a format that does not exist"),
        ("status_index", "42", "a number in quotes"),
        ("status_index", 2**31, "a place beyond every list"),
        ("issuer", "somebody", "an issuer that is no thumbprint"),
        ("grants.0.scenes", 0, "a grant of no scenes"),
        ("grants.0.allowed", "yes", "a grant that says yes in words"),
        ("grants.0.uses", ["sell"], "a grant of an unknown use"),
        ("grants.0.principal", "group:all", "a grant to nobody who can be named"),
        ("rules", ["!"], "a rule without a word"),
        ("identity_sha256", "00", "a short hash"),
    )
    for path, value, comment in malformed:
        resealed(comment, "Malformed", inside(changed(unsigned, path, value), content))
    for path, value in (("status_index", "42"), ("grants.0.scenes", "3"), ("grants.0.allowed", "true")):
        respelled = inside(changed(whole, path, value), content, None)
        resealed(f"signed with a value in {path}, shown with another spelling of it", "Respelled", respelled)
    resealed("a member more", "Malformed", inside(unsigned | {"remark": "x"}, content))
    spelled = words[4 : 4 + int.from_bytes(words[:4], "big")].replace(b'"rules":', b'"rules": [], "rules":', 1)
    resealed("a member twice", "Malformed", len(spelled).to_bytes(4, "big") + spelled + content)
    resealed("a head longer than the package", "Truncated", b"\x00\xff\xff\xff" + words[4:])
    resealed("no head", "Truncated", bytes(4) + words[4:])
    resealed("nothing inside", "Truncated", b"")

    def holding(comment: str, flag: str, error: str, stored: bytes = content, consent: Json | None = None) -> None:
        told = head(stored, None if consent is None else text(consent))
        resealed(comment, flag, inside(told, stored), error)

    holding("an identity that is none", "Malformed", "bad_input", b"{}" * 20)
    holding(
        "an identity of another format",
        "Malformed",
        "bad_input",
        content.replace(b"cameo-identity/1", b"cameo-identity/9"),
    )
    holding("an identity without its coverage", "Malformed", "bad_input", content.replace(b"coverage", b"covarage"))
    holding("an identity whose metadata is null", "Malformed", "bad_input", _without_metadata(content))
    holding("the identity of another handle", "Swapped", "consent_invalid", identity(handle="eve"))
    holding(
        "the identity of another consent",
        "Swapped",
        "consent_invalid",
        identity(consent_id="11111111-2222-4333-8444-555555555555"),
    )
    holding("an identity whose id is a path", "Malformed", "bad_input", identity(identity_id="../../etc"))
    holding("a consent of another operator", "Forged", "consent_invalid", consent=signed(attested(), OTHER))
    holding(
        "a consent that nobody gave yet",
        "Replayed",
        "consent_invalid",
        consent=signed(attested() | {"assurance": "requested", "attested_by": None}),
    )
    holding(
        "more than the consent covers", "Beyond", "consent_invalid", consent=signed(attested() | {"scope": ["face"]})
    )
    holding(
        "a consent that forbids what is no word",
        "Malformed",
        "consent_invalid",
        consent=signed(changed(attested(), "processing.forbidden", ["!"])),
    )
    good_consent = text(signed(attested()))
    resealed("a consent cut short", "Truncated", inside(head(content, good_consent[:-9]), content), "consent_invalid")

    no(
        "the consent is over",
        "Expired",
        error="consent_expired",
        now="2027-11-04T12:00:00Z",
        status=statuses.signed(
            statuses.status_list() | {"validFrom": "2027-11-04T09:00:00Z", "validUntil": "2027-11-05T09:00:00Z"}
        ),
    )
    no("no status list", "Expired", error="status_list_not_in_force", status=None)
    no("a status list that is too old", "Expired", error="status_list_not_in_force", now="2026-11-04T12:00:00Z")
    no(
        "revoked at home",
        "Replayed",
        error="cameo_revoked",
        status=statuses.signed(statuses.status_list(gone=(_INDEX,))),
    )
    no(
        "suspended at home",
        "Replayed",
        error="cameo_suspended",
        status=statuses.signed(statuses.status_list(paused=(_INDEX,))),
    )
    no(
        "the status list of another home",
        "Swapped",
        error="status_list_invalid",
        status=statuses.signed(statuses.status_list(key=OTHER), OTHER),
    )
    no("to a home that trusts another", "Replayed", trusted=[OTHER.jwk])
    no("taken in already", "Replayed", error="handle_taken", taken=[b64(good)])
    return made


def _without_metadata(stored_before: bytes) -> bytes:
    end = 8 + int.from_bytes(stored_before[:8], "little")
    header = json.loads(stored_before[8:end]) | {"__metadata__": None}
    words = json.dumps(header).encode()
    return len(words).to_bytes(8, "little") + words + stored_before[end:]


def _neighbour(character: bytes) -> bytes:
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = alphabet.index(character) ^ 1
    return alphabet[at : at + 1]
