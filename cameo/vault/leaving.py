"""Out for a while or for good, and how everybody learns of it."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.errors import (
    PermissionDenied,
    StatusListInvalid,
    StatusListRolledBack,
    StoreBusy,
    StoreDamaged,
    StoreFull,
    StoreUnreachable,
    UnknownHandle,
    UsageError,
)
from cameo.status import StatusList
from cameo.status.document import GREATEST_AGE
from cameo.vault.backup import behind, reconcile
from cameo.vault.certificate import Certificate
from cameo.vault.core import Core, seconds, storable
from cameo.vault.entries import CastEntry
from cameo.vault.leftovers import leftovers, remove_leftovers, undisturbed
from cameo.vault.publishing import is_owed, publish
from cameo.vault.revocation import destroy_key, lift_bar, purge, unfinished
from cameo.vault.schema import IdentityRow, Origin, Tombstone
from cameo.vault.suspension import resume, suspend
from enroll.signature import thumbprint

__all__ = ["Leaving"]

_REASON_LENGTH: Final = 200
_SWEPT: Final = ".swept"
_SWEEP_SECONDS: Final = 24 * 3600


class Leaving(Core):
    """The part of a vault that lets people go."""

    def revoke(self, handle: str, reason: str | None = None, *, never_again: bool = False) -> Certificate:
        """Destroy a person's key, then everything else of theirs. Returns when that is on the disk.

        Asked again, it returns the certificate again.

        Args:
            never_again: they ask not to be enrolled again: their sketches stay and bar them; the certificate says so.

        Raises:
            UnknownHandle: nobody ever had this handle.
            UsageError: the reason has more than 200 characters.
            PermissionDenied: with ``never_again``, nothing is here by which they would be recognised. They are not
                revoked, or were revoked before without that wish.
        """
        reason = _short(reason)
        with self._database.transaction() as session:
            row = self._people.find(session, handle)
            if never_again and not self._duplicates.knows(session, row.identity_id):
                raise PermissionDenied(
                    f"nothing is here by which @{handle} would be recognised",
                    hint=f"without that: cameo revoke {handle}",
                )
            tombstone = row if isinstance(row, Tombstone) else self._bury(session, row, reason, never_again=never_again)
            identity_id, certificate = tombstone.identity_id, tombstone.certificate
        return Certificate.model_validate_json(certificate) if certificate else self._purge(identity_id)

    def suspend(self, handle: str, reason: str | None = None) -> CastEntry:
        """Keep a person out of every scene until ``resume``; also out of those that are being made.

        Args:
            reason: sealed in the ledger under the person's key; nobody else is told.

        Raises:
            Revoked, UnknownHandle: there is nobody to suspend.
            UsageError: the reason has more than 200 characters.
        """
        reason, now = _short(reason), self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, handle)
            suspend(session, self._ledger, row, self._people.owner(row), reason, at=seconds(now))
            entry = self._people.entry(session, row, now)
        self.status_list()
        return entry

    def resume(self, handle: str) -> CastEntry:
        """Let a suspended person into scenes again, under the consent and the grants they have.

        Raises:
            Revoked, UnknownHandle: there is nobody who could.
        """
        now = self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, handle)
            resume(session, self._ledger, row, self._people.owner(row), at=seconds(now))
            entry = self._people.entry(session, row, now)
        self.status_list()
        return entry

    def unbar(self, certificate_id: str) -> None:
        """Forget the sketches that were kept under a deletion certificate: the person may be enrolled again.

        Raises:
            UnknownHandle: no certificate of this vault with that id keeps any.
        """
        with self._database.transaction() as session:
            if lift_bar(session, self._ledger, certificate_id, at=seconds(self._clock())) is None:
                raise UnknownHandle(
                    f"no bar hangs on certificate {certificate_id[:80]}",
                    hint="give the certificate_id of the deletion certificate of whoever wants to come back",
                )
        self._database.compact()

    def status_list(self, age: timedelta = GREATEST_AGE) -> StatusList:
        """How everybody who is or was here stands now, signed, for those who cannot ask this vault.

        Its epoch is one more than that of the list before, unless it says the same.

        Args:
            age: how long it may be relied on: over 0, up to 31 days.

        Raises:
            UsageError: another age than that.
        """
        with self._database.transaction() as session:
            published = publish(session, self.operator, now=self._clock(), age=age)
            # Under the lock: of two that publish at once, the later list is also the later one remembered.
            self._blobs.keep_list(published.to_json())
            try:
                self._reader(published.signer).accept(published)
            except StatusListInvalid as error:  # the list is ours: what fails is where it is kept
                raise StoreFull(
                    f"the vault's own status list cannot be kept: {error.message}", hint=error.hint
                ) from None
        return published

    def origins(self) -> frozenset[str]:
        """Thumbprints of the operators whose status lists count for somebody here."""
        with self._database.reading() as session:
            return frozenset(session.scalars(select(Origin.issuer).distinct()))

    def heed(self, status: StatusList) -> tuple[Certificate, ...]:
        """Take another home's status list, and destroy whoever of its people it says is revoked.

        Raises:
            StatusListInvalid, StatusListNotInForce, StatusListRolledBack: see ``StatusReader.accept``.
        """
        issuer = status.signer
        self._reader(issuer).accept(status)
        with self._database.transaction() as session:
            gone = [
                origin.identity_id
                for origin in session.scalars(select(Origin).where(Origin.issuer == issuer))
                if self._standing(issuer, origin.status_index) == "revoked"
            ]
            for identity_id in gone:
                self._bury(session, session.get_one(IdentityRow, identity_id), "revoked where they were enrolled")
        return tuple(self._purge(identity_id) for identity_id in gone)

    def _bury(self, session: Session, row: IdentityRow, reason: str | None, *, never_again: bool = False) -> Tombstone:
        at = seconds(self._clock())
        return destroy_key(session, self._ledger, self._blobs, row, at=at, reason=reason, never_again=never_again)

    def _purge(self, identity_id: str) -> Certificate:
        # Before it is acknowledged: a copy of the vault from before must find it written somewhere else.
        self.status_list()
        return purge(
            self._database,
            self._secrets.tree,
            self._ledger,
            self._blobs,
            self.operator,
            identity_id,
            now=self._clock(),
        )

    def _behind(self, session: Session) -> bool:
        """Whether this database is an older one than the last list that went out of it, or than the key tree."""
        return behind(session, self._last_list(), self._secrets.tree)

    def _reconcile(self, session: Session) -> tuple[str, ...]:
        """Bury whoever had left, if this is a copy that was put back; their identity ids."""
        return reconcile(
            session,
            self._last_list(),
            self._secrets.tree,
            bury=lambda row: self._bury(session, row, "revoked before this copy of the vault was put back"),
            at=seconds(self._clock()),
        )

    def _last_list(self) -> StatusList | None:
        """The newest list of this vault: this home's, or that of another machine's."""
        own = thumbprint(self.operator)
        try:
            # A storage that does not answer keeps nobody from leaving; it gives nobody out either.
            with suppress(StoreUnreachable, StatusListRolledBack):
                if kept := self._blobs.kept_list():
                    self._reader(own).accept(StatusList.from_json(kept), any_age=True)
            return self._reader(own).last(own)
        except StatusListInvalid as error:
            raise StoreDamaged(f"the vault's own status list does not hold: {error.message}") from None

    def _sweep(self) -> None:
        """Finish purges, publish what is owed, drop the traces of killed processes, bury those whose retention is
        over."""
        lying, now, left = self._lying(), seconds(self._clock()), leftovers(self.home)
        over = select(IdentityRow).where(IdentityRow.keep_until <= now)
        with self._database.reading() as session:
            here = set(session.scalars(select(IdentityRow.identity_id))) if lying else set()
            settled = not unfinished(session) and not is_owed(session)
            if settled and not left and here.issuperset(lying) and session.scalars(over).first() is None:
                return
        with self._database.transaction() as session:
            with suppress(OSError, StatusListInvalid):  # the next opening tries again
                remove_leftovers(self.home)
            with undisturbed(self.home) as free:
                if free:  # else a copy is being put back, whose ciphertexts come before its rows
                    self._blobs.remove_all_but(set(session.scalars(select(IdentityRow.identity_id))), lying)
            for row in session.scalars(over).all():
                self._bury(session, row, "retention period over")
            pending, owed = unfinished(session), is_owed(session)
        # What hinders any of it today must not keep everybody else out of the vault: keys are destroyed already.
        hindrances = (StoreFull, StoreBusy, StoreUnreachable, StatusListRolledBack)
        for identity_id in pending:
            with suppress(*hindrances):
                self._purge(identity_id)
        if owed:
            with suppress(*hindrances):
                self.status_list()

    def _lying(self) -> set[str]:
        """Of whom ciphertexts lie there. A bucket is long to list: once a day and home is enough for what no key
        opens."""
        if not self._blobs.shared:
            return self._blobs.owners()
        mark = self.home / _SWEPT
        if mark.exists() and time.time() - mark.stat().st_mtime < _SWEEP_SECONDS:
            return set()
        with suppress(StoreUnreachable):
            lying = self._blobs.owners()
            mark.touch(mode=0o600)
            return lying
        return set()


def _short(reason: str | None) -> str | None:
    """A reason as one line. Raises UsageError when that has more than 200 characters."""
    if reason is None:
        return None
    reason = storable(" ".join(reason.split()))
    if len(reason) > _REASON_LENGTH:
        raise UsageError(f"a reason has at most {_REASON_LENGTH} characters, got {len(reason)}")
    return reason
