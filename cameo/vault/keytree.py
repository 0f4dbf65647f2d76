"""Keys that can be forgotten one by one, for good, in whatever copy of the vault.

A person's key is wrapped twice: by the master key, and by a leaf of a tree of keys. All leaves follow from one root
(Goldreich, Goldwasser and Micali 1986): HMAC-SHA256 under a node's seed of ``0`` or ``1`` is the seed of its left or
right child, and the person's index in the status list says left or right. To forget a leaf, the nodes above it are
replaced by those that hang beside its path: every other leaf still follows from them, this one from nothing
(puncturing: Boneh and Waters 2013, Green and Miers 2015).

The nodes lie in ``keys.tree`` in the vault's home, sealed by the master key, and nowhere else: not in the database, its
journal, its replicas or its backups. So whatever old copy of those is opened, with the master key and the tree of
today, whoever left since does not open. **An old copy of this file together with an old copy of the database would open
them**: keep one copy of it, in a place of its own, and replace it after every revocation.
"""

from __future__ import annotations

import hmac
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cameo.errors import StoreDamaged, StoreFull
from cameo.vault.cipher import KEY_BYTES, Context, open_sealed, random_key, seal
from cameo.vault.keys import MasterKey
from enroll.files import write_atomically

__all__ = ["KeyTree"]

_FILE: Final = "keys.tree"
_CONTEXT: Final = Context("", "", "key tree")
"""Not the vault's id: a first opening that was killed leaves a tree, and the next one takes another id."""
_DEPTH: Final = 32
_NODE: Final = np.dtype([("first", "<u4"), ("depth", "u1"), ("seed", f"V{KEY_BYTES}")])
"""``first``: the first of the 2^(32 - depth) leaves under the node. Nodes are kept in this order, and never overlap."""
Node = tuple[int, int, bytes]
"""One of them."""


