"""Ciphertexts beside the database, one folder for each identity. Nothing plain ever passes through here."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cameo.errors import StoreDamaged, StoreUnreachable, UsageError
from cameo.vault.bucket import Bucket
from cameo.vault.folder import Folder

__all__ = ["Blobs", "Shelf", "open_blobs"]

_LIST = "status.json"


class Shelf(Protocol):
    """Where ciphertexts lie. A NAME IS ONE WORD, OR A FOLDER AND A WORD; WHAT ``write`` RETURNED FROM IS THERE WHOLE,
    AND WHAT ``remove`` RETURNED FROM IS GONE. Every error is one of ours."""

    @property
    def shared(self) -> bool:
        """Whether several machines may be at it, each with a home of its own."""
        ...

    @property
    def where(self) -> str:
        """For people to read; no secret in it."""
        ...

    def write(self, name: str, content: bytes) -> None: ...

    def read(self, name: str) -> bytes:
        """Raises StoreDamaged when it is not there."""
        ...

    def names(self) -> list[str]:
        """Folders and files at the top."""
        ...

    def names_in(self, folder: str) -> list[str]: ...

    def remove(self, folder: str) -> None:
        """A folder and all in it; nothing happens when there is none."""
        ...

    def standing(self) -> dict[str, str | bool]:
        """What ``cameo doctor`` tells of it."""
        ...


class Blobs:
    """``<identity id>/<kind>.sealed``. Ids are UUIDs, checked before they get here; a kind is a word of ours.

    Raises (from every method):
        StoreFull: no room. Nothing is left behind.
        StoreUnreachable: the object storage does not answer, or does not let this machine in.
        StoreDamaged: the disk fails.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def __repr__(self) -> str:
        return f"Blobs({self.where!r})"

    @property
    def shared(self) -> bool:
        """Whether they lie apart from the home, where other machines are at them too."""
        return self._shelf.shared

    @property
    def where(self) -> str:
        """The folder, or the URL without what is secret in it."""
        return self._shelf.where

    def write(self, identity_id: str, kind: str, sealed: bytes) -> None:
        """Store a ciphertext: whole, or not at all."""
        self._shelf.write(f"{identity_id}/{kind}.sealed", sealed)

    def read(self, identity_id: str, kind: str) -> bytes:
        """Raises StoreDamaged when it is not there."""
        return self._shelf.read(f"{identity_id}/{kind}.sealed")

    def has(self, identity_id: str, kind: str) -> bool:
        """Whether there is one of this kind."""
        return kind in self.kinds(identity_id)

    def kinds(self, identity_id: str) -> tuple[str, ...]:
        """What lies there of one identity."""
        names = self._shelf.names_in(identity_id)
        return tuple(name.removesuffix(".sealed") for name in names if name.endswith(".sealed"))

    def count(self, identity_id: str) -> int:
        """How many lie there of one identity; 0 when that cannot be asked now, for leaving waits for no other
        machine."""
        try:
            return len(self._shelf.names_in(identity_id))
        except StoreUnreachable:
            return 0

    def anybody(self) -> bool:
        """Whether anything is stored of anybody."""
        return any(name != _LIST for name in self._shelf.names())

    def owners(self) -> set[str]:
        """The identity ids of whom something is stored."""
        return {name for name in self._shelf.names() if name != _LIST}

    def remove(self, identity_id: str) -> None:
        """Remove all that is stored of one identity; nothing happens when nothing is."""
        self._shelf.remove(identity_id)

    def remove_all_but(self, identity_ids: Collection[str], lying: Collection[str]) -> None:
        """Remove what belongs to nobody: the trace of a ``put`` that was killed. Its key was never stored.

        Args:
            lying: ``owners`` of a moment ago.
        """
        for identity_id in set(lying).difference(identity_ids):
            self.remove(identity_id)

    def keep_list(self, status_list: str) -> None:
        """Beside the ciphertexts too, where they are shared: homes on other machines must find the newest list."""
        if self.shared:
            self._shelf.write(_LIST, status_list.encode())

    def kept_list(self) -> bytes | None:
        """What ``keep_list`` kept last; None where nothing was."""
        if self.shared:
            with suppress(StoreDamaged):
                return self._shelf.read(_LIST)
        return None

    def copy_to(self, folder: Path, identity_ids: Collection[str] | None = None) -> None:
        """Copy to a folder of this machine whoever is not there yet: an identity's ciphertext never changes, and a LoRA
        that is learned meanwhile comes with the next copy.

        Args:
            identity_ids: whose; nobody else's stay there. None for everybody's.
        """
        target = open_blobs(None, folder)
        lying = target.owners()
        for identity_id in (self.owners() if identity_ids is None else set(identity_ids)) - lying:
            self._copy(identity_id, target)
        if identity_ids is not None:
            target.remove_all_but(identity_ids, lying)

    def copy_from(self, folder: Path) -> None:
        """Copy all that lies in a folder of this machine, over what is here."""
        source = open_blobs(None, folder)
        for identity_id in source.owners():
            source._copy(identity_id, self)

    def _copy(self, identity_id: str, target: Blobs) -> None:
        for name in self._shelf.names_in(identity_id):
            target._shelf.write(f"{identity_id}/{name}", self._shelf.read(f"{identity_id}/{name}"))

    def standing(self) -> dict[str, str | bool]:
        """What can be told of them without opening the vault."""
        return self._shelf.standing()


def open_blobs(url: str | None, folder: Path) -> Blobs:
    """
    Args:
        url: of ``fsspec``, as ``s3://bucket/prefix``; None for the folder.

    Raises:
        UsageError: it is none.
    """
    if url is None:
        return Blobs(Folder(folder))
    scheme, separator, rest = url.partition("://")
    if not separator or not rest.strip("/") or not scheme.isalnum():
        raise UsageError(
            "CAMEO_BLOBS is no URL of object storage",
            hint="write s3://bucket/cameo; leave it unset for files in the vault's folder",
        )
    return Blobs(Folder(Path(rest)) if scheme in ("file", "local") else Bucket(url))
