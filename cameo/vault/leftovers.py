"""What a process that died left half-written in a home: files that had not got their name yet, and copies that had not
taken the vault's place. All of it is ciphertext; the next opening removes it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cameo.status import StatusReader

__all__ = ["apart", "leftovers", "remove_leftovers"]

_COPY: Final = ".copy-"
_STATUS: Final = "status"


@contextmanager
def apart(home: Path) -> Iterator[Path]:
    """A folder in the home for what is to take the vault's place. As long as the block lasts, it is no leftover."""
    with (
        _locked(home, alone=False),
        TemporaryDirectory(dir=home, prefix=_COPY, ignore_cleanup_errors=True) as folder,
    ):
        yield Path(folder)


def leftovers(home: Path) -> list[Path]:
    """What is there now; some of it may belong to a process that is at work."""
    # Only what is written under the lock that whoever removes it holds too.
    files = [path for name in ("keys.tree", "master.key") for path in home.glob(f".{name}.*.tmp")]
    return [*files, *home.glob(f"{_COPY}*"), *(home / _STATUS).glob(".*.tmp")]


def remove_leftovers(home: Path) -> None:
    """Remove what is nobody's. The caller holds the vault's lock.

    Raises:
        OSError: as the file system says.
    """
    for path in leftovers(home):
        if path.parent == home and path.is_file():
            path.unlink()
    with suppress(BlockingIOError), _locked(home, alone=True):
        for path in home.glob(f"{_COPY}*"):
            shutil.rmtree(path)
    if any((home / _STATUS).glob(".*.tmp")):
        StatusReader(home / _STATUS, ()).tidy()


@contextmanager
def _locked(home: Path, *, alone: bool) -> Iterator[None]:
    """Raises BlockingIOError when one who wants to be alone is not."""
    import fcntl  # not everywhere; what else a house does needs none

    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
