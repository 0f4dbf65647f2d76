"""Checkpoints (C2SP tlog-checkpoint): how large a log is and what its root is, signed by who keeps it.

origin
size
base64 of the root
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cameo.errors import ProofInvalid
from cameo.log.fields import decode64, decode_decimal, encode64
from cameo.log.merkle import EMPTY, HASH_BYTES
from cameo.log.note import Verifier, sign_note

__all__ = ["Checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log.

    Attributes:
        origin: which log; also the name of its key.
        size: entries in it.
        root: of the Merkle tree over them, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def sign(self, key: Ed25519PrivateKey) -> bytes:
        """As a signed note."""
        return sign_note(f"{self.origin}\n{self.size}\n{encode64(self.root)}\n", self.origin, key)

    @classmethod
    def open(cls, note: bytes, verifier: Verifier) -> Self:
        """Read a checkpoint that this log's key signed.

        Raises:
            ProofInvalid: it is none, or of another log, or was changed.
        """
        lines = verifier.open(note).split("\n")[:-1]
        # Lines after the third are extensions: the signature covers them, and nothing here depends on them.
        if len(lines) < 3 or not all(lines):
            raise ProofInvalid("the note is no checkpoint: expected origin, size and root")
        origin, size, root = lines[:3]
        if origin != verifier.name:
            raise ProofInvalid(f"the checkpoint is of {origin[:80]!r}, expected {verifier.name}")
        checkpoint = cls(origin, decode_decimal(size, "size"), decode64(root, "root", HASH_BYTES))
        if checkpoint.size == 0 and checkpoint.root != EMPTY:
            raise ProofInvalid("the checkpoint is of size 0 with the root of a tree that is not empty")
        return checkpoint
