"""A folder of ciphertexts on this machine's disk, or on one that is mounted here."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from cameo.errors import StoreDamaged, StoreError, StoreFull
from enroll.files import fsync_folder

__all__ = ["Folder", "no_room", "of_the_disk"]


class Folder:
    """See ``blobs.Shelf``. A name is one word, or two with a slash between."""

    shared = False

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def where(self) -> str:
        return str(self._root)

    def write(self, name: str, content: bytes) -> None:
        """Under a temporary name, synced, then renamed, then the folders synced. The temporary name is at the top,
        where it is nobody's: what a killed process leaves of it goes with all that belongs to nobody."""
        target = self._root / name
        temporary = self._root / f".{secrets.token_hex(8)}.tmp"
        try:
            self._root.mkdir(mode=0o700, exist_ok=True)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            fsync_folder(target.parent)
            fsync_folder(self._root)
        except BaseException as error:
            with suppress(OSError):  # what went wrong is told, not what then went wrong in tidying up
                temporary.unlink(missing_ok=True)
            with suppress(OSError):  # unless others' lie in it
                target.parent.rmdir()
            if isinstance(error, OSError):
                raise of_the_disk(error, self._root.parent) from None
            raise

    def read(self, name: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise StoreDamaged(
                f"the stored {self._root / name} cannot be read: {error.strerror or 'missing'}",
                hint="restore the vault from a backup, or revoke and enroll anew",
            ) from None

    def names(self) -> list[str]:
        return [path.name for path in self._root.iterdir()] if self._root.is_dir() else []

    def names_in(self, folder: str) -> list[str]:
        inside = self._root / folder
        return [path.name for path in inside.iterdir()] if inside.is_dir() else []

    def remove(self, folder: str) -> None:
        path = self._root / folder
        try:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
            else:
                return
            fsync_folder(self._root)
        except OSError as error:
            raise of_the_disk(error, self._root.parent) from None

    def standing(self) -> dict[str, str | bool]:
        return {"there": self._root.is_dir()}


def of_the_disk(error: OSError, folder: Path) -> StoreError:
    """What an error of the file system means for a vault."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return no_room(folder)
    return StoreDamaged(f"the vault in {folder} cannot be used: {error.strerror}")


def no_room(folder: Path) -> StoreFull:
    return StoreFull(f"no room to store in {folder}", hint="free some space and try again")
