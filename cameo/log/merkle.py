"""The Merkle tree of RFC 9162 §2.1, with SHA-256: its root, and proofs of what is in it and of how it grew.

A tree is kept as the hashes of its perfect subtrees. ``Node(level, number)`` is the one over the entries from
``number · 2**level`` up to, not including, ``(number + 1) · 2**level``. Once it is full it never changes; so an
entry is added, and a root or a proof found, with a number of hashes that grows as the logarithm of the size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from cameo.errors import ProofInvalid

__all__ = [
    "EMPTY",
    "HASH_BYTES",
    "Growing",
    "Node",
    "Read",
    "consistency_path",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "peaks",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]

HASH_BYTES: Final = 32

EMPTY: Final = sha256(b"").digest()
"""The root of the tree without entries."""


class Node(NamedTuple):
    """A perfect subtree; level 0 is an entry's own hash."""

    level: int
    number: int


Read = Callable[[Node], bytes]
"""Gives the hash of a perfect subtree that is full."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def peaks(size: int) -> tuple[Node, ...]:
    """The largest perfect subtrees a tree is made of, from the left: one for each bit that is set in its size."""
    levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
    return tuple(Node(level, (size >> level) - 1) for level in levels)


class Growing:
    """A tree to which entries are added.

    Args:
        size: of the tree to go on with.
        hashes: those of ``peaks(size)``.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(hashes)
        if len(self._peaks) != size.bit_count():
            raise ValueError(f"a tree of size {size} has {size.bit_count()} peaks, got {len(self._peaks)}")

    def append(self, leaf: bytes) -> tuple[bytes, ...]:
        """Add an entry by its hash.

        Returns:
            The hashes of all perfect subtrees that are full with it, from level 0 up.
        """
        full = [leaf]
        for level in range(self.size.bit_length()):
            if not self.size >> level & 1:
                break
            full.append(node_hash(self._peaks.pop(), full[-1]))
        self._peaks.append(full[-1])
        self.size += 1
        return tuple(full)

    def root(self) -> bytes:
        """MTH(D_n) of RFC 9162 §2.1.1."""
        return _joined(self._peaks) if self._peaks else EMPTY


def root_of(size: int, read: Read) -> bytes:
    """The root the tree had when it had this size."""
    return Growing(size, map(read, peaks(size))).root()


def inclusion_path(index: int, size: int, read: Read) -> tuple[bytes, ...]:
    """PATH(m, D_n) of RFC 9162 §2.1.3.1, from the entry's sibling to the root's child.

    Raises:
        ValueError: there is no such entry in a tree of this size.
    """
    if not 0 <= index < size:
        raise ValueError(f"entry {index} of a tree of size {size}")
    path = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range_root(middle, end, read))
            end = middle
        else:
            path.append(_range_root(begin, middle, read))
            begin = middle
    return tuple(reversed(path))


def consistency_path(old: int, size: int, read: Read) -> tuple[bytes, ...]:
    """PROOF(m, D_n) of RFC 9162 §2.1.4.1; empty from the empty tree, and from a tree to itself.

    Raises:
        ValueError: the old tree is larger.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of size {size} does not go on from one of size {old}")
    if old in (0, size):
        return ()
    path = []
    begin, end = 0, size
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_range_root(middle, end, read))
            end = middle
        else:
            path.append(_range_root(begin, middle, read))
            begin = middle
    if begin > 0:
        # Whoever checks knows the old root alone; where that is this very subtree's, it need not be told.
        path.append(_range_root(begin, end, read))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 §2.1.3.2. Size and root belong together and must come from one signed checkpoint: for a neighbouring
    size the same path may lead to the same root.

    Raises:
        ProofInvalid: it does not lead to this root.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"the proof is of entry {index}, the tree has {size}")
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofInvalid(f"the proof has {len(path)} hashes, too many for entry {index} of {size}")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise ProofInvalid(f"the proof has {len(path)} hashes, too few for entry {index} of {size}")
    if found != root:
        raise ProofInvalid(f"the proof does not lead from entry {index} to the root of the tree of size {size}")


def verify_consistency(old: int, size: int, path: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """RFC 9162 §2.1.4.2: everything in the old tree is in the new one, where it was.

    Raises:
        ProofInvalid: that is not shown.
    """
    if not 0 <= old <= size:
        raise ProofInvalid(f"a tree of size {size} does not go on from one of size {old}")
    broken = ProofInvalid(f"the proof does not lead from the tree of size {old} to the one of size {size}")
    if old in (0, size):
        if path or old_root != (EMPTY if old == 0 else root):
            raise broken
        return
    rest = list(path)
    if old & (old - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        raise broken
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_found = found = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            raise broken
        if at & 1 or at == last:
            old_found, found = node_hash(sibling, old_found), node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last != 0 or old_found != old_root or found != root:
        raise broken


def _split(size: int) -> int:
    """The largest power of two that is smaller."""
    return 1 << (size - 1).bit_length() - 1


def _range_root(begin: int, end: int, read: Read) -> bytes:
    """Of the entries from ``begin`` to ``end``, where ``begin`` is a multiple of a power of two not below their
    number."""
    hashes = []
    for node in peaks(end - begin):
        hashes.append(read(Node(node.level, (begin >> node.level) + node.number)))
    return _joined(hashes)


def _joined(hashes: Sequence[bytes]) -> bytes:
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root
