"""Identities at rest: who is here, who may use them, and how they leave.

home/
  vault.sqlite3         tables (see schema), everything personal in them sealed; or on a PostgreSQL server
  blobs/<id>/*.sealed   identities, sealed; or on object storage
  master.key            wraps every person's key; absent where the system's keyring holds it
  keys.tree             wraps them too, and forgets those of who left; see keytree
  status/               the last status list of this vault, and of those some of its people come from
  places.json           where the first two are, if they are not here

``Vault`` is one class in parts, each with a purpose of its own: ``arriving``, ``leasing``, ``filming``, ``leaving``,
``showing``, on top of ``core``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.errors import UsageError
from cameo.vault.arriving import Arriving
from cameo.vault.backup import copy_out, putting_back
from cameo.vault.duplicates import Duplicates
from cameo.vault.entries import CastEntry
from cameo.vault.filming import Filming
from cameo.vault.leasing import Leasing
from cameo.vault.leaving import Leaving
from cameo.vault.ledger import Ledger
from cameo.vault.likenesses import Likenesses
from cameo.vault.migrations import bring_up, is_of_today
from cameo.vault.opening import Opened, unlock, upgrade
from cameo.vault.people import People
from cameo.vault.places import Places
from cameo.vault.schema import IdentityRow, Tombstone
from cameo.vault.showing import Showing
from cameo.vault.tuning import Tuning
from enroll.consent import ConsentRecord
from enroll.files import make_folder

__all__ = ["Vault"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Vault(Arriving, Leasing, Filming, Leaving, Showing, Tuning):
    """The identities of one ``$CAMEO_HOME``. Opening it makes it when it is not there, completes what a killed process
    left of a revocation, and destroys those whose retention is over.

    Every method that changes anything is one transaction under the vault's write lock; several processes may use one
    vault, and several machines one on PostgreSQL and object storage.

    Args:
        home: the folder; made with mode 0700 if missing.
        database: ``postgresql://…`` for its tables; None for ``CAMEO_DATABASE``, else SQLite in the home.
        blobs: ``s3://…``, or another URL of fsspec, for its ciphertexts; None for ``CAMEO_BLOBS``, else the home.
        clock: gives the time in UTC.

    Raises (from every method, beside its own):
        StoreDamaged: the database, the master key, or something sealed does not verify.
        StoreFull: no room. The vault is as it was.
        StoreBusy: another process held the vault for over 30 seconds.
        StoreUnreachable: the database server, or the object storage, does not answer or refuses.
    """

    def __init__(
        self,
        home: str | Path,
        *,
        database: str | None = None,
        blobs: str | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._open(home, database, blobs, clock, None)

    @classmethod
    def restore(
        cls,
        folder: str | Path,
        home: str | Path,
        *,
        database: str | None = None,
        blobs: str | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> Vault:
        """Put a copy, as ``backup`` wrote it, in the place of a vault and open it. Whoever left since, as the newest
        status list of the vault knows, is destroyed before anybody is served.

        Args:
            home, database, blobs, clock: as of the vault; the copy may be one of a vault that was kept otherwise.

        Raises:
            InputRefused: the folder holds no copy of a vault.
            StoreDamaged: the home's master key is not that of the copy.
        """
        vault = cls.__new__(cls)
        vault._open(home, database, blobs, clock, Path(folder))
        return vault

    def __repr__(self) -> str:
        return f"Vault({str(self.home)!r})"

    def _open(
        self,
        home: str | Path,
        database: str | None,
        blobs: str | None,
        clock: Callable[[], datetime],
        copy: Path | None,
    ) -> None:
        self.home = Path(home)
        self._clock = clock
        try:
            make_folder(self.home, 0o700)
        except OSError as error:
            raise UsageError(
                f"{self.home} cannot be the vault's folder: {error.strerror}", hint="set CAMEO_HOME to a folder"
            ) from None
        places = Places.of(self.home, database, blobs)
        self._blobs, self._database = places.blobs, places.database
        if copy is not None or not self._opens_as_it_is():
            opening = putting_back(copy, places) if copy is not None else nullcontext((places.database, None))
            with opening as (self._database, put_rows):
                gone = self._bring_up(put_rows)
            self._database = places.database
            for identity_id in gone:
                self._purge(identity_id)
        places.remember()
        self._sweep()

    def _opens_as_it_is(self) -> bool:
        """Whether there is nothing to be done to it; then it is open. Waits for nobody where readers need not."""
        with self._database.reading() as session:
            if not is_of_today(session):
                return False
            self._unlock(session)
            return not self._behind(session)

    def _bring_up(self, put_rows: Callable[[Session], None] | None) -> tuple[str, ...]:
        """Found, bring up to today, or fill with a copy; the identity ids of those who had left and were in that."""
        with self._database.transaction() as session:
            bring_up(session)
            if put_rows is not None:
                put_rows(session)
            self._unlock(session)
            upgrade(session, Opened(self._secrets, self._people, self._blobs, self._duplicates))
            return self._reconcile(session)

    def _unlock(self, session: Session) -> None:
        self._secrets = unlock(session, self.home, occupied=self._blobs.anybody)
        self._ledger = Ledger(self._secrets.vault_id, self._secrets.operator)
        self._people = People(self._secrets.master, self._secrets.tree)
        self._duplicates = Duplicates(self._secrets.master)
        self._likenesses = Likenesses(self._secrets.master)

    def cast(self) -> tuple[CastEntry, ...]:
        """Everyone who is enrolled, by handle; those who revoked are not among them."""
        with self._reading() as session:
            rows = session.scalars(select(IdentityRow)).all()
            entries = [self._people.entry(session, row, self._clock()) for row in rows]
        return tuple(sorted(entries, key=lambda entry: entry.handle))

    def show(self, handle: str) -> CastEntry:
        """One person, a revoked one too (then with nothing left but ids and times).

        Raises:
            UnknownHandle: nobody ever had this handle.
        """
        with self._reading() as session:
            row = self._people.find(session, handle)
            if isinstance(row, Tombstone):
                return self._people.entry_of_revoked(session, row, handle)
            return self._people.entry(session, row, self._clock())

    def consent(self, handle: str) -> ConsentRecord:
        """The consent one living person's identity rests on.

        Raises:
            Revoked, UnknownHandle: there is none.
        """
        with self._reading() as session:
            return self._people.consent(session, self._people.owner(self._people.alive(session, handle)))

    def backup(self, folder: str | Path) -> None:
        """A copy of database and ciphertexts, as of one moment; see ``backup``. Neither the master key
        nor the key tree is in it.

        Raises:
            InputRefused: the folder exists, or cannot be made.
        """
        copy_out(self._database, self._blobs, Path(folder))
