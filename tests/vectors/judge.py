"""An independent judge of what in a vector can be judged without ``enroll`` and ``cameo``: signatures with
`cryptography` and `rfc8785`, proofs by the definitions of RFC 9162 with `hashlib`, backwards."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.cameo.log.judge import k, mth, read_entries, read_note

__all__ = ["grown", "included", "is_checkpoint", "is_log", "signed_by_one_of"]

_LATER = {"assurance", "attested_by", "capture", "evidence", "agreement", "signature"}


def signed_by_one_of(document: Mapping[str, Any], trusted: Sequence[Mapping[str, str]]) -> bool:
    """Whether the operator's signature is of a trusted key, and the person's, where there is one, of any."""
    unsigned = {"signature"} | ({"agreement"} if document.get("assurance") == "requested" else set())
    unsigned |= {"logged"} if document.get("format") in ("cameo-deletion/1", "cameo-deletion/2") else set()
    signer = _signer({n: v for n, v in document.items() if n not in unsigned}, document["signature"])
    own = document.get("agreement")
    agreed = own is None or _signer({n: v for n, v in document.items() if n not in _LATER}, own) is not None
    return agreed and signer in [jwk["x"] for jwk in trusted]


def _signer(fields: Mapping[str, Any], signature: str | None) -> str | None:
    try:
        head, nothing, mark = str(signature).split(".")
        header = json.loads(_decode(head))
        key = Ed25519PublicKey.from_public_bytes(_decode(header["jwk"]["x"]))
        key.verify(_decode(mark), f"{head}.{_encode(rfc8785.dumps(dict(fields)))}".encode())
    except (ValueError, KeyError, InvalidSignature):
        return None
    return header["jwk"]["x"] if header["alg"] == "Ed25519" and nothing == "" else None


def included(proof: bytes, verifier_key: str) -> bool:
    """RFC 9162 §2.1.3: whether a C2SP tlog-proof leads from its entry to the root of its checkpoint."""
    try:
        (first, extra, index, *hashes), (origin, size, root) = _parts(proof, verifier_key)
        assert first == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and index.startswith("index ")
        leaf = sha256(b"\x00" + b64decode(extra[6:])).digest()
        found = _root(int(index[6:]), int(size), leaf, [b64decode(line) for line in hashes])
    except (AssertionError, ValueError, IndexError, InvalidSignature):
        return False
    return origin == verifier_key.split("+")[0] and found == b64decode(root)


def grown(proof: bytes, verifier_key: str, since: bytes | None) -> bool:
    """RFC 9162 §2.1.4: whether a proof of growth leads from the old root, and from the checkpoint known, to the new."""
    try:
        (first, old, *hashes), (origin, size, root) = _parts(proof, verifier_key)
        word, old_size, old_root = old.split(" ")
        assert (first, word) == ("cameo/tlog-growth@v1", "old")
        if since is not None:
            assert read_note(since, verifier_key)[1:3] == [old_size, old_root]
        m, n, path = int(old_size), int(size), [b64decode(line) for line in hashes]
        assert m <= n and (0 < m < n or not path)
        # Of nothing everything is a continuation (m = 0).
        before = mth([]) if m == 0 else b64decode(old_root)
        roots = (before, b64decode(root)) if m == 0 else _roots(m, n, True, path, before)
    except (AssertionError, ValueError, IndexError, InvalidSignature):
        return False
    return origin == verifier_key.split("+")[0] and roots == (b64decode(old_root), b64decode(root))


def is_checkpoint(note: bytes, verifier_key: str) -> bool:
    """Whether the key signed it as a checkpoint of its log."""
    try:
        origin, size, root = read_note(note, verifier_key)[:3]
    except (AssertionError, ValueError, IndexError, InvalidSignature):
        return False
    fits = b64decode(root) == mth([]) if size == "0" else int(size) > 0 and len(b64decode(root)) == 32
    return origin == verifier_key.split("+")[0] and fits


def is_log(folder: Path, verifier_key: str) -> bool:
    """Whether the entries in a folder of tiles are those of its checkpoint."""
    try:
        _, size, root = read_note((folder / "checkpoint").read_bytes(), verifier_key)[:3]
        return mth(read_entries(folder, int(size))) == b64decode(root)
    except (AssertionError, ValueError, IndexError, OSError, InvalidSignature):
        return False


def _parts(proof: bytes, verifier_key: str) -> tuple[list[str], list[str]]:
    above, note = proof.split(b"\n\n", 1)
    return above.decode().split("\n"), read_note(note, verifier_key)[:3]


def _root(m: int, n: int, leaf: bytes, path: list[bytes]) -> bytes:
    """PATH of §2.1.3.1 backwards."""
    if not 0 <= m < n or (n == 1 and path):
        raise ValueError("no such entry, or too long a path")
    if n == 1:
        return leaf
    split, last = k(n), path[-1]
    if m < split:
        return sha256(b"\x01" + _root(m, split, leaf, path[:-1]) + last).digest()
    return sha256(b"\x01" + last + _root(m - split, n - split, leaf, path[:-1])).digest()


def _roots(m: int, n: int, whole: bool, path: list[bytes], old: bytes) -> tuple[bytes, bytes]:
    """SUBPROOF of §2.1.4.1 backwards: old and new root. ``whole``: the subtree is the old tree itself, whose root is
    known."""
    if m == n:
        (found,) = [old, *path] if whole else path
        return found, found
    split, last = k(n), path[-1]
    if m <= split:
        before, after = _roots(m, split, whole, path[:-1], old)
        return before, sha256(b"\x01" + after + last).digest()
    before, after = _roots(m - split, n - split, False, path[:-1], old)
    return sha256(b"\x01" + last + before).digest(), sha256(b"\x01" + last + after).digest()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
