"""The ledger as others see it: checkpoints, proofs of inclusion and of growth, and a whole one in tiles."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import rfc8785

from tests.cameo.log.judge import mth, path, proof
from tests.vectors.book import Book
from tests.vectors.forge import OPERATOR, OTHER, STRANGER, Key, b64, note, seed

__all__ = [
    "ENTRIES",
    "ORIGIN",
    "checkpoint",
    "checkpoints",
    "growth",
    "growths",
    "inclusion",
    "inclusions",
    "line",
    "tiles",
]

ORIGIN: Final = "cameo-kit.example/0c2d8f6e"
_INVALID: Final = "bad_input"


def line(seq: int, event: str, at: int = 1_793_707_200, commitment: bytes | None = None) -> bytes:
    """An entry of a ledger of Cameo's."""
    made = commitment or seed(f"line {seq}")
    return rfc8785.dumps({"seq": seq, "at": at + seq, "event": event, "commitment": made.hex()})


ENTRIES: Final = [line(n + 1, ("put", "allow", "lease", "scene", "deny")[n % 5]) for n in range(13)]


def checkpoint(entries: Sequence[bytes] = ENTRIES, origin: str = ORIGIN, key: Key = OPERATOR, more: str = "") -> bytes:
    return note(f"{origin}\n{len(entries)}\n{b64(mth(list(entries)))}\n{more}", origin, key)


def inclusion(index: int, entries: Sequence[bytes] = ENTRIES, signed: bytes | None = None) -> bytes:
    return _proof(
        [b"c2sp.org/tlog-proof@v1", f"extra {b64(entries[index])}".encode(), f"index {index}".encode()],
        path(index, list(entries)),
        signed or checkpoint(entries),
    )


def growth(old: int, entries: Sequence[bytes] = ENTRIES, signed: bytes | None = None) -> bytes:
    head = [b"cameo/tlog-growth@v1", f"old {old} {b64(mth(list(entries[:old])))}".encode()]
    return _proof(head, proof(old, list(entries)) if 0 < old < len(entries) else [], signed or checkpoint(entries))


def _proof(head: list[bytes], hashes: list[bytes], signed: bytes) -> bytes:
    return b"\n".join([*head, *(b64(found).encode() for found in hashes), b"", signed])


