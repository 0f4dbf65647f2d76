"""Grants on the way to another home."""

from __future__ import annotations

from typing import Final

from tests.vectors.book import Book
from tests.vectors.forge import OPERATOR, OTHER, STRANGER, Json, b64u, changed, jws
from tests.vectors.kinds.consents import text

__all__ = ["NOW", "book", "grant", "signed"]

_INVALID = "grant_invalid"
NOW: Final = "2026-11-20T12:00:00Z"


def grant() -> Json:
    """Unsigned, from the operator's home to the other one."""
    return {
        "format": "cameo-grant/1",
        "grant_id": "5b0e1c5a-7d2f-4c86-9a41-0f3e2d1c4b5a",
        "issued": "2026-11-10T09:00:00Z",
        "issuer": OPERATOR.thumbprint,
        "audience": OTHER.thumbprint,
        "consent_id": "7f0c2f0e-3c55-4f0e-9b6e-2f1d7f3c1a11",
        "handle": "ada",
        "principal": "user:bob",
        "uses": ["generate"],
        "scenes": 3,
        "until": "2026-12-10T09:00:00Z",
        "signature": None,
    }


def signed(document: Json) -> Json:
    return document | {"signature": jws({n: v for n, v in document.items() if n != "signature"})}


def book() -> Book:
    made = Book(
        "signed-grant",
        ("Read the grant, then hold it to its signature, its time and its home.", "audience: the home that reads it."),
    )
    group = made.group("SignedGrantVerify", trusted=[OPERATOR.jwk], audience=OTHER.thumbprint, now=NOW)
    good = signed(grant())
    base = group.valid("three scenes", document=good)
    group.valid("any number, whatever was consented to", document=signed(grant() | {"uses": [], "scenes": None}))
    group.valid("for everyone there", document=signed(changed(grant(), "principal", "everyone")))
    group.valid("in its last second", flags=("Edge",), document=good, now="2026-12-10T08:59:59Z")
    group.valid(
        "issued by a clock that is four minutes ahead", flags=("Edge",), document=good, now="2026-11-10T08:56:00Z"
    )
    for path, value, comment in (
        ("principal", "user:eve", "another user"),
        ("principal", "everyone", "everyone"),
        ("scenes", 300, "a hundred times the scenes"),
        ("scenes", None, "any number of scenes"),
        ("uses", [], "all that was consented to"),
        ("until", "2027-12-10T09:00:00Z", "a year longer"),
        ("issued", "2026-11-19T09:00:00Z", "newer than it is"),
        ("handle", "grace", "another person"),
        ("consent_id", "11111111-2222-4333-8444-555555555555", "another consent"),
        ("grant_id", "11111111-2222-4333-8444-555555555555", "another grant"),
    ):
        group.invalid(f"changed: {comment}", _INVALID, "Changed", source=base, document=changed(good, path, value))
    fields = {name: value for name, value in good.items() if name != "signature"}
    for flag, comment, signature in (
        ("Forged", "no signature", None),
        ("Forged", "signed by a stranger", jws(fields, STRANGER)),
        ("Forged", "by a stranger who shows the operator's key", jws(fields, STRANGER, _claim())),
        ("Forged", "without an algorithm", jws(fields, OPERATOR, {"alg": "none", "jwk": OPERATOR.jwk})),
        ("Swapped", "the signature of another grant", signed(changed(grant(), "scenes", 4))["signature"]),
        ("Forged", "a signature of zeros", f"{good['signature'].split('..')[0]}..{b64u(bytes(64))}"),
    ):
        group.invalid(comment, _INVALID, flag, source=base, document=good | {"signature": signature})
    for flag, comment, inputs in (
        ("Replayed", "in a home it is not for", {"audience": STRANGER.thumbprint}),
        ("Replayed", "to somebody who trusts another", {"trusted": [OTHER.jwk]}),
        ("Expired", "in the second it ends", {"now": "2026-12-10T09:00:00Z"}),
        ("Expired", "a year later", {"now": "2027-11-20T12:00:00Z"}),
        ("Expired", "before it was issued", {"now": "2026-11-10T08:54:00Z"}),
    ):
        group.invalid(comment, _INVALID, flag, source=base, document=good, **inputs)
    for flag, path, value, comment in (
        ("Beyond", "issuer", OTHER.thumbprint, "signed by another than it says it is by"),
        ("Malformed", "format", "cameo-grant/99", "a format that does not exist"),
        ("Malformed", "scenes", 0, "no scenes"),
        ("Malformed", "scenes", "3", "a number in quotes"),
        ("Malformed", "uses", ["generate", "generate"], "the same use twice"),
        ("Malformed", "uses", ["advertise"], "a use that does not exist"),
        ("Malformed", "principal", "owner", "for the owner"),
        ("Malformed", "principal", "user:", "for nobody"),
        ("Malformed", "until", "2026-12-10", "a day without a time"),
        ("Malformed", "audience", "everywhere", "a home that is none"),
        ("Malformed", "note", "more", "a member that a grant does not have"),
    ):
        document = signed(grant() | {path: value})
        group.invalid(comment, _INVALID, flag, source=base, document=document)
    whole = text(good)
    for flag, comment, words in (
        ("Truncated", "half of the file", whole[: len(whole) // 2]),
        ("Truncated", "nothing", ""),
        ("Malformed", "a member twice", whole.replace('"scenes":', '"scenes": 300, "scenes":', 1)),
        ("Costly", "more than 64 KiB", whole + " " * 65_536),
    ):
        group.invalid(comment, _INVALID, flag, source=base, text=words)
    return made


def _claim() -> Json:
    return {"alg": "Ed25519", "jwk": OPERATOR.jwk}
