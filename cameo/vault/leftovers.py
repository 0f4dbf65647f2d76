"""What a process that died left half-written in a home: files that had not got their name yet, and copies that had not
taken the vault's place. All of it is ciphertext; the next opening removes it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cameo.status import StatusReader

__all__ = ["apart", "leftovers", "remove_leftovers", "undisturbed"]

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
    with undisturbed(home) as free:
        for path in home.glob(f"{_COPY}*") if free else ():
            shutil.rmtree(path)
    if any((home / _STATUS).glob(".*.tmp")):
        StatusReader(home / _STATUS, ()).tidy()


@contextmanager
def undisturbed(home: Path) -> Iterator[bool]:
    """Whether nothing is ``apart`` now. Then, as long as the block lasts, nothing will be: what lies in the home and is
    nobody's is not about to be somebody's."""
    with ExitStack() as stack:
        try:
            stack.enter_context(_locked(home, alone=True))
        except BlockingIOError:
            yield False
        else:
            yield True


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
