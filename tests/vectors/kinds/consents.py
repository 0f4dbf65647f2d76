"""Consent records: formats 1 to 3, from the request to the live challenge."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256
from typing import Any, Final

import rfc8785

from tests.vectors.book import Book, Group
from tests.vectors.forge import OPERATOR, OTHER, STRANGER, SUBJECT, Json, Key, b64u, changed, jws

__all__ = ["NOW", "attested", "book", "live", "request", "signed", "text"]

NOW: Final = "2026-11-03T12:00:00Z"
_INVALID: Final = "consent_invalid"
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_LATER: Final = ("assurance", "attested_by", "capture", "evidence", "agreement", "signature")


def request() -> Json:
    """A consent that nobody has given yet, unsigned."""
    return {
        "format": "cameo-consent/3",
        "consent_id": "7f9b4a52-3c1d-4e6f-8a90-1b2c3d4e5f60",
        "name": "Ada Example",
        "handle": "ada",
        "scope": ["face", "voice"],
        "uses": ["generate"],
        "grants": ["owner", "user:bob"],
        "statement": "I am Ada Example. I agree that Cameo learns my face and my voice from this clip, as @ada, "
        "to make scenes, until 2027-11-03. I am of age. My numbers are 4 0 7 1 9 2.",
        "challenge": {"digits": "407192", "turns": ["left", "up", "right"], "valid_until": "2026-11-03T12:30:00Z"},
        "created": "2026-11-03T12:00:00Z",
        "valid_until": "2027-11-03T12:00:00Z",
        "retention_days": 30,
        "assurance": "requested",
        "attested_by": None,
        "capture": None,
        "evidence": None,
        "processing": {
            "language": "en",
            "controller": {"name": "Studio North", "contact": "consent@studio-north.example"},
            "jurisdiction": "FI",
            "storage": ["encrypted, on the operator's machine"],
            "recipients": [],
            "withdrawal": "write to the studio, at any time",
            "forbidden": ["alcohol"],
            "scenes": 20,
            "adult": True,
        },
        "agreement": None,
        "signature": None,
    }


def signed(document: Json, key: Key = OPERATOR, header: Json | None = None) -> Json:
    """Under an operator's signature."""
    later = {"signature", "agreement"} if document["assurance"] == "requested" else {"signature"}
    fields = {name: value for name, value in document.items() if name not in later}
    return document | {"signature": jws(fields, key, header)}


def agreed(document: Json, key: Key = SUBJECT) -> Json:
    """With the person's own signature over what they were asked."""
    return document | {"agreement": jws({n: v for n, v in document.items() if n not in _LATER}, key)}


def attested(base: Json | None = None) -> Json:
    """Unsigned."""
    return (base or request()) | {"assurance": "attested", "attested_by": "Studio North"}


def live(base: Json | None = None, level: str = "live") -> Json:
    """Unsigned."""
    return (base or request()) | {
        "assurance": level,
        "capture": "camera",
        "evidence": {
            "level": level,
            "checks": ["time", "picture", "sound", "digits", "voice", "face", "mouth", "turns"][
                : 8 if level == "live" else 7
            ],
            "clip_sha256": sha256(b"a clip that was never filmed").hexdigest(),
            "judged": "2026-11-03T12:10:00Z",
            "captured": None,
            "digits": [2.25, 6.5],
            "turns": [7.5, 12.75] if level == "live" else None,
            "mirrored": False,
            "versions": {"digits": "pocketsphinx/5", "rules": "liveness/1"},
        },
    }


def matched(score: float = 0.21) -> Json:
    """Of format 4, unsigned: live, with how well face, voice and mouth fit. ``score``: of the face, a distance."""
    document = live() | {"format": "cameo-consent/4"}
    matches = [
        {"of": "face", "by": "dlib-resnet-128", "measure": "distance", "score": score, "threshold": 0.45},
        {"of": "voice", "by": "ge2e-256", "measure": "cosine", "score": 0.91, "threshold": 0.72},
        {"of": "mouth", "by": "sync", "measure": "deviations", "score": 6.25, "threshold": 3.0},
    ]
    return document | {"evidence": document["evidence"] | {"matches": matches}}


