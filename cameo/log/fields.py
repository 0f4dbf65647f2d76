"""How numbers and bytes are spelled in the text formats of C2SP: each in one way alone, so that no bit is free."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Final

from cameo.errors import ProofInvalid

__all__ = ["LARGEST", "decode64", "decode_decimal", "encode64"]

LARGEST: Final = 2**63 - 1
"""Of sizes and indices: what a signed 64-bit integer holds, as in other implementations."""

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")


def encode64(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def decode64(text: str, what: str, length: int | None = None) -> bytes:
    """Base64 (RFC 4648 §4), padded, in its only canonical spelling.

    Args:
        what: it is, for the error.
        length: in bytes; None for any.

    Raises:
        ProofInvalid: it is not that.
    """
    try:
        content = b64decode(text, validate=True)
    except ValueError:
        content = None
    # The last character may carry bits that stand for nothing; they must be zero.
    if content is None or encode64(content) != text:
        raise ProofInvalid(f"the {what} is no base64")
    if length is not None and len(content) != length:
        raise ProofInvalid(f"the {what} has {len(content)} bytes, expected {length}")
    return content


def decode_decimal(text: str, what: str) -> int:
    """A whole number from 0 to ``LARGEST`` without leading zeros.

    Raises:
        ProofInvalid: it is not that.
    """
    number = int(text) if _DECIMAL.fullmatch(text) else -1
    if not 0 <= number <= LARGEST:
        raise ProofInvalid(f"the {what} is {text[:30]!r}, expected a whole number up to {LARGEST}")
    return number
