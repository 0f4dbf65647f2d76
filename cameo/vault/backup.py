"""Copies of a vault, and putting one back without bringing anybody back who left.

A copy is a folder with an SQLite file and the ciphertexts, whatever the vault itself is kept in: so one from SQLite can
be put back on PostgreSQL, and the other way round. It holds the database as it was at one moment; neither the master
key nor the key tree, without which it opens nothing. The tree of today does not open whoever left since the copy was
made (``keytree``); they are buried once more before anybody is served. A vault also keeps its own last status list
(``status/``), written before a revocation is acknowledged: when the database is older than that, whoever is suspended
in it stays so.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cameo.errors import InputRefused, StoreFull
from cameo.status import StatusList
from cameo.vault.blobs import Blobs
from cameo.vault.database import FILE, Database, open_database
from cameo.vault.keytree import KeyTree
from cameo.vault.leftovers import apart
from cameo.vault.migrations import bring_up
from cameo.vault.places import Places
from cameo.vault.rows import copy_rows
from cameo.vault.schema import IdentityRow, Meta, Tombstone
from cameo.vault.sqlite import overwrite
from enroll.files import fsync_folder

__all__ = ["behind", "copy_out", "people_in", "putting_back", "reconcile"]

_BLOBS = "blobs"


def copy_out(database: Database, blobs: Blobs, folder: Path) -> None:
    """Copy a vault to a folder that does not exist yet. It is made under a hidden name beside, and gets its own when it
    is whole and on the disk.

    The ciphertexts, which never change, are copied while others are at work; then, under the lock, the tables, and what
    came or went meanwhile.

    Raises:
        InputRefused: the folder exists, or cannot be made.
        StoreFull: there is no room. Nothing is left behind.
    """
    unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.tmp")
    try:
        if folder.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        unfinished.mkdir(mode=0o700)
    except OSError as error:
        raise InputRefused(f"the folder {folder} cannot be made: {error.strerror}", hint="name a new one") from None
    try:
        blobs.copy_to(unfinished / _BLOBS)
        with database.transaction() as session:
            if database.file is not None:
                _copy_file(database.file, unfinished / FILE)
            else:
                _copy_tables(session, unfinished)
            blobs.copy_to(unfinished / _BLOBS, set(session.scalars(select(IdentityRow.identity_id))))
        fsync_folder(unfinished)
        unfinished.rename(folder)
        fsync_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise _not_finished(folder, error) from None
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


@contextmanager
def putting_back(folder: Path, places: Places) -> Iterator[tuple[Database, Callable[[Session], None] | None]]:
    """Put a copy in the place of a vault's tables and ciphertexts. Master key, key tree and status lists stay.

    Around the transaction that opens the vault, in the database this yields: nobody else ever sees the copy before it
    is held to the key tree and the status list. On a server that is the database itself, and the rows change in that
    transaction, by what is yielded beside it. A file is made ready apart and written over the other at the end; when
    it does not open, everything is as it was. Ciphertexts come before and go after, so that nobody is ever without.

    Raises:
        InputRefused: the folder holds no copy of a vault.
        StoreFull: there is no room.
        StoreDamaged: the copy is of a later Cameo.
    """
    there = people_in(folder)
    try:
        with apart(places.home) as scratch:
            places.blobs.copy_from(folder / _BLOBS)
            new = scratch / FILE
            shutil.copyfile(folder / FILE, new)
            new.chmod(0o600)
            copy = open_database(None, scratch)
            if places.database.file is not None:
                yield copy, None
                overwrite(places.database.file, new)
            else:
                with copy.transaction() as session:
                    bring_up(session)
                with copy.reading() as source:
                    yield places.database, lambda target: copy_rows(source, target)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreFull(f"the copy could not be put back: {reason}", hint="free some space, try again") from None
    places.blobs.remove_all_but(there, places.blobs.owners())


def _copy_file(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
        target.chmod(0o600)
    except (OSError, sqlite3.Error) as error:
        raise _not_finished(target.parent, error) from None


def _not_finished(folder: Path, error: Exception) -> StoreFull:
    return StoreFull(f"the copy to {folder} could not be finished: {error}", hint="free some space and try again")


def _copy_tables(session: Session, folder: Path) -> None:
    with open_database(None, folder).transaction() as written:
        bring_up(written)
        copy_rows(session, written)


def people_in(folder: Path) -> set[str]:
    """The identity ids in a copy.

    Raises:
        InputRefused: the folder holds no copy of a vault.
    """
    path = folder / FILE
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            return {identity_id for (identity_id,) in copy.execute("SELECT identity_id FROM identities")}
    except (sqlite3.Error, ValueError):
        raise InputRefused(f"{folder} holds no copy of a vault", hint="name what cameo backup wrote") from None


def behind(session: Session, held: StatusList | None, tree: KeyTree) -> bool:
    """Whether a database does not know what happened since it was copied, or the tree not what the database knows:
    somebody may have left at another machine, or while this home had an older tree.

    Args:
        held: the last status list that went out under its name, if there was one.
        tree: of today.
    """
    later = held is not None and held.epoch > session.get_one(Meta, 1).epoch
    return later or tree.forgotten() != (session.scalar(select(func.count()).select_from(Tombstone)) or 0)


def reconcile(
    session: Session, held: StatusList | None, tree: KeyTree, *, bury: Callable[[IdentityRow], object], at: int
) -> tuple[str, ...]:
    """Bring both to what the other knows; see ``behind``.

    Args:
        bury: destroys somebody's key.
        at: now, seconds since 1970.

    Returns:
        The identity ids of those who had left and were here again.
    """
    if not behind(session, held, tree):
        return ()
    tree.forget(session.scalars(select(Tombstone.status_index)))
    meta, gone = session.get_one(Meta, 1), []
    later = held if held is not None and held.epoch > meta.epoch else None
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