def older(version: int, document: Json) -> Json:
    """The same in an earlier format, unsigned."""
    gone = ("processing", "agreement", "capture", "evidence") if version == 1 else ("processing", "agreement")
    kept = {name: value for name, value in document.items() if name not in gone}
    return kept | {"format": f"cameo-consent/{version}"}


def text(document: Json) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)


def book() -> Book:
    made = Book(
        "consent",
        (
            "Read the record, then hold it to its signatures, to the person it must be for, and to the moment.",
            "trusted: keys whose word counts. handle: whom it must be for; null for anyone. request: whether a request"
            " will do whose challenge is still to be met.",
        ),
    )
    group = made.group("ConsentVerify", trusted=[OPERATOR.jwk], now=NOW, handle="ada", request=False)
    base = _genuine(group)
    _signatures(group, base)
    _changes(group, base)
    _times(group, base)
    _forms(group, base)
    _requests(made.group("ConsentRequest", trusted=[OPERATOR.jwk], now=NOW, handle="ada", request=True))
    return made


def _genuine(group: Group) -> int:
    base = group.valid("attested by the operator", document=signed(attested()))
    group.valid("agreed to with the person's own key, then attested", document=signed(attested(agreed(request()))))
    group.valid("spoken, as a clip showed", document=signed(live(level="spoken")))
    group.valid("live, as a clip showed", document=signed(live(agreed(request()))))
    group.valid("for anyone", document=signed(attested()), handle=None)
    for version in (1, 2):
        document = signed(older(version, attested()))
        group.valid(f"of format {version}, attested", flags=("Older",), document=document)
    group.valid("of format 2, live", flags=("Older",), document=signed(older(2, live())))
    group.valid("in its last second", flags=("Edge",), document=signed(attested()), now="2027-11-03T11:59:59Z")
    group.valid("begun in five minutes", flags=("Edge",), document=signed(attested()), now="2026-11-03T11:55:00Z")
    longest = changed(attested(), "valid_until", "2036-10-31T12:00:00Z")
    group.valid("for 3,650 days", flags=("Edge",), document=signed(longest))
    nobody = changed(changed(attested(), "grants", []), "name", "Zoë Müller-نمونه")
    group.valid("a name beyond ASCII, and nobody else allowed", flags=("Edge",), document=signed(nobody))
    turned = dict(reversed(signed(attested()).items()))
    group.valid("members in another order, without white space", flags=("Edge",), text=json.dumps(turned))
    return base


