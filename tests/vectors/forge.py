"""Signing, sealing and hashing for the vectors, with `cryptography`, `rfc8785` and `hashlib` alone.

Nothing of ``enroll`` or ``cameo`` is imported: what this makes and theirs accept, two implementations agree on. It
makes whatever it is told to, also what nobody should accept. Keys come from fixed seeds and are for these vectors only.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

__all__ = ["OPERATOR", "OTHER", "STRANGER", "SUBJECT", "Key", "b64", "b64u", "changed", "jwe", "jws", "note", "seed"]

Json = dict[str, Any]


def seed(words: str, length: int = 32) -> bytes:
    """Bytes that look random and are always the same."""
    return sha256(b"cameo vectors/1 " + words.encode()).digest()[:length]


def b64u(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@dataclass(frozen=True)
class Key:
    """An Ed25519 key pair of somebody who does not exist."""

    name: str

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(seed(self.name))

    @cached_property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def jwk(self) -> Json:
        return {"crv": "Ed25519", "kty": "OKP", "x": b64u(self.public)}

    @property
    def thumbprint(self) -> str:
        """RFC 7638."""
        return b64u(sha256(rfc8785.dumps(self.jwk)).digest())

    def vkey(self, origin: str) -> str:
        """A C2SP verifier key."""
        encoded = b64(b"\x01" + self.public)
        return f"{origin}+{self.key_id(origin).hex()}+{encoded}"

    def key_id(self, origin: str) -> bytes:
        return sha256(origin.encode() + b"\n\x01" + self.public).digest()[:4]


OPERATOR: Final = Key("operator")
STRANGER: Final = Key("stranger")
SUBJECT: Final = Key("subject")
OTHER: Final = Key("other")


def jws(document: Mapping[str, Any], key: Key = OPERATOR, header: Mapping[str, Any] | None = None) -> str:
    """A compact JWS with detached content over the RFC 8785 form. ``header``: instead of the right one."""
    words = {"alg": "Ed25519", "jwk": key.jwk} if header is None else dict(header)
    protected = b64u(json.dumps(words, separators=(",", ":")).encode())
    signature = key.private.sign(f"{protected}.{b64u(rfc8785.dumps(dict(document)))}".encode())
    return f"{protected}..{b64u(signature)}"


def note(text: str, origin: str, key: Key = OPERATOR) -> bytes:
    """A C2SP signed note. ``text`` ends with a newline."""
    signature = b64(key.key_id(origin) + key.private.sign(text.encode()))
    return f"{text}\n— {origin} {signature}\n".encode()


def jwe(inside: bytes, passphrase: str, *, header: Mapping[str, Any] | None = None, rounds: int = 1000) -> bytes:
    """A compact JWE: PBES2-HS512+A256KW and A256GCM. ``header``: members over the right ones."""
    salt, cek, iv = seed("salt", 16), seed("cek"), seed("iv", 12)
    words = {"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": rounds, "p2s": b64u(salt)} | dict(header or {})
    kdf = PBKDF2HMAC(SHA512(), 32, b"PBES2-HS512+A256KW\x00" + salt, rounds)
    protected = b64u(json.dumps(words, separators=(",", ":")).encode())
    sealed = AESGCM(cek).encrypt(iv, inside, protected.encode())
    wrapped = aes_key_wrap(kdf.derive(passphrase.encode()), cek)
    return ".".join([protected, *map(b64u, (wrapped, iv, sealed[:-16], sealed[-16:]))]).encode()


def changed(document: Json, path: str, value: Any) -> Json:
    """A copy with one member changed: ``"processing.controller.name"``, ``"events.0.entity"``."""
    made = copy.deepcopy(document)
    *way, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    place: Any = made
    for step in way:
        place = place[step]
    place[last] = value
    return made
