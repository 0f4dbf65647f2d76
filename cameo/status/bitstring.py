"""A row of bits, one for each person, as Bitstring Status List v1.0 (W3C) writes it.

    encodedList = "u" ‖ base64url without padding (Multibase) of GZIP (RFC 1952) of the bits; index 0 is the leftmost

A list has at least 131,072 entries, so that nobody stands out for being in a short one. What a stranger wrote is
unpacked up to a bound and not a byte further: a thousand bytes of GZIP can hold a million.
"""

from __future__ import annotations

import gzip
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from cameo.errors import StatusListInvalid

__all__ = ["LEAST_ENTRIES", "MOST_ENTRIES", "Bitstring"]

LEAST_ENTRIES: Final = 131_072
"""The standard's least length: 16 KiB."""

MOST_ENTRIES: Final = 2**24
"""Ours: 2 MiB of bits, which is as much as a reader ever unpacks."""

_MULTIBASE: Final = re.compile(r"u[A-Za-z0-9_-]+")
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Bitstring:
    """The bits, eight to a byte; ``len()`` is how many there are.

    Raises:
        ValueError: fewer than ``LEAST_ENTRIES`` or more than ``MOST_ENTRIES``.
    """

    content: bytes

    def __post_init__(self) -> None:
        if not LEAST_ENTRIES <= len(self) <= MOST_ENTRIES:
            raise ValueError(f"a status list has {LEAST_ENTRIES} to {MOST_ENTRIES} entries, got {len(self)}")

    def __repr__(self) -> str:
        return f"Bitstring({len(self)} entries, {self.ones} set)"

    def __len__(self) -> int:
        return 8 * len(self.content)

    def __getitem__(self, index: int) -> bool:
        """Raises IndexError for what is no entry; there is no counting from the end."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is not in a list of {len(self)} entries")
        return bool(self.content[index >> 3] & (0x80 >> (index & 7)))

    @property
    def ones(self) -> int:
        """How many are set."""
        return int.from_bytes(self.content, "big").bit_count()

    @classmethod
    def of(cls, size: int, indexes: Iterable[int]) -> Self:
        """``size`` entries, those at ``indexes`` set.

        Raises:
            ValueError: ``size`` is no multiple of 8, or out of bounds.
            IndexError: an index is not among the entries.
        """
        if size % 8:
            raise ValueError(f"a status list has a multiple of 8 entries, got {size}")
        content = bytearray(size // 8)
        for index in indexes:
            if not 0 <= index < size:
                raise IndexError(f"index {index} is not in a list of {size} entries")
            content[index >> 3] |= 0x80 >> (index & 7)
        return cls(bytes(content))

    def encode(self) -> str:
        """The ``encodedList``. The same bits give the same text with the same zlib."""
        # Level 9 takes 0.1 s for a million entries and is an eighth smaller than the default.
        return "u" + urlsafe_b64encode(gzip.compress(self.content, 9, mtime=0)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, encoded: str) -> Self:
        """The inverse of ``encode``, for text from anywhere.

        Raises:
            StatusListInvalid: another base, no GZIP, cut short, something behind its end, too few or too many entries.
        """
        if not _MULTIBASE.fullmatch(encoded):
            raise StatusListInvalid("the encoded list is not in Multibase base64url (u…) without padding")
        try:
            packed = urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4))
            unpacking = zlib.decompressobj(_GZIP)
            content = unpacking.decompress(packed, MOST_ENTRIES // 8 + 1)
        except (ValueError, zlib.error) as error:
            raise StatusListInvalid("the encoded list is no GZIP") from error
        if len(content) > MOST_ENTRIES // 8:
            raise StatusListInvalid(f"the encoded list unpacks to more than {MOST_ENTRIES} entries")
        if not unpacking.eof or unpacking.unused_data:
            raise StatusListInvalid("the encoded list is cut short, or something follows its end")
        if len(content) < LEAST_ENTRIES // 8:
            raise StatusListInvalid(f"the list has {8 * len(content)} entries, expected at least {LEAST_ENTRIES}")
        return cls(content)
