"""One line of the ledger: what of an act is written where everybody may read it, and what it commits to.

    commitment = SHA-256("cameo/1 event" ‖ salt ‖ canonical detail)      salt: 32 random bytes
    line       = canonical {seq, at, event, commitment}                  RFC 8785

The opening, salt and detail, is kept apart: whoever has it can show what the line is about, and without the salt
nobody can guess it.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self

from enroll.signature import canonical

__all__ = ["Detail", "Line", "Opening"]

Detail = Mapping[str, str | None]

_SALT_BYTES: Final = 32
_END: Final = 253_402_300_800


@dataclass(frozen=True)
class Opening:
    """What opens a commitment.

    Attributes:
        salt: 32 random bytes.
        detail: what was done, in words and ids.
    """

    salt: bytes
    detail: Detail

    @classmethod
    def new(cls, detail: Detail) -> Self:
        return cls(secrets.token_bytes(_SALT_BYTES), dict(detail))

    def commitment(self) -> bytes:
        return sha256(b"cameo/1 event" + self.salt + canonical(self.detail)).digest()

    def to_bytes(self) -> bytes:
        return json.dumps({"salt": b64encode(self.salt).decode(), "detail": dict(self.detail)}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The inverse of ``to_bytes``, of nothing else: no bit of it is free.

        Raises:
            ValueError: it is no opening.
        """
        fields = _fields(content, "salt", "detail")
        if not isinstance(fields["salt"], str) or not isinstance(fields["detail"], dict):
            raise ValueError("salt and detail are of another kind")
        opening = cls(b64decode(fields["salt"]), fields["detail"])
        if opening.to_bytes() != content:
            raise ValueError("an opening is spelled in one way")
        return opening


@dataclass(frozen=True)
class Line:
    """What everybody may read.

    Attributes:
        seq: its number, from 1.
        at: seconds since 1970, UTC.
        commitment: 32 bytes.
    """

    seq: int
    at: int
    event: str
    commitment: bytes

    def to_bytes(self) -> bytes:
        """The entry of the Merkle tree."""
        fields = {"seq": self.seq, "at": self.at, "event": self.event, "commitment": self.commitment.hex()}
        return canonical(fields)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The inverse of ``to_bytes``.

        Raises:
            ValueError: it is no line.
        """
        fields = _fields(content, "seq", "at", "event", "commitment")
        kinds = {"seq": int, "at": int, "event": str, "commitment": str}
        if any(type(fields[name]) is not kind for name, kind in kinds.items()):
            raise ValueError("a field is of another kind")
        line = cls(fields["seq"], fields["at"], fields["event"], bytes.fromhex(fields["commitment"]))
        if line.to_bytes() != content or len(line.commitment) != sha256().digest_size or not 0 <= line.at < _END:
            raise ValueError("a line is spelled in one way, of a time before the year 10000")
        return line


def _fields(content: bytes, *names: str) -> dict[str, Any]:
    try:
        fields = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(fields, dict) or set(fields) != set(names):
        raise ValueError(f"expected {', '.join(names)}")
    return fields
