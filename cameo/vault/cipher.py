"""Sealing bytes: AES-256-GCM (NIST SP 800-38D), every ciphertext bound to whose it is and what it is.

    sealed = version (1 byte) ‖ nonce (12 bytes, random) ‖ ciphertext ‖ tag (16 bytes)

A key seals one identity's few pieces, far below the 2³² messages at which random nonces would become a concern.
"""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from cameo.errors import StoreDamaged

__all__ = ["KEY_BYTES", "Context", "derive", "open_sealed", "random_key", "seal", "wipe"]

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


@dataclass(frozen=True)
class Context:
    """What a ciphertext belongs to; its associated data. A blob moved to another person, another consent or another
    place does not open.

    Attributes:
        identity_id: UUID, or a scene's digest, or the vault's own id.
        consent_id: UUID; empty for what hangs on no consent.
        kind: ``identity``, ``key``, ``entry``, ``consent`` …
    """

    identity_id: str
    consent_id: str
    kind: str

    def aad(self) -> bytes:
        return "|".join(("cameo/1", self.identity_id, self.consent_id, self.kind)).encode()


def random_key() -> bytes:
    """256 bits from the operating system."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, plaintext: bytes, context: Context) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, context.aad())


def open_sealed(key: bytes, sealed: bytes, context: Context) -> bytes:
    """The inverse of ``seal``.

    Raises:
        StoreDamaged: another key, another context, or a changed byte. Which of them, nobody can tell.
    """
    body = sealed[1 + _NONCE_BYTES :]
    if sealed[:1] != _VERSION or len(body) < _TAG_BYTES:
        raise StoreDamaged(f"the stored {context.kind} of {context.identity_id} is not in a form this version reads")
    try:
        return AESGCM(key).decrypt(sealed[1 : 1 + _NONCE_BYTES], body, context.aad())
    except InvalidTag:
        raise StoreDamaged(
            f"the stored {context.kind} of {context.identity_id} does not verify: changed, moved, or of another key",
            hint="restore the vault from a backup, or revoke and enroll anew",
        ) from None


def derive(keys: Sequence[bytes], purpose: str) -> bytes:
    """A 256-bit key from one or several (HKDF-SHA256, RFC 5869). With several, each of them is needed."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(b"".join(keys))


def wipe(memory: bytes | NDArray[np.generic]) -> None:
    """Overwrite plaintext with zeros where it lies, whoever still refers to it. For memory that is ours alone.

    Objects of a single byte are left: CPython shares them among everybody.
    """
    array = np.frombuffer(memory, np.uint8) if isinstance(memory, bytes) and memory else np.asarray(memory)
    if array.nbytes > 1 and array.flags.c_contiguous:
        ctypes.memset(array.ctypes.data, 0, array.nbytes)
