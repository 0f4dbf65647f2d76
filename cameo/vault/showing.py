"""The ledger to the outside: checked, proved, exported."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from sqlalchemy import select

from cameo.errors import UsageError
from cameo.log import Checkpoint, Growth, Inclusion, Verifier
from cameo.vault.core import Core
from cameo.vault.entries import LedgerHead
from cameo.vault.proving import export_ledger, last_line_of, prove_growth, prove_line
from cameo.vault.schema import IdentityRow, Tombstone

__all__ = ["Showing"]


class Showing(Core):
    """The part of a vault that can show what happened."""

    def verify_log(self) -> LedgerHead:
        """Check every page of the database and every line of the ledger.

        Raises:
            StoreDamaged: at the first that does not fit.
        """
        with self._reading() as session:
            self._database.check(session)
            owners = {row.identity_id: self._people.owner(row) for row in session.scalars(select(IdentityRow))}
            buried = set(session.scalars(select(Tombstone.identity_id)))
            return self._ledger.verify(session, owners, buried)

    @property
    def log_key(self) -> Verifier:
        """What others need to check this vault's ledger, and proofs of it."""
        return self._ledger.verifier

    def prove(self, *, handle: str | None = None, seq: int | None = None) -> Inclusion:
        """Prove that a line is in the ledger: line ``seq``, counted from 1, or the last one about a person.

        Raises:
            UsageError: there is no such line; or not one of both was given.
            UnknownHandle: nobody ever had this handle.
        """
        if (handle is None) == (seq is None):
            raise UsageError("a proof is of one line", hint="name a handle or the number of a line")
        with self._reading() as session:
            if handle is not None:
                seq = last_line_of(session, self._people.find(session, handle))
            return prove_line(session, self._ledger, cast(int, seq))

    def prove_growth(self, since: int | Checkpoint) -> Growth:
        """Prove that the ledger is an earlier state of it, given by its size or its checkpoint, with lines added.

        Raises:
            UsageError: it never had that many lines.
            StoreDamaged: it had others.
        """
        with self._reading() as session:
            return prove_growth(session, self._ledger, since)

    def export_log(self, folder: str | Path) -> Checkpoint:
        """Write the ledger's lines and hashes as tiles; see ``cameo.log.tiles``.

        Raises:
            ProofInvalid: the folder holds a ledger that this one does not go on from.
            InputRefused: the folder cannot be written.
        """
        with self._reading() as session:
            write = export_ledger(session, self._ledger)
        return write(Path(folder))
