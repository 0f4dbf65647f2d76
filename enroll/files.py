"""Writing a small file so that it is there whole, or not at all, and is its owner's alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["fsync_folder", "write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Write under a temporary name beside ``path`` (mode 0600), force it to the disk, then rename over ``path``.

    Raises:
        OSError: as the file system says; nothing is left behind and ``path`` is as it was.
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
        temporary.unlink(missing_ok=True)
        raise


def fsync_folder(folder: Path) -> None:
    """Make names made, changed or removed in ``folder`` last through a power cut."""
    if os.name == "nt":  # Windows cannot open a folder, and keeps its names in a journal anyway.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