def _signatures(group: Group, base: int) -> None:
    good = signed(attested())
    head, signature = good["signature"].split("..")
    raw = base64.urlsafe_b64decode(signature + "==")
    fields = {name: value for name, value in attested().items() if name != "signature"}

    def no(comment: str, flag: str, value: Any) -> None:
        group.invalid(comment, _INVALID, flag, source=base, document=good | {"signature": value})

    no("no signature", "Forged", None)
    no("an empty signature", "Forged", "")
    no("one bit of the signature changed", "Changed", f"{head}..{b64u(bytes([raw[0] ^ 1]) + raw[1:])}")
    no("the last byte of the signature missing", "Truncated", f"{head}..{b64u(raw[:-1])}")
    no("signed by a stranger", "Forged", jws(fields, STRANGER))
    claims = {"alg": "Ed25519", "jwk": OPERATOR.jwk}
    no("signed by a stranger who shows the operator's key", "Forged", jws(fields, STRANGER, claims))
    no("a signature of zeros", "Forged", f"{head}..{b64u(bytes(64))}")
    no("the signature of another record", "Swapped", signed(changed(attested(), "handle", "eve"))["signature"])
    none = b64u(json.dumps(claims | {"alg": "none"}).encode())
    no("algorithm none", "Forged", f"{none}..")
    mac = b64u(json.dumps({"alg": "HS256", "jwk": OPERATOR.jwk}).encode())
    no(
        "HMAC with the public key as its secret",
        "Forged",
        f"{mac}..{b64u(hmac.digest(OPERATOR.public, f'{mac}.{b64u(rfc8785.dumps(fields))}'.encode(), 'sha256'))}",
    )
    no("algorithm EdDSA, the name that says no curve", "Forged", jws(fields, header=claims | {"alg": "EdDSA"}))
    no("no key in the header", "Malformed", jws(fields, header={"alg": "Ed25519"}))
    no("a header with a member more", "Malformed", jws(fields, header=claims | {"kid": "operator"}))
    no("a critical extension", "Malformed", jws(fields, header=claims | {"crit": ["b64"], "b64": False}))
    secret = OPERATOR.jwk | {"d": b64u(STRANGER.private.private_bytes_raw())}
    no("a private key in the header", "Malformed", jws(fields, header=claims | {"jwk": secret}))
    no("a key of another curve", "Malformed", jws(fields, header=claims | {"jwk": OPERATOR.jwk | {"crv": "X25519"}}))
    no("a JWS with its content attached", "Malformed", f"{head}.{b64u(rfc8785.dumps(fields))}.{signature}")
    no("the signature with padding", "Respelled", good["signature"] + "==")
    no("another spelling of the last character", "Respelled", f"{head}..{signature[:-1]}{_neighbour(signature[-1])}")
    larger = int.from_bytes(raw[32:], "little") + _ORDER
    no("S beyond the order of the group", "Respelled", f"{head}..{b64u(raw[:32] + larger.to_bytes(32, 'little'))}")
    no("1,025 characters", "Costly", "A" * 1025)


def _changes(group: Group, base: int) -> None:
    good = signed(attested())
    for path, value, comment in (
        ("name", "Eve Example", "another name"),
        ("scope", ["face", "voice", "body"], "more learnt than was agreed"),
        ("uses", ["generate", "personalize"], "one use more"),
        ("grants", ["owner", "everyone"], "everyone allowed"),
        ("statement", "I agree to everything.", "another statement"),
        ("challenge.digits", "407193", "another challenge"),
        ("valid_until", "2028-11-03T12:00:00Z", "a year longer"),
        ("retention_days", 3650, "kept for longer"),
        ("attested_by", "Studio South", "vouched for by another"),
        ("consent_id", "7f9b4a52-3c1d-4e6f-8a90-1b2c3d4e5f61", "another id"),
        ("processing.controller.name", "Studio South", "another controller"),
        ("processing.jurisdiction", None, "no jurisdiction"),
        ("processing.recipients", ["Broker Ltd"], "somebody else gets it"),
        ("processing.forbidden", [], "nothing forbidden any more"),
        ("processing.scenes", None, "any number of scenes"),
    ):
        group.invalid(f"changed: {comment}", _INVALID, "Changed", source=base, document=changed(good, path, value))
    met = signed(live())
    of = group.valid("live, without an agreement", document=met)
    other = sha256(b"another clip").hexdigest()
    for path, value, comment in (
        ("evidence.clip_sha256", other, "another clip"),
        ("capture", "upload", "another way the clip came"),
        ("evidence.mirrored", True, "another finding"),
    ):
        group.invalid(f"changed: {comment}", _INVALID, "Changed", source=of, document=changed(met, path, value))
    own = agreed(request())
    of = group.valid("agreed to, then attested; to be swapped", document=signed(attested(own)))
    agreement = own["agreement"]
    mutilated = agreement[:-10] + ("A" if agreement[-10] != "A" else "B") + agreement[-9:]
    stolen = agreed(request() | {"consent_id": "11111111-2222-4333-8444-555555555555"})["agreement"]
    for document, flag, comment in (
        (own | {"agreement": stolen}, "Swapped", "the agreement to another record"),
        (own | {"agreement": mutilated}, "Changed", "an agreement with one character changed"),
        (own | {"agreement": "yes"}, "Forged", "an agreement that is no signature"),
        (own | {"uses": ["generate", "evaluate"]}, "Changed", "widened by the operator after the person signed"),
        (changed(own, "processing.scenes", None), "Changed", "a bound lifted by the operator after the person signed"),
    ):
        group.invalid(comment, _INVALID, flag, source=of, document=signed(attested(document)))


