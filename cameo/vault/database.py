"""The tables of a vault: one SQLite file in its home, or a database on a PostgreSQL server.

What both promise, each in its own way (``sqlite``, ``postgres``): everything in a ``transaction`` happens or nothing of
it; what is checked in it stays true until its end, whoever else is at work on whichever machine; when it has ended it
is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from cameo.errors import UsageError
from cameo.vault.postgres import Postgres
from cameo.vault.sqlite import Sqlite

__all__ = ["FILE", "Database", "Keeper", "open_database"]

FILE: Final = "vault.sqlite3"


class Keeper(Protocol):
    """One kind of database. EVERY ERROR IT LETS OUT OF ``translated`` IS ONE OF OURS, AND NAMES NO PASSWORD."""

    @property
    def kind(self) -> str: ...

    @property
    def where(self) -> str:
        """For people to read."""
        ...

    @property
    def file(self) -> Path | None:
        """What all of it is in; None on a server."""
        ...

    @property
    def engine(self) -> Engine: ...

    def lock(self, session: Session) -> None:
        """Wait until nobody else writes; hold that until the transaction ends."""
        ...

    def snapshot(self, session: Session) -> None:
        """Only read, all of it as of one moment."""
        ...

    def check(self, session: Session) -> None:
        """Raises StoreDamaged when a page is."""
        ...

    def compact(self) -> None:
        """After a deletion, give back the room of what was deleted."""
        ...

    def standing(self) -> dict[str, str | bool]:
        """What ``cameo doctor`` tells of it."""
        ...

    def translated(self) -> AbstractContextManager[None]: ...


class Database:
    """The tables of ``schema``. Making one connects to nothing yet.

    Raises (from every method):
        StoreFull: no room; nothing was changed.
        StoreBusy: others kept the vault for over 30 seconds.
        StoreUnreachable: the server does not answer, or does not let this machine in.
        StoreDamaged: the file is no database, or not a whole one.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def __repr__(self) -> str:
        return f"Database({self.where!r})"

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._keeper.kind

    @property
    def where(self) -> str:
        """The file, or the server and the name there; never a password."""
        return self._keeper.where

    @property
    def file(self) -> Path | None:
        """What all of it is in; None on a server."""
        return self._keeper.file

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Everything in the block, or nothing of it. Nobody else writes meanwhile."""
        with self._session() as session:
            self._keeper.lock(session)
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """The vault as of one moment, in which all is that was acknowledged before. Writes nothing; on PostgreSQL it
        waits for nobody."""
        with self._session() as session:
            self._keeper.snapshot(session)
            yield session

    def check(self, session: Session) -> None:
        """Read every page there is. Raises StoreDamaged when one is."""
        self._keeper.check(session)

    def compact(self) -> None:
        """After a deletion: see ``sqlite`` and ``postgres``."""
        with self._keeper.translated():
            self._keeper.compact()

    def standing(self) -> dict[str, str | bool]:
        """What can be told of it without opening the vault."""
        return self._keeper.standing()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with (
            self._keeper.translated(),
            Session(self._keeper.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session


def open_database(url: str | None, home: Path) -> Database:
    """
    Args:
        url: ``postgresql://user@host/name``; None for SQLite in the home.

    Raises:
        UsageError: it is none, or its driver is not installed.
    """
    if url is None:
        return Database(Sqlite(home / FILE))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not quoted: there may be a password in it.
        raise _no_url() from None
    if parsed.get_backend_name() not in ("postgresql", "postgres") or not parsed.database:
        raise _no_url()
    return Database(Postgres(parsed))


def _no_url() -> UsageError:
    return UsageError(
        "CAMEO_DATABASE is no URL of a PostgreSQL database",
        hint="write postgresql://cameo@db.example/cameo; leave it unset for SQLite in the vault's folder",
    )
