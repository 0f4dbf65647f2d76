"""Status lists: two rows of bits under one signature, and the reader who remembers the last one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from tests.vectors.book import Book, Group
from tests.vectors.forge import OPERATOR, OTHER, STRANGER, Json, Key, b64u, changed, jws
from tests.vectors.kinds.consents import NOW, text
from tests.vectors.packing import gzipped, zlibbed

__all__ = ["book", "status_list"]

_INVALID: Final = "status_list_invalid"
_BACK: Final = "status_list_rolled_back"
_AGE: Final = "status_list_not_in_force"
_LEAST: Final = 131_072
GONE, PAUSED = 7, 94_567


def bits(ones: Iterable[int], size: int = _LEAST) -> bytes:
    content = bytearray(size // 8)
    for index in ones:
        content[index >> 3] |= 0x80 >> (index & 7)
    return bytes(content)


@cache
def _pack(content: bytes) -> str:
    return "u" + b64u(gzipped(content))


def status_list(
    *,
    epoch: int = 2,
    gone: Iterable[int] = (GONE,),
    paused: Iterable[int] = (PAUSED,),
    size: int = _LEAST,
    key: Key = OPERATOR,
) -> Json:
    """Unsigned."""
    issuer = f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{key.thumbprint}"
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "id": f"{issuer}#status",
        "issuer": issuer,
        "validFrom": "2026-11-03T09:00:00Z",
        "validUntil": "2026-11-04T09:00:00Z",
        "epoch": epoch,
        "credentialSubject": [
            {"type": "BitstringStatusList", "statusPurpose": "revocation", "encodedList": _pack(bits(gone, size))},
            {"type": "BitstringStatusList", "statusPurpose": "suspension", "encodedList": _pack(bits(paused, size))},
        ],
        "signature": None,
    }


def signed(document: Json, key: Key = OPERATOR, header: Json | None = None) -> Json:
    return document | {"signature": jws({n: v for n, v in document.items() if n != "signature"}, key, header)}


def book() -> Book:
    made = Book(
        "status-list",
        (
            "Read the list, hold it to its signature, its age and its bits, and compare it with the newest one known.",
            "trusted: keys of issuers whose lists count. known: what the reader took before, oldest first, each at its"
            " own validFrom. index and standing, where given: how somebody stands by it.",
        ),
    )
    group = made.group("StatusListAccept", trusted=[OPERATOR.jwk], now=NOW, known=[])
    base = _genuine(group)
    _signatures(group, base)
    _memory(group)
    _bits(group, base)
    _forms(group, base)
    return made


def _genuine(group: Group) -> int:
    good = signed(status_list())
    base = group.valid("two lists in force", document=good, index=0, standing="valid")
    group.valid("somebody who left", document=good, index=GONE, standing="revoked")
    group.valid("somebody who is suspended", document=good, index=PAUSED, standing="suspended")
    both = signed(status_list(gone=(0, _LEAST - 1), paused=(0, _LEAST - 1)))
    group.valid(
        "the last index, and both at once", flags=("Edge",), document=both, index=_LEAST - 1, standing="revoked"
    )
    group.valid("in its last second", flags=("Edge",), document=good, now="2026-11-04T08:59:59Z")
    group.valid("five minutes ahead", flags=("Edge",), document=good, now="2026-11-03T08:55:00Z")
    longest = signed(changed(status_list(), "validUntil", "2026-12-04T09:00:00Z"))
    group.valid("good for 31 days", flags=("Edge",), document=longest)
    group.invalid(
        "an index before the first", _INVALID, "Beyond", source=base, document=good, index=-1, standing="valid"
    )
    group.invalid(
        "an index after the last", _INVALID, "Beyond", source=base, document=good, index=_LEAST, standing="valid"
    )
    for comment, now in (
        ("in the second it is too old", "2026-11-04T09:00:00Z"),
        ("a year too old", "2027-11-03T09:00:00Z"),
        ("six minutes ahead", "2026-11-03T08:54:00Z"),
    ):
        group.invalid(comment, _AGE, "Expired", source=base, document=good, now=now)
    group.invalid(
        "to somebody who trusts another", _INVALID, "Replayed", source=base, document=good, trusted=[OTHER.jwk]
    )
    return base


def _signatures(group: Group, base: int) -> None:
    good = signed(status_list())

    def no(comment: str, flag: str, document: Json) -> None:
        group.invalid(comment, _INVALID, flag, source=base, document=document)

    no("no signature", "Forged", status_list())
    no("signed by a stranger", "Forged", signed(status_list(), STRANGER))
    claim = {"alg": "Ed25519", "jwk": OPERATOR.jwk}
    no("signed by a stranger who shows the issuer's key", "Forged", signed(status_list(), STRANGER, claim))
    no("of a stranger from end to end", "Forged", signed(status_list(key=STRANGER), STRANGER))
    no("the signature of the list before", "Swapped", good | {"signature": signed(status_list(epoch=1))["signature"]})
    emptied = status_list(gone=())["credentialSubject"][0]["encodedList"]
    no("changed: nobody left", "Changed", changed(good, "credentialSubject.0.encodedList", emptied))
    paused = good["credentialSubject"][1]["encodedList"]
    no(
        "swapped: the list of the suspended as that of those who left",
        "Swapped",
        changed(good, "credentialSubject.0.encodedList", paused),
    )
    no("changed: a later end", "Changed", changed(good, "validUntil", "2026-11-05T09:00:00Z"))
    no("changed: a higher epoch", "Changed", changed(good, "epoch", 3))


def _memory(group: Group) -> None:
    before, last = signed(status_list(epoch=1, gone=())), signed(status_list())
    base = group.valid("newer than the one known", document=last, known=[before])
    group.valid("the same again", flags=("Edge",), document=last, known=[last])
    renewed = signed(changed(status_list(), "validUntil", "2026-11-04T12:00:00Z"))
    group.valid("the same epoch and bits, good for longer", flags=("Edge",), document=renewed, known=[last])
    group.valid(
        "an older one of another issuer",
        document=signed(status_list(epoch=1, key=OTHER), OTHER),
        known=[last],
        trusted=[OPERATOR.jwk, OTHER.jwk],
    )

    def no(comment: str, document: Json, known: list[Json]) -> None:
        group.invalid(comment, _BACK, "RolledBack", source=base, document=signed(document), known=known)

    no("the one before, again", status_list(epoch=1, gone=()), [last])
    no("the one before, with a later date", changed(status_list(epoch=1), "validUntil", "2026-11-05T09:00:00Z"), [last])
    no("the same epoch, and somebody came back", status_list(gone=()), [last])
    no("the same epoch, and somebody more left", status_list(gone=(GONE, 8)), [last])
    no("the same epoch, and nobody is suspended", status_list(paused=()), [last])
    no("a later epoch, and fewer entries", status_list(epoch=3), [signed(status_list(size=2 * _LEAST))])
    no("older than the last of three", status_list(epoch=2), [before, last, signed(status_list(epoch=3))])


def _bits(group: Group, base: int) -> None:
    packed = gzipped(bits((GONE,)))
    wrong = bytearray(packed)
    wrong[-6] ^= 1
    as_zlib = zlibbed(bits((GONE,)))
    for flag, comment, encoded in (
        ("Truncated", "cut short by a byte", "u" + b64u(packed[:-1])),
        ("Truncated", "half of it", "u" + b64u(packed[: len(packed) // 2])),
        ("Truncated", "a byte behind its end", "u" + b64u(packed + b"\0")),
        ("Truncated", "a second member behind its end", "u" + b64u(packed + packed)),
        ("Truncated", "nothing", "u"),
        ("Malformed", "an empty text", ""),
        ("Malformed", "a wrong checksum", "u" + b64u(bytes(wrong))),
        ("Malformed", "no GZIP", "u" + b64u(bits((GONE,))[:64])),
        ("Malformed", "zlib in the place of GZIP", "u" + b64u(as_zlib)),
        ("Malformed", "no letter for its base", b64u(packed)),
        ("Malformed", "the letter of another base", "z" + b64u(packed)),
        ("Respelled", "with padding", "u" + b64u(packed) + "=="),
        ("Malformed", "a line end in it", _pack(bits((GONE,)))[:20] + "\n" + _pack(bits((GONE,)))[20:]),
        ("Malformed", "eight entries too few", _pack(bits((GONE,), _LEAST - 8))),
        ("Malformed", "no entries", _pack(b"")),
        ("Malformed", "another size than the other list", _pack(bits((GONE,), 2 * _LEAST))),
        ("Costly", "eight entries too many", _pack(bytes(2**21 + 1))),
        ("Costly", "16 MiB out of 100 kB", _pack(bytes(2**24))),
    ):
        document = signed(changed(status_list(), "credentialSubject.0.encodedList", encoded))
        group.invalid(f"the list of those who left: {comment}", _INVALID, flag, source=base, document=document)


def _forms(group: Group, base: int) -> None:
    issuer = f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{OTHER.thumbprint}"
    lists = status_list()["credentialSubject"]
    for path, value, comment in (
        ("issuer", issuer, "the issuer another than its id says"),
        ("id", f"{issuer}#status", "the id of another issuer's list"),
        ("epoch", 0, "epoch 0"),
        ("epoch", 1.5, "an epoch and a half"),
        ("epoch", "2", "an epoch in quotes"),
        ("validUntil", "2026-12-04T09:00:01Z", "good for more than 31 days"),
        ("validUntil", "2026-11-03T09:00:00Z", "good for no time"),
        ("validFrom", "2026-11-03 09:00:00Z", "a time in another spelling"),
        ("credentialSubject", lists[::-1], "the two lists in another order"),
        ("credentialSubject", lists[:1], "one list"),
        ("credentialSubject", [lists[0], lists[0]], "one list twice"),
        ("credentialSubject.0.statusPurpose", "message", "an unknown purpose"),
        ("type", ["VerifiableCredential"], "another type"),
        ("@context", ["https://www.w3.org/2018/credentials/v1"], "another context"),
    ):
        group.invalid(comment, _INVALID, "Malformed", source=base, document=signed(changed(status_list(), path, value)))
    more = signed(status_list() | {"ttl": 1000})
    group.invalid("a member more", _INVALID, "Malformed", source=base, document=more)
    whole = text(signed(status_list()))
    for flag, comment, words in (
        ("Truncated", "half of the file", whole[: len(whole) // 2]),
        ("Malformed", "the epoch twice", whole.replace('"epoch": 2', '"epoch": 99, "epoch": 2', 1)),
    ):
        group.invalid(comment, _INVALID, flag, source=base, text=words)
