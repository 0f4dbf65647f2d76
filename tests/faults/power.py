"""What a disk may hold after the power failed: rebuilt from a journal of every call that changed it.

What was forced to the disk is on it: the content of a file when that was synced, a name when its folder was. Everything
else may have reached it or not, each for itself, but what was done to one name stays in its order.
"""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

__all__ = ["Disk", "Journal"]

_CHANGING: Final = "CMRUWTH"
_LINE: Final = struct.Struct("<cQQII")
Name = tuple[int, str]
"""A folder and a name in it."""


@dataclass
class Disk:
    """Files and folders by number, so that whatever happens to names, what is under them stays itself."""

    files: dict[int, bytes] = field(default_factory=dict)
    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    modes: dict[int, int] = field(default_factory=dict)

    def digest(self) -> bytes:
        told = sha256()
        for path, node in self._walk(Path(), 0):
            told.update(f"{path}\0{self.modes[node]}\0".encode())
            told.update(sha256(self.files[node]).digest() if node in self.files else b"")
        return told.digest()

    def write_to(self, root: Path) -> None:
        """In place of what is there."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(mode=0o700)
        for path, node in self._walk(root, 0):
            if node in self.files:
                path.write_bytes(self.files[node])
            else:
                path.mkdir()
            path.chmod(self.modes[node])

    def _walk(self, folder: Path, node: int) -> Iterator[tuple[Path, int]]:
        for name, child in sorted(self.folders[node].items()):
            yield folder / name, child
            if child in self.folders:
                yield from self._walk(folder / name, child)


@dataclass(eq=False)
class _Change:
    """One call.

    Attributes:
        kind: see ``shim.c``.
        held_by: the sync of which file or folder forces it to the disk.
        synced: the position of the call that did.
    """

    kind: str
    node: int
    held_by: int
    names: tuple[Name, ...] = ()
    number: int = 0
    content: bytes = b""
    synced: int | None = None

    def apply(self, disk: Disk) -> None:
        match self.kind:
            case "C" | "M":
                folder, name = self.names[0]
                disk.folders[folder][name] = self.node
            case "R":
                (old, was), (new, name) = self.names
                if disk.folders[old].get(was) == self.node:
                    del disk.folders[old][was]
                disk.folders[new][name] = self.node
            case "U":
                folder, name = self.names[0]
                if disk.folders[folder].get(name) == self.node:
                    del disk.folders[folder][name]
            case "W":
                before = disk.files[self.node].ljust(self.number, b"\0")
                disk.files[self.node] = before[: self.number] + self.content + before[self.number + len(self.content) :]
            case "T":
                disk.files[self.node] = disk.files[self.node][: self.number].ljust(self.number, b"\0")
            case "H":
                disk.modes[self.node] = self.number


class Journal:
    """The calls of one act, on a disk that held what it held before for good.

    Args:
        root: the folder as it was before the act. Read here, once.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before, self._changes = Disk(), list[_Change]()
        self._by_inode: dict[int, int] = {}
        self._begin(root, 0)

    def __len__(self) -> int:
        return len(self._changes)

    def read(self, written: bytes) -> None:
        """What the shim wrote while the act was done."""
        now = self._copy()
        offset = 0
        while offset < len(written):
            kind, inode, number, first, second = _LINE.unpack_from(written, offset)
            offset += _LINE.size
            one, two = written[offset : offset + first], written[offset + first : offset + first + second]
            offset += first + second
            change = self._change(now, kind.decode(), inode, number, one, two)
            self._changes.append(change)
            change.apply(now)

    @property
    def writes(self) -> list[int]:
        """Which of the calls are writes; the first has the number 1."""
        return [number for number, change in enumerate(self._changes, 1) if change.kind == "W"]

    def disks(self, after: int, rng: random.Random, some: int) -> Iterator[tuple[str, Disk]]:
        """As the disk may be when the power fails after so many calls: with nothing that was not forced to it, with all
        of that, with half of the last write, and with ``some`` random parts."""
        done = self._changes[:after]
        changes = [change for change in done if change.kind in _CHANGING]
        sure = [change for change in changes if change.synced is not None and change.synced < after]
        loose = [change for change in changes if change.synced is None or change.synced >= after]
        yield "none", self._disk(done, sure)
        if not loose:
            return
        yield "all", self._disk(done, [*sure, *loose])
        writes = [change for change in loose if change.kind == "W"]
        if writes:
            yield "torn", self._disk(done, [*sure, *loose], torn=writes[-1])
        for number in range(some):
            yield f"part {number}", self._disk(done, [*sure, *_part(loose, rng)])

    def _disk(self, done: list[_Change], kept: Collection[_Change], torn: _Change | None = None) -> Disk:
        disk, there = self._copy(), set(kept)
        for change in done:
            if change is torn:
                half = change.content[: len(change.content) // 2]
                _Change("W", change.node, change.node, number=change.number, content=half).apply(disk)
            elif change in there:
                change.apply(disk)
        return disk

    def _copy(self) -> Disk:
        before = self._before
        made = [change for change in self._changes if change.kind in ("C", "M")]
        files = before.files | {change.node: b"" for change in made if change.kind == "C"}
        folders = {node: dict(names) for node, names in before.folders.items()}
        folders |= {change.node: {} for change in made if change.kind == "M"}
        return Disk(files, folders, before.modes | {change.node: change.number for change in made})

    def _begin(self, folder: Path, node: int) -> None:
        self._by_inode[folder.stat().st_ino] = node
        for path in sorted(folder.iterdir()):
            child = len(self._by_inode)
            self._before.folders[node][path.name] = child
            self._before.modes[child] = path.stat().st_mode & 0o7777
            if path.is_dir():
                self._before.folders[child] = {}
                self._begin(path, child)
            else:
                self._by_inode[path.stat().st_ino] = child
                self._before.files[child] = path.read_bytes()

    def _change(self, now: Disk, kind: str, inode: int, number: int, one: bytes, two: bytes) -> _Change:
        match kind:
            case "C" | "M":
                name = self._name(now, one)
                node = 1_000_000 + len(self._changes)
                self._by_inode[inode] = node
                if kind == "C":
                    now.files[node] = b""
                else:
                    now.folders[node] = {}
                now.modes[node] = number
                return _Change(kind, node, name[0], (name,), number)
            case "R":
                old, new = self._name(now, one), self._name(now, two)
                return _Change(kind, now.folders[old[0]][old[1]], new[0], (old, new))
            case "U":
                name = self._name(now, one)
                return _Change(kind, now.folders[name[0]][name[1]], name[0], (name,))
            case "O" | "F":
                return _Change(kind, -1, -1)
            case "S":
                node = self._by_inode[inode]
                for change in self._changes:
                    if change.synced is None and change.held_by == node:
                        change.synced = len(self._changes)
                return _Change(kind, node, -1)
            case _:
                node = self._by_inode[inode]
                return _Change(kind, node, node, (), number, two)

    def _name(self, now: Disk, path: bytes) -> Name:
        *way, name = Path(path.decode()).relative_to(self._root).parts
        node = 0
        for part in way:
            node = now.folders[node][part]
        return node, name


def _part(loose: list[_Change], rng: random.Random) -> Iterator[_Change]:
    dropped: set[Name] = set()
    for change in loose:
        if rng.random() < 0.5 or not dropped.isdisjoint(change.names):
            dropped.update(change.names)
        else:
            yield change
