"""A whole log in a folder of tiles, as any tlog-tiles client reads it over HTTP: written, and checked from end to end
with nothing but the verifier key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cameo.errors import InputRefused, ProofInvalid
from cameo.log.checkpoint import Checkpoint
from cameo.log.merkle import HASH_BYTES, Growing, leaf_hash
from cameo.log.note import MAX_NOTE_BYTES, Verifier
from cameo.log.tiles import MAX_ENTRY_BYTES, WIDTH, Tile, Tiling, unpack
from enroll.files import drop_unfinished, make_folder, write_atomically

__all__ = ["export", "verify_folder"]

_CHECKPOINT: Final = "checkpoint"
_MAX_TILE_BYTES: Final = WIDTH * (2 + MAX_ENTRY_BYTES)


def export(folder: Path, entries: Sequence[bytes], note: bytes, verifier: Verifier) -> Checkpoint:
    """Write a log, or what was added to one that was written there before; the checkpoint last, so that whatever it
    promises is there.

    Args:
        entries: all of them, from the first.
        note: the signed checkpoint over them.

    Raises:
        ProofInvalid: the entries are not those of the checkpoint, or the log in the folder is one that this does not
            go on from. Nothing was written.
        InputRefused: the folder cannot be written.
    """
    checkpoint = Checkpoint.open(note, verifier)
    if (len(entries), _root(entries)) != (checkpoint.size, checkpoint.root):
        raise ProofInvalid(f"these are {len(entries)} entries, and not those of the checkpoint of {checkpoint.size}")
    _require_continued(folder, entries, verifier)
    tiling = Tiling()
    try:
        drop_unfinished(folder)
        for entry in entries:
            for tile, content in tiling.add(entry):
                _write(folder / str(tile), content)
        for tile, content in tiling.rest():
            _write(folder / str(tile), content)
        _write(folder / _CHECKPOINT, note)
    except OSError as error:
        raise InputRefused(
            f"cannot write the ledger to {folder}: {error.strerror}", hint="free some space, or choose another folder"
        ) from None
    return checkpoint


def verify_folder(folder: Path, verifier: Verifier) -> Checkpoint:
    """Check every file of an exported log.

    Raises:
        ProofInvalid: at the first that is missing, changed, or not part of it.
    """
    checkpoint = Checkpoint.open(_read(folder, _CHECKPOINT, MAX_NOTE_BYTES), verifier)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()} - {_CHECKPOINT}
    tiling = Tiling()
    for entry in _entries(folder, checkpoint.size):
        for tile, content in tiling.add(entry):
            _compare(folder, tile, content, there)
    for tile, content in tiling.rest():
        _compare(folder, tile, content, there)
    if tiling.root() != checkpoint.root:
        raise ProofInvalid(f"the entries in {folder} are not those of its checkpoint of size {checkpoint.size}")
    if there:
        raise ProofInvalid(f"{sorted(there)[0]!r} in {folder} is no part of this log")
    return checkpoint


def _entries(folder: Path, size: int) -> Iterator[bytes]:
    for index in range(-(-size // WIDTH)):
        tile = Tile("entries", index, min(WIDTH, size - index * WIDTH))
        yield from unpack(_read(folder, str(tile), _MAX_TILE_BYTES), tile.width)


def _compare(folder: Path, tile: Tile, content: bytes, there: set[str]) -> None:
    if _read(folder, str(tile), len(content) + 1) != content:
        raise ProofInvalid(f"{tile} in {folder} does not fit the entries")
    there.discard(str(tile))
    # Narrower tiles are what earlier exports wrote; each must be the beginning of the wide one.
    for width in range(1, tile.width):
        earlier = str(Tile(tile.level, tile.index, width))
        if earlier in there:
            found = _read(folder, earlier, len(content) + 1)
            whole = _first(content, width) if tile.level == "entries" else content[: width * HASH_BYTES]
            if found != whole:
                raise ProofInvalid(f"{earlier} in {folder} does not fit the entries")
            there.discard(earlier)


def _first(bundle: bytes, count: int) -> bytes:
    end = 0
    for _ in range(count):
        end += 2 + int.from_bytes(bundle[end : end + 2], "big")
    return bundle[:end]


def _require_continued(folder: Path, entries: Sequence[bytes], verifier: Verifier) -> None:
    if not (folder / _CHECKPOINT).exists():
        return
    before = Checkpoint.open(_read(folder, _CHECKPOINT, MAX_NOTE_BYTES), verifier)
    if before.size > len(entries) or _root(entries[: before.size]) != before.root:
        raise ProofInvalid(
            f"{folder} holds a log of {before.size} entries that this one does not go on from",
            hint="export to another folder; or find out which of the two was put back or changed",
        )


def _root(entries: Sequence[bytes]) -> bytes:
    tree = Growing()
    for entry in entries:
        tree.append(leaf_hash(entry))
    return tree.root()


def _write(path: Path, content: bytes) -> None:
    make_folder(path.parent)
    if not (path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content):
        write_atomically(path, content)


def _read(folder: Path, name: str, limit: int) -> bytes:
    try:
        with (folder / name).open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ProofInvalid(f"{name} in {folder} cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise ProofInvalid(f"{name} in {folder} has more than {limit} bytes")
    return content
