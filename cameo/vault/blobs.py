"""Ciphertexts beside the database, one folder for each identity. Nothing plain ever passes through here."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from cameo.errors import StoreDamaged
from enroll.files import fsync_folder

__all__ = ["Blobs"]


class Blobs:
    """``root/<identity id>/<kind>.sealed``. Ids are UUIDs, checked before they get here; a kind is a word of ours."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = LocalFileSystem(auto_mkdir=False)

    def write(self, identity_id: str, kind: str, sealed: bytes) -> None:
        """Store a ciphertext: under a temporary name, synced, then renamed, then the folder synced.

        Raises:
            OSError: as the file system says. Nothing is left behind.
        """
        folder = self._root / identity_id
        temporary = folder / f".{secrets.token_hex(8)}.tmp"
        try:
            self._root.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            with self._files.open(str(temporary), "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            self._files.mv(str(temporary), str(folder / f"{kind}.sealed"))
            fsync_folder(folder)
            fsync_folder(self._root)
        except BaseException:
            temporary.unlink(missing_ok=True)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
            raise

    def read(self, identity_id: str, kind: str) -> bytes:
        """Raises StoreDamaged when it is not there."""
        try:
            return bytes(self._files.cat_file(str(self._root / identity_id / f"{kind}.sealed")))
        except OSError as error:
            raise StoreDamaged(
                f"the stored {kind} of {identity_id} cannot be read: {error.strerror or 'missing'}",
                hint="restore the vault from a backup, or revoke and enroll anew",
            ) from None

    def count(self, identity_id: str) -> int:
        folder = str(self._root / identity_id)
        return len(self._files.find(folder)) if self._files.exists(folder) else 0

    def anybody(self) -> bool:
        """Whether anything is stored at all."""
        return self._root.is_dir() and any(self._root.iterdir())

    def remove(self, identity_id: str) -> None:
        """Remove all that is stored of one identity; nothing happens when nothing is."""
        folder = str(self._root / identity_id)
        if self._files.exists(folder):
            self._files.rm(folder, recursive=True)
            fsync_folder(self._root)

    def remove_all_but(self, identity_ids: Collection[str]) -> None:
        """Remove what belongs to nobody: the trace of a ``put`` that was killed. Its key was never stored."""
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            if folder.name not in identity_ids:
                self.remove(folder.name)
