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

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from cameo.errors import StoreBusy, StoreDamaged, StoreFull
from cameo.vault.schema import Base

__all__ = ["Database"]

BUSY_SECONDS: Final = 30.0
_SMALL: Final = 8 * 1024 * 1024

_PRAGMAS: Final = (
    "journal_mode=DELETE",
    "secure_delete=ON",
    "synchronous=EXTRA",
    "temp_store=MEMORY",
    "foreign_keys=ON",
    "cell_size_check=ON",
)


class Database:
    """The tables of ``schema`` in one file.

    Raises (from every method):
        StoreFull: no room on the disk; nothing was changed.
        StoreBusy: another process kept the vault for over 30 seconds.
        StoreDamaged: the file is no database, or not a whole one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # NullPool: no connection outlives its transaction, so no file stays open over a fork, and a vault whose folder
        # is moved away is noticed at once.
        self._engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin_immediate)

    def create_tables(self) -> None:
        """Make what is missing. Several processes may do so at once."""
        with self.transaction() as session:
            Base.metadata.create_all(session.connection())
        self._path.chmod(0o600)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Everything in the block, or nothing of it. Nobody else writes meanwhile."""
        with _translated(self._path), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def compact(self) -> None:
        """Rewrite a small file from its live rows alone (VACUUM), which also gives its space back. A large one would
        keep everybody waiting: there ``secure_delete`` has zeroed what was deleted, of which nothing was ever found
        again (docs/reliability.md)."""
        if self._path.stat().st_size > _SMALL:
            return
        with _translated(self._path):
            connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                _configure(connection, None)
                connection.execute("VACUUM")
            finally:
                connection.close()


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    # SQLAlchemy starts the transactions (below); the driver must not start its own, deferred ones.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _as_ours(error.orig, path) from None
    except sqlite3.Error as error:
        raise _as_ours(error, path) from None
    except UnicodeDecodeError:
        # How the driver fails over its own error message, when that quotes a damaged page.
        raise StoreDamaged(f"the database {path} is damaged: it holds what is no text") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreFull(f"no room to store in {path.parent}", hint="free some space and try again") from None
        raise StoreDamaged(f"the vault in {path.parent} cannot be used: {error.strerror}") from None


def _as_ours(error: BaseException | None, path: Path) -> StoreFull | StoreBusy | StoreDamaged:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"no room to store in {path.parent}", hint="free some space and try again")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"another process is using the vault in {path.parent}", hint="try again when it is done")
    return StoreDamaged(f"the database {path} does not answer: {error}")
