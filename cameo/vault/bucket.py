"""Ciphertexts on object storage: any file system ``fsspec`` has, S3 above all.

One object is put with one request and is there whole or not at all; a list and a read after it see it. What is removed
is gone where the bucket keeps no versions: with versions on, a removed object stays under its old version until a
lifecycle rule takes it. It is ciphertext, and its key is destroyed first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cameo.errors import StoreDamaged, StoreError, StoreUnreachable, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Bucket"]

_S3: Final = ("s3", "s3a")
_OPTIONS: Final[dict[str, Any]] = {
    "config_kwargs": {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2, "mode": "standard"}}
}
"""Others wait for the vault while an object is on its way."""


class Bucket:
    """See ``blobs.Shelf``.

    Args:
        url: ``s3://bucket/prefix``. Credentials, region and endpoint come from where they always come from: the
            environment (``AWS_…``), the shared configuration, the machine's role.
    """

    shared = True

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._opened: tuple[int, AbstractFileSystem, str] | None = None

    def write(self, name: str, content: bytes) -> None:
        with self._translated() as (files, root):
            files.pipe_file(f"{root}/{name}", content)

    def read(self, name: str) -> bytes:
        with self._translated() as (files, root):
            try:
                return bytes(files.cat_file(f"{root}/{name}"))
            except FileNotFoundError as error:
                _require_bucket(error)
                raise StoreDamaged(
                    f"{self.where}/{name} is missing",
                    hint="restore the vault from a backup, or revoke and enroll anew",
                ) from None

    def names(self) -> list[str]:
        return self._names("")

    def names_in(self, folder: str) -> list[str]:
        return self._names(f"/{folder}")

    def remove(self, folder: str) -> None:
        with self._translated() as (files, root), suppress(FileNotFoundError):
            files.rm(f"{root}/{folder}", recursive=True)

    def standing(self) -> dict[str, str | bool]:
        with self._translated() as (files, root):
            files.ls(_bucket(root), detail=False)
            versioned = getattr(files, "is_bucket_versioned", None)
            return {"versions": bool(versioned(_bucket(root)))} if versioned is not None else {}

    def _names(self, folder: str) -> list[str]:
        with self._translated() as (files, root):
            try:
                return [path.rstrip("/").rpartition("/")[2] for path in files.ls(f"{root}{folder}", detail=False)]
            except FileNotFoundError as error:
                _require_bucket(error)
                return []

    @contextmanager
    def _translated(self) -> Iterator[tuple[AbstractFileSystem, str]]:
        try:
            yield self._files()
        except StoreError:
            raise
        except ImportError:
            raise UsageError(
                f"the driver for {self.where} is not installed", hint="pip install 'cameo-kit[s3]'"
            ) from None
        except Exception as error:
            # Whatever a file system of fsspec, and the libraries under it, raise.
            raise self._as_ours(error) from None

    def _files(self) -> tuple[AbstractFileSystem, str]:
        """The file system of this process: one that came over a fork has a thread that did not."""
        if self._opened is None or self._opened[0] != os.getpid():
            from fsspec.core import url_to_fs

            options = _OPTIONS if self._url.partition(":")[0] in _S3 else {}
            # Others write there: a list that is remembered is wrong.
            files, root = url_to_fs(self._url, use_listings_cache=False, skip_instance_cache=True, **options)
            self._opened = (os.getpid(), files, root.rstrip("/"))
        return self._opened[1:]

    def _as_ours(self, error: Exception) -> StoreUnreachable:
        """By kind: messages may quote keys and signed addresses."""
        name = type(error).__name__
        if isinstance(error, FileNotFoundError):
            return StoreUnreachable(f"there is no {self.where}", hint="make the bucket, or name another")
        if isinstance(error, PermissionError) or "Credential" in name:
            return StoreUnreachable(
                f"{self.where} does not let this machine in", hint="credentials come from AWS_PROFILE, AWS_… or a role"
            )
        return StoreUnreachable(
            f"{self.where} does not answer ({name})", hint="see that it is up and can be reached from here"
        )


def _bucket(root: str) -> str:
    return root.partition("/")[0]


def _require_bucket(error: FileNotFoundError) -> None:
    """An object that is not there is one thing; a bucket that is not there another."""
    answer = getattr(error.__cause__, "response", None) or {}
    if answer.get("Error", {}).get("Code") == "NoSuchBucket":
        raise error
