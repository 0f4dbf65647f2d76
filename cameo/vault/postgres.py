"""PostgreSQL, for several machines at one vault, with what SQLite promises.

- Every writing transaction first takes one advisory lock of the database, for as long as it lasts: what is checked in
  it stays true until its end, on whichever machine. Under SERIALIZABLE the same acts would fail now and then and have
  to be done again, and an act here also writes files; a lock waits instead. The ledger is one line after another, so
  nothing would run at once anyway.
- READ COMMITTED in writers: a statement after the lock sees all that was committed before it was given. A snapshot
  taken at the beginning would not.
- Readers take no lock: a READ ONLY transaction at REPEATABLE READ sees one moment, and nothing acknowledged before it
  began is missing from that.
- ``synchronous_commit`` is at least ``on``: acknowledged is on the server's disk (and on that of its synchronous
  standby, if it has one).
- A client that died lets go of the lock with its connection; one that fell silent amid a transaction after two minutes.
- Connections are kept, asked before each use whether they still stand, and never shared over a fork.
- Deleted rows stay in pages, in the write-ahead log and in what is copied from it: docs/threat-model.md.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Final

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cameo.errors import StoreBusy, StoreDamaged, StoreError, StoreFull, StoreUnreachable, UsageError

__all__ = ["Postgres"]

BUSY_SECONDS: Final = 30.0
_SILENT_SECONDS: Final = 120
_CONNECT_SECONDS: Final = 10

_LOCK_KEY: Final = int.from_bytes(sha256(b"cameo vault").digest()[:8], signed=True)

_SETTINGS: Final = text(
    "SELECT set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),"
    " set_config('lock_timeout', :busy, true),"
    " set_config('idle_in_transaction_session_timeout', :silent, true)"
)
_LOCK: Final = text("SELECT pg_advisory_xact_lock(:key)")

_TABLES: Final = (
    "identities",
    "consents",
    "grants",
    "rules",
    "origins",
    "scenes",
    "fingerprints",
    "ledger",
    "sketches",
    "tombstones",
    "meta",
)
"""Those from which something is deleted, or overwritten."""

_BUSY: Final = frozenset({"55P03", "40001", "40P01", "53300"})
"""Lock not available, serialization failure, deadlock, too many connections."""
_FULL: Final = frozenset({"53100"})
_AWAY: Final = re.compile(r"08...|57P0[1-5]|25P03")
"""Connection exceptions; shut down, crashed, starting up, dropped; silent for too long."""
_SHUT: Final = frozenset({"28000", "28P01", "3D000", "42501", "25006"})
"""Authorization, password, no such database, no right, read-only."""
_PLAIN: Final = re.compile(r"[\w.,:\[\]/ -]+")

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Postgres:
    """One database on a server; see ``database.Keeper``. One vault has one database.

    Args:
        url: ``postgresql://…``, with everything libpq takes after the question mark (``sslmode=verify-full``). A
            password may be left to ``PGPASSWORD``, ``~/.pgpass`` or a service file.
    """

    kind: Final = "postgresql"
    file: Final = None

    def __init__(self, url: URL) -> None:
        self.where = _shown(url)
        given = {
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "cameo",
            # What a failing connection is noticed by, also by the server, which then lets go of the lock.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }
        try:
            self.engine = create_engine(
                url.set(drivername="postgresql+psycopg"),
                isolation_level="READ COMMITTED",
                pool_pre_ping=True,
                connect_args={name: value for name, value in given.items() if name not in url.query}
                # A pooler between us and the server hands a connection to many.
                | {"client_encoding": "utf8", "prepare_threshold": None},
            )
        except ModuleNotFoundError:
            raise UsageError(
                "the driver for PostgreSQL is not installed", hint="pip install 'cameo-kit[postgres]'"
            ) from None
        _engines.add(self.engine)
        weakref.finalize(self, self.engine.dispose)

    def lock(self, session: Session) -> None:
        self._settle(session)
        session.execute(_LOCK, {"key": _LOCK_KEY})

    def snapshot(self, session: Session) -> None:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})

    def check(self, session: Session) -> None:
        """Read every value of every row: a page whose checksum is wrong does not come through, if the server keeps
        checksums."""
        for table in _TABLES:
            session.execute(text(f"SELECT count(hashtext(t::text)) FROM {table} AS t"))  # noqa: S608

    def compact(self) -> None:
        """VACUUM: the room of deleted rows is free for others to overwrite. Whatever else is being vacuumed is passed
        over."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text(f"VACUUM (SKIP_LOCKED) {', '.join(_TABLES)}"))

    def standing(self) -> dict[str, str | bool]:
        with self.translated(), self.engine.connect() as connection:
            names = ("server_version", "fsync", "full_page_writes", "data_checksums")
            found = connection.execute(text(f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}"))
            settings = dict(zip(names, found.one(), strict=True))
        durable = settings["fsync"] == settings["full_page_writes"] == "on"
        return {"version": settings["server_version"], "durable": durable, "checksums": settings["data_checksums"]}

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._as_ours(error.orig, lost=error.connection_invalidated) from None

    def _settle(self, session: Session) -> None:
        busy = str(int(BUSY_SECONDS * 1000))
        session.execute(_SETTINGS, {"busy": busy, "silent": f"{_SILENT_SECONDS}s"})

    def _as_ours(self, error: BaseException | None, *, lost: bool) -> StoreError:
        """A message of the server is quoted as far as it holds no value of a row: its first line alone."""
        code = getattr(error, "sqlstate", None) or ""
        said = getattr(getattr(error, "diag", None), "message_primary", None)
        if code in _FULL:
            return StoreFull(f"no room to store in {self.where}", hint="free some space there and try again")
        refusal = said if code in _SHUT else "" if code or lost else _refusal(error)
        if refusal and "connection slots" not in refusal and "too many" not in refusal:
            hint = "docs/studio.md says who needs which rights"
            return StoreUnreachable(f"the database {self.where} refuses: {refusal}", hint=hint)
        if refusal or code in _BUSY:
            return StoreBusy(f"others keep the database {self.where} busy", hint="try again when they are done")
        if lost or _AWAY.fullmatch(code) or (not code and type(error).__name__ == "OperationalError"):
            return StoreUnreachable(
                f"the database {self.where} does not answer", hint="see that the server is up and can be reached"
            )
        return StoreDamaged(f"the database {self.where} fails: {said or type(error).__name__} {code}".rstrip())


def _shown(url: URL) -> str:
    """Where it is, without a password, wherever in the URL one stands."""
    asked = url.query.get("host", "")
    host = url.host or (asked if isinstance(asked, str) else ",".join(asked))
    place = f"{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"
    return f"postgresql://{place}" if _PLAIN.fullmatch(place) else "postgresql://…"


def _refusal(error: BaseException | None) -> str:
    """Why a connection was refused by a server that is there. libpq gives no code for that, only the server's words."""
    found = re.search(r"FATAL:\s+(.+)", str(error))
    if found is None or "starting up" in found[1] or "shutting down" in found[1]:
        return ""
    return found[1].strip()


def _leave_the_parents_connections() -> None:
    for engine in list(_engines):
        with suppress(Exception):
            engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_the_parents_connections)
