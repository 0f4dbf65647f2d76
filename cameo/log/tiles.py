"""Tiles (C2SP tlog-tiles): a log as files that never change once they are full.

    checkpoint                    signed
    tile/<L>/<N>                  256 hashes of perfect subtrees of 256**L entries each
    tile/entries/<N>              256 entries, each after its length in two bytes, big-endian
    …/<N>.p/<W>                   the same, W of them, at the right edge

N is written in groups of three digits, all but the last after an x: 1234067 is ``x001/x234/067``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from cameo.errors import ProofInvalid
from cameo.log.merkle import Growing, leaf_hash

__all__ = ["MAX_ENTRY_BYTES", "WIDTH", "Tile", "Tiling", "pack", "unpack"]

WIDTH: Final = 256
_HEIGHT: Final = 8
MAX_ENTRY_BYTES: Final = 2**16 - 1


@dataclass(frozen=True)
class Tile:
    """Which file it is.

    Attributes:
        level: of the hashes in it; ``entries`` for the entries themselves.
        index: its place among those of its level.
        width: how many are in it, 1 to 256.
    """

    level: int | Literal["entries"]
    index: int
    width: int = WIDTH

    def __str__(self) -> str:
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        return f"tile/{self.level}/{'/'.join(groups)}" + (f".p/{self.width}" if self.width < WIDTH else "")


class Tiling:
    """Cuts a log into tiles, entry by entry; holds no more of it than one unfinished tile of each level."""

    def __init__(self) -> None:
        self._tree = Growing()
        self._entries: list[bytes] = []
        self._levels: list[list[bytes]] = []

    @property
    def size(self) -> int:
        return self._tree.size

    def root(self) -> bytes:
        return self._tree.root()

    def add(self, entry: bytes) -> Iterator[tuple[Tile, bytes]]:
        """Add an entry; gives the tiles that are full with it.

        Raises:
            ProofInvalid: the entry has more than 65,535 bytes.
        """
        if len(entry) > MAX_ENTRY_BYTES:
            raise ProofInvalid(f"entry {self.size} has {len(entry)} bytes, expected at most {MAX_ENTRY_BYTES}")
        full = self._tree.append(leaf_hash(entry))
        self._entries.append(entry)
        for level, found in enumerate(full[::_HEIGHT]):
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(found)
        if self.size % WIDTH:
            return
        yield from self._edge()
        self._entries.clear()
        for hashes in self._levels:
            if len(hashes) == WIDTH:
                hashes.clear()

    def rest(self) -> Iterator[tuple[Tile, bytes]]:
        """The partial tiles at the right edge."""
        yield from self._edge(partial=True)

    def _edge(self, *, partial: bool = False) -> Iterator[tuple[Tile, bytes]]:
        def fits(count: int) -> bool:
            return 0 < count < WIDTH if partial else count == WIDTH

        if fits(len(self._entries)):
            yield Tile("entries", (self.size - 1) // WIDTH, len(self._entries)), pack(self._entries)
        for level, hashes in enumerate(self._levels):
            if fits(len(hashes)):
                index = ((self.size >> _HEIGHT * level) - 1) // WIDTH
                yield Tile(level, index, len(hashes)), b"".join(hashes)


def pack(entries: list[bytes]) -> bytes:
    """A bundle of entries."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack(bundle: bytes, count: int) -> list[bytes]:
    """The inverse of ``pack``.

    Raises:
        ProofInvalid: that many entries are not what is in it.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(bundle) and len(entries) < count:
        length = int.from_bytes(bundle[at : at + 2], "big")
        entries.append(bundle[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(bundle) or len(entries) != count:
        raise ProofInvalid(f"a bundle of entries does not hold {count} of them and nothing else")
    return entries