class KeyTree:
    """The keys of one vault that are not forgotten. Several processes may use it; one that writes holds the vault's
    lock, and one that reads need not.

    Args:
        home: the vault's folder.
        master: its master key.

    Raises (from every method):
        StoreDamaged: the file is gone, changed, or of another vault.
    """

    def __init__(self, home: Path, master: MasterKey) -> None:
        self._path = home / _FILE
        self._master = master
        self._stamp: tuple[int, ...] = ()
        self._held = np.empty(0, _NODE)
        self._fixed = threading.local()

    def __repr__(self) -> str:
        return "KeyTree(…)"

    def plant(self) -> None:
        """A new root, where there is no tree yet. Raises StoreFull when there is no room."""
        if not self._path.exists():
            self._write(np.array([(0, 0, random_key())], _NODE))

    def wrap(self, key: bytes, index: int, context: Context) -> bytes:
        """Raises StoreDamaged when the leaf is forgotten."""
        return self._master.wrap(seal(self._leaf(index), key, context), context)

    def unwrap(self, wrapped: bytes, index: int, context: Context) -> bytes:
        """The inverse of ``wrap``. Raises StoreDamaged when the leaf is forgotten, or master key, leaf or context are
        not those it was wrapped with."""
        return open_sealed(self._leaf(index), self._master.unwrap(wrapped, context), context)

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """In the block, for this thread, the tree is as it was at its beginning. For a reader whose view of the
        database begins after that: a leaf is forgotten after its person is gone from the database, so whoever is in the
        view is in the tree, whoever leaves meanwhile."""
        self._fixed.nodes = self._nodes()
        try:
            yield
        finally:
            del self._fixed.nodes

    def knows(self, index: int) -> bool:
        """Whether this leaf still follows from something."""
        return _covering(self._nodes(), index) is not None

    def forgotten(self) -> int:
        """How many leaves follow from nothing any more."""
        return (1 << _DEPTH) - int((1 << (_DEPTH - self._nodes()["depth"].astype(np.int64))).sum())

    def forget(self, indexes: Iterable[int]) -> None:
        """Forget leaves, on the disk when this returns; nothing happens for those that are forgotten already.

        Raises:
            StoreFull: there is no room. Nothing was forgotten.
        """
        nodes, gone = self._nodes(), dict[int, list[int]]()
        for index in sorted(set(indexes)):
            at = _covering(nodes, index)
            if at is not None:
                gone.setdefault(at, []).append(index)
        if not gone:
            return
        kept, begin = [], 0
        for at, below in gone.items():
            kept += [nodes[begin:at], np.array(list(_without(nodes[at].item(), below)), _NODE)]
            begin = at + 1
        self._write(np.concatenate([*kept, nodes[begin:]]))

    def _leaf(self, index: int) -> bytes:
        nodes = self._nodes()
        at = _covering(nodes, index)
        if at is None:
            raise StoreDamaged(
                f"the key with index {index} is forgotten: whoever had it was revoked",
                hint="only a new clip with a new consent can bring them back",
            )
        seed = nodes[at]["seed"].tobytes()
        for depth in range(int(nodes[at]["depth"]), _DEPTH):
            seed = _child(seed, index >> (_DEPTH - 1 - depth) & 1)
        return seed

    def _nodes(self) -> NDArray[np.void]:
        """As the file has them now: another process may have forgotten some meanwhile."""
        fixed: NDArray[np.void] | None = getattr(self._fixed, "nodes", None)
        if fixed is not None:
            return fixed
        try:
            while (stamp := _stamp(self._path)) != self._stamp:
                try:
                    plain = self._master.unwrap(self._path.read_bytes(), _CONTEXT)
                except StoreDamaged:
                    if _stamp(self._path) == stamp:
                        raise
                    continue  # it was replaced as it was read, and zeros written over the old one
                self._replace(np.frombuffer(plain, _NODE), stamp)
                break
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not whole"
            raise StoreDamaged(
                f"the key tree {self._path} cannot be read: {reason}",
                hint="put the file back; without it nobody in this vault can be opened",
            ) from None
        return self._held

    def _write(self, nodes: NDArray[np.void]) -> None:
        try:
            with _overwritten(self._path):
                write_atomically(self._path, self._master.wrap(nodes.tobytes(), _CONTEXT))
            for leftover in self._path.parent.glob(f".{_FILE}.*.tmp"):  # of one that was killed as it wrote
                leftover.unlink()
        except OSError as error:
            raise StoreFull(
                f"the key tree {self._path} cannot be written: {error.strerror}", hint="free some space and try again"
            ) from None
        self._replace(nodes, _stamp(self._path))

    def _replace(self, nodes: NDArray[np.void], stamp: tuple[int, ...]) -> None:
        self._held, self._stamp = nodes, stamp


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return (found.st_ino, found.st_mtime_ns, found.st_size)


@contextmanager
def _overwritten(path: Path) -> Iterator[None]:
    """Zeros over the old content of a file that is replaced in the block: what a file system that writes in place keeps
    of it is nothing."""
    try:
        old = path.open("r+b")
    except FileNotFoundError:
        yield
        return
    with old:
        yield
        old.write(bytes(os.fstat(old.fileno()).st_size))
        old.flush()
        os.fsync(old.fileno())


def _covering(nodes: NDArray[np.void], index: int) -> int | None:
    """Which node a leaf hangs under."""
    at = int(np.searchsorted(nodes["first"], np.uint32(index), side="right")) - 1
    if at < 0:
        return None
    first, depth = int(nodes[at]["first"]), int(nodes[at]["depth"])
    return at if index < first + (1 << (_DEPTH - depth)) else None


def _without(node: Node, gone: list[int]) -> Iterator[Node]:
    """The nodes that are left of one, in the order of their leaves, when these leaves under it are forgotten."""
    first, depth, seed = node
    if not gone:
        yield node
    elif depth < _DEPTH:
        middle = first + (1 << (_DEPTH - 1 - depth))
        yield from _without((first, depth + 1, _child(seed, 0)), [index for index in gone if index < middle])
        yield from _without((middle, depth + 1, _child(seed, 1)), [index for index in gone if index >= middle])


def _child(seed: bytes, bit: int) -> bytes:
    return hmac.digest(seed, b"1" if bit else b"0", sha256)