def checkpoints() -> Book:
    made = Book(
        "checkpoint",
        ("A C2SP tlog-checkpoint in a signed note. verifierKey: of the log, in C2SP's form, which names its origin.",),
    )
    group = made.group("Checkpoint", verifierKey=OPERATOR.vkey(ORIGIN))
    good = checkpoint()
    base = group.valid("of 13 entries", base64=b64(good))
    group.valid("of none", flags=("Edge",), base64=b64(checkpoint([])))
    group.valid("with extensions", base64=b64(checkpoint(more="extension one\nextension two\n")))
    witness = good + checkpoint(key=OTHER).rsplit(b"\n\n", 1)[1].replace(ORIGIN.encode(), b"witness.example")
    group.valid("with a witness's signature after the log's", base64=b64(witness))
    unknown = good + f"— {ORIGIN} {b64(seed('key of another kind', 4) + bytes(80))}\n".encode()
    group.valid("with a signature of a kind that is not known", base64=b64(unknown))
    largest = note(f"{ORIGIN}\n{2**63 - 1}\n{b64(bytes(32))}\n", ORIGIN)
    group.valid("of 2⁶³ - 1 entries", flags=("Edge",), base64=b64(largest))
    root = b64(mth(ENTRIES)).encode()
    text, signatures = good.rsplit(b"\n\n", 1)

    def no(comment: str, flag: str, content: bytes, **inputs: object) -> None:
        group.invalid(comment, _INVALID, flag, source=base, base64=b64(content), **inputs)

    def resigned(comment: str, words: str, flag: str = "Malformed") -> None:
        no(comment, flag, note(words, ORIGIN))

    no("changed: a larger size", "Changed", good.replace(b"\n13\n", b"\n14\n"))
    no("changed: another root", "Changed", good.replace(root, b64(mth(ENTRIES[:12])).encode()))
    no("changed: an extension more", "Changed", good.replace(root + b"\n", root + b"\nextension\n", 1))
    no("signed by a stranger", "Forged", checkpoint(key=STRANGER))
    forged = note(text.decode() + "\n", ORIGIN, STRANGER).rsplit(b" ", 1)[1]
    no("signed by a stranger under the log's key id", "Forged", _under(good, OPERATOR.key_id(ORIGIN), forged))
    no(
        "the signature of the checkpoint before",
        "Swapped",
        text + b"\n\n" + checkpoint(ENTRIES[:12]).rsplit(b"\n\n", 1)[1],
    )
    no("of another log of the same key", "Replayed", checkpoint(origin="other.example/log"))
    no("for a log of another key", "Replayed", good, verifierKey=OTHER.vkey(ORIGIN))
    no("for a log of another name", "Replayed", good, verifierKey=OPERATOR.vkey("other.example/log"))
    no("no signature", "Truncated", text + b"\n")
    no("no line end at the end", "Truncated", good[:-1])
    no("half of it", "Truncated", good[: len(good) // 2])
    no("nothing", "Truncated", b"")
    no("a signature of zeros", "Forged", _under(good, OPERATOR.key_id(ORIGIN), b64(bytes(68)).encode() + b"\n"))
    no("a good signature and a bad one of the same key", "Forged", good + signatures[:-10] + b"AAAAAAA==\n")
    no("a hyphen for the dash", "Malformed", good.replace("—".encode(), b"-"))
    no("carriage returns", "Respelled", good.replace(b"\n", b"\r\n"))
    no("no UTF-8", "Malformed", good.replace(b"\n13\n", b"\n1\xff\n"))
    no("65 signatures", "Costly", text + b"\n\n" + signatures * 65)
    no("more than 64 KiB", "Costly", checkpoint(more="x" * 65_536 + "\n"))
    resigned("a size with a zero before it", f"{ORIGIN}\n013\n{root.decode()}\n", "Respelled")
    resigned("a size with a sign", f"{ORIGIN}\n+13\n{root.decode()}\n", "Respelled")
    resigned("a size of 2⁶³", f"{ORIGIN}\n{2**63}\n{root.decode()}\n")
    resigned("a negative size", f"{ORIGIN}\n-1\n{root.decode()}\n")
    resigned("a root of 31 bytes", f"{ORIGIN}\n13\n{b64(bytes(31))}\n")
    resigned(
        "a root in another spelling", f"{ORIGIN}\n13\n{root.decode()[:-2]}{_next(root.decode()[-2])}=\n", "Respelled"
    )
    resigned("a root without padding", f"{ORIGIN}\n13\n{root.decode().rstrip('=')}\n", "Respelled")
    resigned("no root", f"{ORIGIN}\n13\n", "Truncated")
    resigned("an empty line", f"{ORIGIN}\n13\n{root.decode()}\n\nmore\n")
    resigned("the root of 13 for a size of none", f"{ORIGIN}\n0\n{root.decode()}\n", "Swapped")
    resigned("another origin than the signer's name", f"other.example/log\n13\n{root.decode()}\n", "Swapped")
    key = OPERATOR.vkey(ORIGIN)
    name, key_hash, encoded = key.split("+", 2)
    unknown_kind = b64(b"\x02" + OPERATOR.public)
    for comment, words in (
        ("a verifier key with another hash", f"{name}+{'0' * 8}+{encoded}"),
        ("a verifier key of an unknown kind", f"{name}+{key_hash}+{unknown_kind}"),
        ("a verifier key cut short", key[:-4]),
        ("a verifier key without a name", key[len(name) :]),
    ):
        no(comment, "Malformed", good, verifierKey=words)
    return made


def inclusions() -> Book:
    made = Book("inclusion", ("A C2SP tlog-proof: the entry is in the log of this verifierKey (RFC 9162 §2.1.3.2).",))
    group = made.group("Inclusion", verifierKey=OPERATOR.vkey(ORIGIN))
    good = inclusion(4)
    base = group.valid("entry 4 of 13", base64=b64(good))
    first = group.valid("the first", base64=b64(inclusion(0)))
    group.valid("the last of 13, alone in its subtree", flags=("Edge",), base64=b64(inclusion(12)))
    only = group.valid("of one entry", flags=("Edge",), base64=b64(inclusion(0, ENTRIES[:1])))
    group.valid("of eight", base64=b64(inclusion(7, ENTRIES[:8])))
    lines = good.split(b"\n")

    def no(comment: str, flag: str, content: bytes, source: int = base, **inputs: object) -> None:
        group.invalid(comment, _INVALID, flag, source=source, base64=b64(content), **inputs)

    other = b64(ENTRIES[5]).encode()
    no("another entry of the log", "Swapped", good.replace(lines[1], b"extra " + other))
    no("an entry that is nowhere", "Forged", good.replace(lines[1], b"extra " + b64(line(5, "purged")).encode()))
    no("another index", "Swapped", good.replace(b"index 4", b"index 5"))
    no("an index after the last", "Beyond", good.replace(b"index 4", b"index 13"))
    no("the path of another entry", "Swapped", b"\n".join([*lines[:3], *inclusion(5).split(b"\n")[3:]]))
    no("two hashes in each other's place", "Swapped", b"\n".join([*lines[:3], lines[4], lines[3], *lines[5:]]))
    flipped = bytes([path(4, ENTRIES)[0][0] ^ 1]) + path(4, ENTRIES)[0][1:]
    no("one bit of a hash", "Changed", b"\n".join([*lines[:3], b64(flipped).encode(), *lines[4:]]))
    no("a hash missing", "Truncated", b"\n".join([*lines[:3], *lines[4:]]))
    no("a hash too many", "Truncated", b"\n".join([*lines[:3], lines[3], *lines[3:]]))
    no(
        "a path for the only entry",
        "Truncated",
        inclusion(0, ENTRIES[:1]).replace(b"index 0\n", b"index 0\n" + lines[3] + b"\n"),
        only,
    )
    no("the checkpoint of another size", "Swapped", inclusion(4, signed=checkpoint(ENTRIES[:12])))
    no(
        "the checkpoint of a log that forked",
        "Swapped",
        inclusion(4, signed=checkpoint([*ENTRIES[:4], *ENTRIES[5:], b"x"])),
    )
    no("a checkpoint signed by a stranger", "Forged", inclusion(4, signed=checkpoint(key=STRANGER)))
    no("for another log", "Replayed", good, verifierKey=OTHER.vkey(ORIGIN))
    no("no checkpoint", "Truncated", good.split(b"\n\n")[0] + b"\n\n")
    no("half of it", "Truncated", good[: len(good) // 2])
    no("index with a zero before it", "Respelled", good.replace(b"index 4", b"index 04"))
    no("a negative index", "Malformed", good.replace(b"index 4", b"index -4"))
    no("an index of 2⁶⁴", "Costly", good.replace(b"index 4", f"index {2**64}".encode()))
    no("a hash of 31 bytes", "Malformed", b"\n".join([*lines[:3], b64(bytes(31)).encode(), *lines[4:]]))
    no("another version of the format", "Malformed", good.replace(b"proof@v1", b"proof@v2"))
    no("no entry", "Truncated", b"\n".join([lines[0], *lines[2:]]))
    no("carriage returns", "Respelled", good.replace(b"\n", b"\r\n"))
    no("65 hashes", "Costly", b"\n".join([*lines[:3], *[lines[3]] * 65, *lines[-6:]]))
    inner = path(4, ENTRIES)
    pair = inner[0] + sha256(b"\x00" + ENTRIES[4]).digest()
    as_leaf = _proof([lines[0], b"extra " + b64(pair).encode(), b"index 2"], inner[1:], checkpoint())
    no("an inner node passed for an entry", "Forged", as_leaf)
    stray = [b'{"seq":1}', *ENTRIES[1:]]
    no("an entry that is no line of a ledger", "Malformed", inclusion(0, stray), first)
    respelled = [json.dumps(json.loads(ENTRIES[0])).encode(), *ENTRIES[1:]]
    no("a line in another spelling", "Respelled", inclusion(0, respelled), first)
    return made


def growths() -> Book:
    made = Book(
        "consistency",
        (
            "A log only grew (RFC 9162 §2.1.4.2), as a cameo/tlog-growth@v1: what C2SP tlog-witness sends, and the old"
            " root with it. since: a checkpoint it must start at, base64; null for the proof's own word.",
        ),
    )
    group = made.group("Consistency", verifierKey=OPERATOR.vkey(ORIGIN), since=None)
    good, before = growth(6), b64(checkpoint(ENTRIES[:6]))
    base = group.valid("from 6 to 13", base64=b64(good))
    since = group.valid("from a checkpoint of 6 to 13", base64=b64(good), since=before)
    power = group.valid("from 8, a power of two", base64=b64(growth(8)))
    same = group.valid("from 13 to 13", flags=("Edge",), base64=b64(growth(13)))
    empty = group.valid("from none to 13", flags=("Edge",), base64=b64(growth(0)))
    group.valid("from 12", base64=b64(growth(12)))
    lines = good.split(b"\n")

    def no(comment: str, flag: str, content: bytes, source: int = base, **inputs: object) -> None:
        group.invalid(comment, _INVALID, flag, source=source, base64=b64(content), **inputs)

    fork = [*ENTRIES[:3], line(4, "purged"), *ENTRIES[4:]]
    no("an entry rewritten since", "Forged", growth(6, fork), since, since=before)
    no("the old root of a log that was rewritten", "Forged", good.replace(lines[1], growth(6, fork).split(b"\n")[1]))
    no("from another state than the checkpoint known", "Replayed", good, since, since=b64(checkpoint(ENTRIES[:7])))
    no("another root for the checkpoint known", "Replayed", good, since, since=b64(checkpoint(fork[:6])))
    no(
        "a known checkpoint signed by a stranger",
        "Forged",
        good,
        since,
        since=b64(checkpoint(ENTRIES[:6], key=STRANGER)),
    )
    no("the old root of another size", "Swapped", good.replace(b"old 6", b"old 7"))
    no("shorter than before", "RolledBack", growth(6, signed=checkpoint(ENTRIES[:5])))
    no("a hash missing", "Truncated", b"\n".join([*lines[:2], *lines[3:]]))
    no("a hash too many", "Truncated", b"\n".join([*lines[:2], lines[2], *lines[2:]]))
    no("two hashes in each other's place", "Swapped", b"\n".join([*lines[:2], lines[3], lines[2], *lines[4:]]))
    no("no hashes", "Truncated", _proof(lines[:2], [], checkpoint()))
    no("no hashes, from a power of two", "Truncated", _proof(growth(8).split(b"\n")[:2], [], checkpoint()), power)
    no("a hash where none is needed", "Truncated", _proof(growth(13).split(b"\n")[:2], [bytes(32)], checkpoint()), same)
    no(
        "from none, with another root",
        "Changed",
        growth(0).replace(b64(sha256().digest()).encode(), b64(bytes(32)).encode()),
        empty,
    )
    no(
        "to itself, with another root",
        "Forged",
        _proof([lines[0], f"old 13 {b64(bytes(32))}".encode()], [], checkpoint()),
        same,
    )
    no("a checkpoint signed by a stranger", "Forged", growth(6, signed=checkpoint(key=STRANGER)))
    no("for another log", "Replayed", good, verifierKey=OTHER.vkey(ORIGIN))
    no("half of it", "Truncated", good[: len(good) // 2])
    no("a size with a zero before it", "Respelled", good.replace(b"old 6", b"old 06"))
    no("an old root of 33 bytes", "Malformed", good.replace(lines[1], f"old 6 {b64(bytes(33))}".encode()))
    return made


def _folder(entries: Sequence[bytes], signed: bytes | None = None) -> dict[str, str]:
    """Up to 255 entries: one partial tile each."""
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    hashes = b"".join(sha256(b"\x00" + entry).digest() for entry in entries)
    width = len(entries)
    tiled = {f"tile/0/000.p/{width}": hashes, f"tile/entries/000.p/{width}": bundle} if entries else {}
    return {name: b64(content) for name, content in {"checkpoint": signed or checkpoint(entries), **tiled}.items()}


def tiles() -> Book:
    made = Book("tiles", ("A whole log as C2SP tlog-tiles. files: base64 by path in the folder.",))
    group = made.group("Tiles", verifierKey=OPERATOR.vkey(ORIGIN))
    good = _folder(ENTRIES)
    base = group.valid("of 13 entries", files=good)
    group.valid("of none", flags=("Edge",), files=_folder([]))
    earlier = {name: content for name, content in _folder(ENTRIES[:5]).items() if name != "checkpoint"}
    both = group.valid("with what an earlier export wrote", files=good | earlier)

    def no(comment: str, flag: str, files: dict[str, str], source: int = base, **inputs: object) -> None:
        group.invalid(comment, _INVALID, flag, source=source, files=files, **inputs)

    entries, hashes = "tile/entries/000.p/13", "tile/0/000.p/13"
    forged = _folder([*ENTRIES[:3], line(4, "purged"), *ENTRIES[4:]])
    for name, what in ((entries, "entries"), (hashes, "hashes")):
        no(f"{what} of a log that was rewritten", "Swapped", good | {name: forged[name]})
        no(f"no {what}", "Truncated", {n: c for n, c in good.items() if n != name})
        shorter = _folder(ENTRIES[:12])[name.replace("13", "12")]
        no(f"one of the {what} missing", "Truncated", good | {name: shorter})
    no(
        "entries and hashes rewritten, and the checkpoint as it was",
        "Forged",
        forged | {"checkpoint": good["checkpoint"]},
    )
    no("no checkpoint", "Truncated", {n: c for n, c in good.items() if n != "checkpoint"})
    no("the checkpoint before", "RolledBack", good | {"checkpoint": b64(checkpoint(ENTRIES[:12]))})
    no("a checkpoint signed by a stranger", "Forged", good | {"checkpoint": b64(checkpoint(key=STRANGER))})
    no("a file that is no part of it", "Malformed", good | {"tile/0/001.p/1": b64(bytes(32))})
    late = {"tile/entries/000.p/5": _folder([*ENTRIES[:4], line(5, "purged")])["tile/entries/000.p/5"]}
    no("an earlier bundle that says otherwise", "Swapped", good | earlier | late, both)
    no("for another log", "Replayed", good, verifierKey=OTHER.vkey(ORIGIN))
    return made


def _under(signed: bytes, key_id: bytes, signature: bytes) -> bytes:
    """The note with another's signature under this key's id."""
    content = key_id + base64.b64decode(signature)[4:]
    return signed.rsplit(b" ", 1)[0] + b" " + b64(content).encode() + b"\n"


def _next(character: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet[alphabet.index(character) ^ 1]
