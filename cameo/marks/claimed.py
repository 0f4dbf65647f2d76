"""Whether a manifest's parts are as large as they say, asked before the C2PA library reads it.

That library sets memory aside for a text of CBOR (RFC 8949) by the length its head claims: for a few bytes that claim
gigabytes it takes gigabytes. So what it will read is walked first: the boxes of the file (ISO/IEC 14496-12), in them
the superboxes of JUMBF (ISO/IEC 19566-5), in them the items of CBOR. Nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

__all__ = ["claims_too_much"]

_MOST: Final = 32 * 1024 * 1024
"""Bytes of a manifest store; one with thumbnails of many ingredients takes a few million."""
_MOST_ITEMS: Final = 200_000
_DEEPEST: Final = 64
_C2PA: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_BYTES, _TEXT, _LIST, _MAP, _TAG = 2, 3, 4, 5, 6
_COSE_SIGN1: Final = 18
"""A list that is tagged with this begins with CBOR in a byte string (RFC 9052)."""
_BREAK: Final = 0xFF


def claims_too_much(file: IO[bytes]) -> bool:
    """Whether a part of an MP4's manifest claims more than is there, or the manifest is over 32 MiB or made of over
    200,000 items.

    Args:
        file: seekable; stands where it stood afterwards.
    """
    at = file.tell()
    try:
        for box in _c2pa_boxes(file):
            _walk_c2pa(box)
    except _TooMuch:
        return True
    finally:
        file.seek(at)
    return False


class _TooMuch(Exception):
    pass


def _c2pa_boxes(file: IO[bytes]) -> Iterator[bytes]:
    """What is in each of the file's boxes for C2PA."""
    at, end = 0, file.seek(0, 2)
    while at + 8 <= end:
        file.seek(at)
        kind, begin, after = _box(file.read(16), at, end)
        if after < begin:
            return
        if kind == b"uuid" and after - begin >= len(_C2PA):
            file.seek(begin)
            if file.read(len(_C2PA)) == _C2PA:
                if after - file.tell() > _MOST:
                    raise _TooMuch
                yield file.read(after - file.tell())
        at = after


def _box(head: bytes, at: int, end: int) -> tuple[bytes, int, int]:
    """Kind of the box that begins at ``at``, and where its content begins and ends: at the latest where that ends in
    which it is."""
    size, begin = int.from_bytes(head[:4], "big"), at + 8
    if size == 1:
        size, begin = int.from_bytes(head[8:16], "big"), at + 16
    return head[4:8], begin, end if size == 0 else min(at + size, end)


def _walk_c2pa(content: bytes) -> None:
    """Version and flags, a purpose; then CBOR, or 8 bytes of an offset and a manifest store."""
    purpose, _, rest = content[4:].partition(b"\0")
    cbor = _Cbor(rest)
    if purpose == b"merkle":
        cbor.item(0, len(rest))
    else:
        _walk_store(cbor, 8, len(rest))


def _walk_store(cbor: _Cbor, at: int, end: int, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise _TooMuch
    while at + 8 <= end:
        kind, begin, after = _box(cbor.content[at : at + 16], at, end)
        if after < begin:
            raise _TooMuch
        if kind == b"jumb":
            _walk_store(cbor, begin, after, depth + 1)
        elif kind == b"cbor":
            cbor.item(begin, after)
        at = after


class _Cbor:
    """Walks over items, and counts them."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._items = 0

    def item(self, at: int, end: int, depth: int = 0, *, signed: bool = False) -> int:
        """Where the item ends that begins at ``at``.

        Args:
            signed: whether it is what a signature covers, or the list that begins with that.

        Raises:
            _TooMuch: it ends after ``end``, or never.
        """
        self._items += 1
        if depth > _DEEPEST or self._items > _MOST_ITEMS:
            raise _TooMuch
        kind, value, at = self._head(at, end)
        if kind in (_BYTES, _TEXT):
            if value is None:
                return self._until_break(at, end, depth)
            if value > end - at:
                raise _TooMuch
            if signed and value:
                self.item(at, at + value, depth + 1)
            return at + value
        if kind in (_LIST, _MAP):
            if value is None:
                return self._until_break(at, end, depth)
            for number in range(value * (2 if kind == _MAP else 1)):
                at = self.item(at, end, depth + 1, signed=signed and number == 0)
            return at
        if kind == _TAG:
            return self.item(at, end, depth + 1, signed=value == _COSE_SIGN1)
        return at

    def _head(self, at: int, end: int) -> tuple[int, int | None, int]:
        """Major type, argument (None: until a break), and where the head ends."""
        if at >= end:
            raise _TooMuch
        kind, value = self.content[at] >> 5, self.content[at] & 31
        at += 1
        if value < 24:
            return kind, value, at
        if value == 31 and kind in (_BYTES, _TEXT, _LIST, _MAP):
            return kind, None, at
        width = 1 << (value - 24)
        if value > 27 or width > end - at:
            raise _TooMuch
        return kind, int.from_bytes(self.content[at : at + width], "big"), at + width

    def _until_break(self, at: int, end: int, depth: int) -> int:
        while at < end and self.content[at] != _BREAK:
            at = self.item(at, end, depth + 1)
        if at >= end:
            raise _TooMuch
        return at + 1
