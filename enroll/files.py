"""Writing a small file so that it is there whole, or not at all, and is its owner's alone; and making what was written
last through a power cut."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["drop_unfinished", "fsync_file", "fsync_folder", "make_folder", "write_atomically"]

_TEMPORARY: Final = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")


def write_atomically(path: Path, content: bytes) -> None:
    """Write under a temporary name beside ``path`` (mode 0600), force it to the disk, then rename over ``path``.

    Raises:
        OSError: as the file system says; nothing is left behind, and ``path`` is as it was, or, when its name alone
            could not be forced to the disk, whole and new.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        fsync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # what went wrong is told, not what then went wrong in tidying up
            temporary.unlink(missing_ok=True)
        raise


def drop_unfinished(folder: Path) -> None:
    """Remove what ``write_atomically`` left half-written in a folder, or in one below it, when its process died. Nobody
    may be writing there now."""
    for path in folder.rglob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder where there is none, and those above it that are missing; their names last through a power cut.

    Args:
        mode: of the last; see ``Path.mkdir``.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    for folder in missing:
        fsync_folder(folder.parent)


def fsync_file(path: Path) -> None:
    """Make the content of a file last through a power cut."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def fsync_folder(folder: Path) -> None:
    """Make names made, changed or removed in ``folder`` last through a power cut."""
    if os.name == "nt":  # Windows cannot open a folder, and keeps its names in a journal anyway.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
