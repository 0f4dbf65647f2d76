"""GZIP (RFC 1952) and zlib (RFC 1950) around a DEFLATE (RFC 1951) of our own: compressors differ from version to
version, and the vectors must not. It knows one trick, a byte that goes on and on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import groupby
from typing import Final

__all__ = ["gzipped", "zlibbed"]

_LONGEST: Final = 258


def gzipped(content: bytes) -> bytes:
    """One member, of no time and no system."""
    end = zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")
    return bytes.fromhex("1f8b08000000000000ff") + _deflated(content) + end


def zlibbed(content: bytes) -> bytes:
    return bytes.fromhex("7801") + _deflated(content) + zlib.adler32(content).to_bytes(4, "big")


def _deflated(content: bytes) -> bytes:
    """One block with the fixed codes of section 3.2.6; every match is of the byte before."""
    bits = "".join(["1", "10", *map(_code, _symbols(content)), "0000000"])
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


def _symbols(content: bytes) -> Iterator[int]:
    for byte, same in groupby(content):
        yield byte
        rest = sum(1 for _ in same) - 1
        while rest >= 3:
            # 285 stands for 258 of them; 257 to 264 for 3 to 10.
            length = _LONGEST if rest >= _LONGEST else min(10, rest)
            yield 285 if length == _LONGEST else 254 + length
            rest -= length
        yield from [byte] * rest


def _code(symbol: int) -> str:
    """Its Huffman code, and after a length that of distance 1."""
    if symbol < 144:
        return f"{0b00110000 + symbol:08b}"
    if symbol < 256:
        return f"{0b110010000 + symbol - 144:09b}"
    return (f"{symbol - 256:07b}" if symbol < 280 else f"{0b11000000 + symbol - 280:08b}") + "00000"
