"""Signed notes (C2SP signed-note): a text, a blank line, and who signed it, as ``— name base64(key id ‖ signature)``.

Ed25519 (RFC 8032) is the only kind of signature made and checked; lines of other kinds and of other signers, such as
witnesses, are passed over, as the standard asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cameo.errors import ProofInvalid
from cameo.log.fields import decode64, encode64

__all__ = ["MAX_NOTE_BYTES", "Verifier", "sign_note"]

MAX_NOTE_BYTES: Final = 64 * 1024
_MAX_SIGNATURES: Final = 64
_ED25519: Final = b"\x01"
_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_DASH: Final = "\N{EM DASH} "


@dataclass(frozen=True)
class Verifier:
    """What is needed to check a signature; as text, ``name+hash+key``.

    Attributes:
        name: of the signer; no white space and no ``+`` in it.
        public: Ed25519 public key, 32 bytes.
    """

    name: str
    public: bytes

    @classmethod
    def of(cls, name: str, key: Ed25519PrivateKey) -> Self:
        """Raises ValueError for a name that cannot be one."""
        if not _fit_for_name(name):
            raise ValueError(f"{name!r} cannot name a key")
        return cls(name, key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key: ``name+hash+base64(0x01 ‖ key)``, the hash in 8 digits of lower-case hex.

        Raises:
            ProofInvalid: it is none.
        """
        # The base64 may hold a plus; the name and the hash do not.
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        if len(text) > 1024 or not _fit_for_name(name) or not encoded:
            raise ProofInvalid("this is no verifier key", hint="give it as name+hash+key; cameo log verify shows it")
        content = decode64(encoded, "verifier key", 1 + _KEY_BYTES)
        if content[:1] != _ED25519:
            raise ProofInvalid(f"the verifier key is of kind {content[0]}, expected 1 (Ed25519)")
        verifier = cls(name, content[1:])
        if verifier.key_id.hex() != key_id:
            raise ProofInvalid(f"the verifier key says {key_id[:16]!r} of itself, and is {verifier.key_id.hex()}")
        return verifier

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode64(_ED25519 + self.public)}"

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_BYTES]

    def open(self, note: bytes) -> str:
        """The text of a note that this key signed.

        Raises:
            ProofInvalid: it is no note, this key did not sign it, or it was changed since.
        """
        text, lines = _parse(note)
        mine = [signature for name, key_id, signature in lines if (name, key_id) == (self.name, self.key_id)]
        if not mine:
            raise ProofInvalid(f"the note is not signed by {self.name} with key {self.key_id.hex()}")
        for signature in mine:
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
            except (InvalidSignature, ValueError):
                raise ProofInvalid(f"the note was changed since {self.name} signed it, or never was") from None
        return text


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> bytes:
    """A note of this text, which ends with a newline, with one signature."""
    signature = Verifier.of(name, key).key_id + key.sign(text.encode())
    return f"{text}\n{_DASH}{name} {encode64(signature)}\n".encode()


def _parse(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    if len(note) > MAX_NOTE_BYTES:
        raise ProofInvalid(f"the note has {len(note)} bytes, expected at most {MAX_NOTE_BYTES}")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise ProofInvalid("the note is no UTF-8") from None
    text, blank, signatures = whole.rpartition("\n\n")
    if not blank or not text or not signatures.endswith("\n") or any(c < " " and c != "\n" for c in whole):
        raise ProofInvalid("this is no signed note: expected a text, a blank line and signatures")
    lines = signatures[:-1].split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise ProofInvalid(f"the note has {len(lines)} signatures, expected at most {_MAX_SIGNATURES}")
    return text + "\n", [_parse_signature(line) for line in lines]


def _parse_signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _fit_for_name(name):
        raise ProofInvalid("a signature line of the note is none")
    content = decode64(encoded, "signature")
    if len(content) <= _ID_BYTES:
        raise ProofInvalid(f"a signature of the note has {len(content)} bytes")
    return name, content[:_ID_BYTES], content[_ID_BYTES:]


def _fit_for_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)