def _times(group: Group, base: int) -> None:
    good = signed(attested())
    for comment, error, now in (
        ("in the second it ends", "consent_expired", "2027-11-03T12:00:00Z"),
        ("years after it ended", "consent_expired", "2031-01-01T00:00:00Z"),
        ("six minutes before it begins", _INVALID, "2026-11-03T11:54:00Z"),
    ):
        group.invalid(comment, error, "Expired", source=base, document=good, now=now)
    group.invalid("asked for another handle", _INVALID, "Replayed", source=base, document=good, handle="grace")
    group.invalid(
        "to a home that trusts another", _INVALID, "Replayed", source=base, document=good, trusted=[OTHER.jwk]
    )
    group.invalid("to a home that trusts nobody", _INVALID, "Replayed", source=base, document=good, trusted=[])


def _forms(group: Group, base: int) -> None:
    """Each under the operator's signature where a signature can be had at all."""

    def no(comment: str, document: Json, flag: str = "Malformed", source: int = base) -> None:
        group.invalid(comment, _INVALID, flag, source=source, document=signed(document))

    for path, value, comment in (
        ("format", "cameo-consent/99", "a format that does not exist"),
        ("consent_id", "7F9B4A52-3C1D-4E6F-8A90-1B2C3D4E5F60", "an id in capitals"),
        ("name", "Ada\u202eelpmaxE", "a name that reads backwards"),
        ("name", "Ada\nExample", "a name of two lines"),
        ("name", "", "no name"),
        ("handle", "Ada", "a handle in capitals"),
        ("scope", ["face", "face"], "the same twice"),
        ("scope", [], "nothing to learn"),
        ("scope", ["face", "gait"], "an unknown scope"),
        ("uses", ["sell"], "an unknown use"),
        ("grants", ["user:"], "a grant to nobody"),
        ("grants", ["user:bob", "group:all"], "a grant of an unknown kind"),
        ("valid_until", "2036-11-01T12:00:00Z", "more than 3,650 days"),
        ("valid_until", "2026-11-03T12:00:00Z", "no time at all"),
        ("valid_until", "2027-11-03T12:00:00+00:00", "a time in another spelling"),
        ("valid_until", "2027-11-03T12:00:00.000Z", "a time with fractions"),
        ("valid_until", "2027-02-30T12:00:00Z", "a day that does not exist"),
        ("valid_until", "2027-11-02T24:00:00Z", "an hour that is the next day's first"),
        ("retention_days", "30", "a number in quotes"),
        ("retention_days", -1, "a negative retention"),
        ("assurance", "live", "live without evidence"),
        ("evidence", {}, "empty evidence"),
        ("processing", None, "format 3 without how it is handled"),
        ("processing.adult", False, "not of age"),
        ("processing.scenes", 0, "no scenes"),
        ("processing.jurisdiction", "Finland", "a country that is no code"),
        ("processing.storage", [], "kept nowhere"),
        ("challenge.digits", "40719", "five digits"),
        ("challenge.turns", ["left", "around"], "an unknown turn"),
    ):
        no(comment, changed(attested(), path, value))
    no("a member more", attested() | {"remark": "hello"})
    missing = attested()
    del missing["retention_days"]
    no("no retention", missing)
    one = group.valid(
        "of format 1, to be given what it never had", flags=("Older",), document=signed(older(1, attested()))
    )
    no("format 1 with evidence", older(1, live()) | {"evidence": live()["evidence"], "capture": "camera"}, source=one)
    two = group.valid(
        "of format 2, to be given what it never had", flags=("Older",), document=signed(older(2, attested()))
    )
    no("format 2 with how it is handled", older(2, attested()) | {"processing": attested()["processing"]}, source=two)
    good = text(signed(attested()))
    four = group.valid("of format 4, with how well the answer fits", document=signed(matched()))
    edge = signed(matched(0.45))
    group.valid("of format 4, a face that just fits", flags=("Edge",), document=edge)
    changes = changed(signed(matched()), "evidence.matches.0.score", 0.01)
    group.invalid("changed: a face that fits better", _INVALID, "Changed", source=four, document=changes)
    no("a face that does not fit", matched(0.46), source=four)
    no("a measure that does not exist", changed(matched(), "evidence.matches.1.measure", "feeling"), source=four)
    no("a score that is no number", changed(matched(), "evidence.matches.2.score", "6.25"), source=four)
    three = group.valid("live, of format 3, to be given scores", document=signed(live()))
    taught = attested() | {"format": "cameo-consent/4", "uses": ["generate", "train"]}
    to_train = group.valid("of format 4, to train models", document=signed(taught))
    no("format 3 with a use of format 4", taught | {"format": "cameo-consent/3"}, source=to_train)
    no("format 3 with scores", matched() | {"format": "cameo-consent/3"}, source=three)
    for comment, flag, words in (
        ("nothing", "Truncated", ""),
        ("half of the file", "Truncated", good[: len(good) // 2]),
        ("all but the last brace", "Truncated", good.rstrip()[:-1]),
        ("something behind the end", "Truncated", good + "{}"),
        ("a list", "Malformed", f"[{good}]"),
        ("a member twice, the first with another value", "Malformed", good.replace("{", '{"retention_days": 3650,', 1)),
        (
            "a member of a member twice",
            "Malformed",
            good.replace('"controller": {', '"controller": {"name": "Studio South",', 1),
        ),
        ("a number that is none", "Malformed", good.replace('"retention_days": 30', '"retention_days": NaN')),
        ("half a character", "Malformed", good.replace("Ada Example", "Ada \\ud83d", 1)),
        ("60,000 brackets", "Costly", "[" * 30_000 + "]" * 30_000),
        ("more than 64 KiB", "Costly", good + " " * 65_536),
    ):
        group.invalid(comment, _INVALID, flag, source=base, text=words)
    for comment, content in (
        ("no UTF-8", good.encode().replace(b"Ada Example", b"Ada \xff\xfe", 1)),
        ("UTF-16", good.encode("utf-16")),
        ("a byte order mark before it", b"\xef\xbb\xbf" + good.encode()),
    ):
        group.invalid(comment, _INVALID, "Malformed", source=base, base64=base64.b64encode(content).decode())


def _requests(group: Group) -> None:
    asked = signed(request())
    base = group.valid("a request whose challenge is good", document=asked)
    group.valid("a request the person agreed to", document=agreed(asked))
    group.valid("in the last second of the challenge", flags=("Edge",), document=asked, now="2026-11-03T12:30:00Z")
    group.valid("attested already", document=signed(attested()))
    late = "2026-11-03T12:30:01Z"
    group.invalid("a challenge that is over", "challenge_failed", "Replayed", source=base, document=asked, now=late)
    group.invalid("taken for a consent", _INVALID, "Replayed", source=base, document=asked, request=False)
    group.invalid(
        "another challenge", _INVALID, "Changed", source=base, document=changed(asked, "challenge.digits", "1" * 6)
    )
    longer = changed(asked, "challenge.valid_until", "2026-11-04T12:30:00Z")
    group.invalid("a challenge that was prolonged", _INVALID, "Changed", source=base, document=longer)


def _neighbour(character: str) -> str:
    """The base64url character whose bits differ in the last, which stands for nothing here."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(character) ^ 1]
