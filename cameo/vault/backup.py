"""Copies of a vault, and putting one back without bringing anybody back who left.

A copy holds the database as it was at one moment and the ciphertexts; neither the master key nor the key tree, without
which it opens nothing. The tree of today does not open whoever left since the copy was made (``keytree``); they are
buried once more before anybody is served. A vault also keeps its own last status list (``status/``), written before a
revocation is acknowledged: when the database is older than that, whoever is suspended in it stays so.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cameo.errors import InputRefused, StoreFull
from cameo.status import StatusList
from cameo.vault.keytree import KeyTree
from cameo.vault.schema import IdentityRow, Meta, Tombstone

__all__ = ["copy_out", "people_in", "put_back", "reconcile"]

_DATABASE, _BLOBS = "vault.sqlite3", "blobs"


def copy_out(home: Path, folder: Path) -> None:
    """Copy a vault to a folder that does not exist yet; the caller holds its lock.

    Raises:
        InputRefused: the folder exists, or cannot be made.
        StoreFull: there is no room. Nothing is left behind.
    """
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise InputRefused(f"the folder {folder} cannot be made: {error.strerror}", hint="name a new one") from None
    try:
        with (
            closing(sqlite3.connect(f"file:{home / _DATABASE}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(folder / _DATABASE)) as target,
        ):
            source.backup(target)
        (folder / _DATABASE).chmod(0o600)
        if (home / _BLOBS).is_dir():
            shutil.copytree(home / _BLOBS, folder / _BLOBS)
    except (OSError, sqlite3.Error) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StoreFull(f"the copy to {folder} could not be finished: {error}", hint="free some space") from None


def put_back(folder: Path, home: Path) -> None:
    """Put a copy in the place of a home's database and ciphertexts. Master key, key tree and status lists stay.

    Raises:
        InputRefused: the folder holds no copy of a vault.
    """
    people_in(folder)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh, old = home / f".{_BLOBS}.new", home / f".{_BLOBS}.old"
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        if (folder / _BLOBS).is_dir():
            shutil.copytree(folder / _BLOBS, fresh)
        shutil.copyfile(folder / _DATABASE, home / f".{_DATABASE}.new")
        # A journal belongs to the database that is about to go.
        (home / f"{_DATABASE}-journal").unlink(missing_ok=True)
        (home / f".{_DATABASE}.new").replace(home / _DATABASE)
        (home / _DATABASE).chmod(0o600)
        if (home / _BLOBS).exists():
            (home / _BLOBS).rename(old)
        if fresh.exists():
            fresh.rename(home / _BLOBS)
    except OSError as error:
        raise StoreFull(
            f"the copy could not be put back: {error.strerror}", hint="free some space, try again"
        ) from None
    finally:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        with suppress(OSError):
            (home / f".{_DATABASE}.new").unlink(missing_ok=True)


def people_in(folder: Path) -> set[str]:
    """The identity ids in a copy.

    Raises:
        InputRefused: the folder holds no copy of a vault.
    """
    path = folder / _DATABASE
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            return {identity_id for (identity_id,) in copy.execute("SELECT identity_id FROM identities")}
    except (sqlite3.Error, ValueError):
        raise InputRefused(f"{folder} holds no copy of a vault", hint="name what cameo backup wrote") from None


def reconcile(
    session: Session, held: StatusList | None, tree: KeyTree, *, bury: Callable[[IdentityRow], object], at: int
) -> tuple[str, ...]:
    """Hold a database to what happened after it was copied, and the key tree to what the database knows: somebody may
    have left at another machine, or while this home had an older tree.

    Args:
        held: the last status list that went out under its name, if there was one.
        tree: of today.
        bury: destroys somebody's key.
        at: now, seconds since 1970.

    Returns:
        The identity ids of those who had left and were here again.
    """
    meta = session.get_one(Meta, 1)
    later = held if held is not None and held.epoch > meta.epoch else None
    graves = session.scalar(select(func.count()).select_from(Tombstone)) or 0
    if tree.forgotten() != graves:
        tree.forget(session.scalars(select(Tombstone.status_index)))
    if later is None and tree.forgotten() == graves:
        return ()
    gone = []
    for row in session.scalars(select(IdentityRow)).all():
        standing = later.standing(row.status_index) if later and row.status_index < later.size else "valid"
        if standing == "revoked" or not tree.knows(row.status_index):
            bury(row)
            gone.append(row.identity_id)
        elif standing == "suspended" and row.suspended is None:
            row.suspended = at
    if later is not None:
        # The next list differs from this one, or it does not: either way it must not be taken for an older.
        meta.epoch, meta.published = later.epoch, b""
    return tuple(gone)
