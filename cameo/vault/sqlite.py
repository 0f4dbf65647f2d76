"""SQLite, set up so that what is deleted is gone and what is acknowledged is on the disk.

- ``journal_mode=DELETE``: a write-ahead log would keep deleted keys until its next checkpoint, and its copies longer.
- ``secure_delete=ON``: freed bytes inside the file are zeroed; ``compact`` then rewrites a small file without free
  pages.
- ``synchronous=EXTRA``: as FULL, and the folder is synced after the journal is unlinked, so that a power cut right
  after a revocation cannot roll it back.
- ``temp_store=MEMORY``: nothing spills outside the vault.
- Every transaction begins IMMEDIATE: it holds the one write lock, so what is checked in it stays true until its end,
  for other processes too.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from cameo.errors import StoreBusy, StoreDamaged, StoreError
from cameo.vault.folder import no_room, of_the_disk
from enroll.files import fsync_file, fsync_folder

__all__ = ["Sqlite", "overwrite"]

BUSY_SECONDS: Final = 30.0
_SMALL: Final = 8 * 1024 * 1024

_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_OF_THE_DISK: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM)

_PRAGMAS: Final = (
    "journal_mode=DELETE",
    "secure_delete=ON",
    "synchronous=EXTRA",
    "temp_store=MEMORY",
    "foreign_keys=ON",
    "cell_size_check=ON",
)


class Sqlite:
    """One file; see ``database.Keeper``."""

    kind: Final = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        # NullPool: no connection outlives its transaction, so no file stays open over a fork, and a vault whose folder
        # is moved away is noticed at once.
        self.engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", _begin_immediate)

    @property
    def where(self) -> str:
        return str(self._path)

    @property
    def file(self) -> Path:
        return self._path

    def lock(self, session: Session) -> None:
        """Done with BEGIN IMMEDIATE; here the file, which is there by now, becomes its owner's alone."""
        session.connection()
        if self._path.stat().st_mode & 0o077:
            self._path.chmod(0o600)

    def snapshot(self, session: Session) -> None:
        """Readers take the lock too: in this journal mode a reader keeps a writer from its commit anyway."""
        self.lock(session)

    def check(self, session: Session) -> None:
        found = session.execute(text("PRAGMA integrity_check(1)")).scalar_one()
        if found != "ok":
            raise StoreDamaged(f"the database is damaged: {found}")

    def compact(self) -> None:
        """Rewrite a small file from its live rows alone (VACUUM), which also gives its space back. A large one would
        keep everybody waiting: there ``secure_delete`` has zeroed what was deleted, of which nothing was ever found
        again (docs/reliability.md)."""
        if self._path.stat().st_size > _SMALL:
            return
        with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            _configure(connection, None)
            connection.execute("VACUUM")

    def standing(self) -> dict[str, str | bool]:
        return {"there": self._path.exists()}

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._as_ours(error.orig) from None
        except sqlite3.Error as error:
            raise self._as_ours(error) from None
        except UnicodeDecodeError:
            # How the driver fails over its own error message, when that quotes a damaged page.
            raise StoreDamaged(f"the database {self._path} is damaged: it holds what is no text") from None
        except OSError as error:
            raise of_the_disk(error, self._path.parent) from None

    def _as_ours(self, error: BaseException | None) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return no_room(self._path.parent)
        if code in _BUSY:
            return _busy(self._path)
        return StoreDamaged(f"the database {self._path} does not answer: {error}")


def overwrite(path: Path, source: Path) -> None:
    """Put another database in the place of all that is in this one: at once, or nothing of it.

    The file stays the one it is. If another took its name, a process that has the old one open and waits for its lock
    would take the journal of the new one for that of somebody who died, roll it back and remove it. Only what is
    damaged, where nobody can be at work, is replaced.

    Raises:
        StoreBusy: others kept it for over 30 seconds.
        OSError, sqlite3.Error: it cannot be written.
    """
    if path.exists() and _written_over(path, source):
        return
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    fsync_file(source)
    source.replace(path)
    fsync_folder(path.parent)


def _written_over(path: Path, source: Path) -> bool:
    """False: it is damaged."""
    until = time.monotonic() + BUSY_SECONDS

    def give_up(status: int, _remaining: int, _pages: int) -> None:
        if status in _BUSY and time.monotonic() > until:
            raise _busy(path)

    try:
        with (
            closing(sqlite3.connect(source)) as new,
            closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as old,
        ):
            _configure(old, None)
            new.backup(old, progress=give_up, sleep=0.02)
    except sqlite3.DatabaseError as error:
        code = error.sqlite_errorcode & 0xFF
        if code in _BUSY:
            raise _busy(path) from None
        if code in _OF_THE_DISK:
            raise
        return False
    except UnicodeDecodeError:  # a damaged page, quoted in the driver's own message
        return False
    return True


def _busy(path: Path) -> StoreBusy:
    return StoreBusy(f"another process is using the vault in {path.parent}", hint="try again when it is done")


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    # SQLAlchemy starts the transactions (below); the driver must not start its own, deferred ones.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
