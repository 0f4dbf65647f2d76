"""People into the vault: enrolled here, or from another home; and on their way to one."""

from __future__ import annotations

from contextlib import suppress

from cameo.errors import PermissionDenied, StoreError
from cameo.status import StatusList
from cameo.vault.admission import admit, require_covered, require_new, require_stranger, settle
from cameo.vault.challenges import require_unused, use
from cameo.vault.cipher import random_key, seal, wipe
from cameo.vault.core import Core, seconds
from cameo.vault.entries import CastEntry
from cameo.vault.grants import OWNER, read_grants
from cameo.vault.ledger import Owner
from cameo.vault.package import Head, pack, unpack
from cameo.vault.permission import require_standing
from cameo.vault.rules import added_rules
from cameo.vault.schema import IdentityRow
from enroll.consent import ConsentRecord
from enroll.identity import Identity
from enroll.signature import thumbprint

__all__ = ["Arriving"]


class Arriving(Core):
    """The part of a vault that takes people in and sends them on."""

    def put(self, identity: Identity, consent: ConsentRecord, *, again: bool = False) -> CastEntry:
        """Store a person, all or nothing.

        Args:
            again: store them although they are taken for somebody who is here; the ledger keeps that.

        Raises:
            ConsentInvalid, ConsentExpired: the consent is not in force, not this person's, or does not cover what the
                identity holds.
            HandleTaken: someone else is enrolled under this handle.
            Revoked: this very consent was revoked.
            AlreadyEnrolled: they are here under another handle, as far as face or voice tells (see ``duplicates``).
            EnrollmentRefused: they left and asked not to be enrolled again.
            ChallengeUsed: the challenge it rests on, or the clip that met it, has served before.
        """
        consent.verify(now=self._clock(), trusted=self.trusted, handle=identity.handle)
        return self._keep(identity, consent, again=again)

    def require_unused(self, consent: ConsentRecord) -> None:
        """Whether a request's challenge can still be answered, before anybody looks at the clip.

        Raises:
            ChallengeUsed: it was answered before.
        """
        with self._database.reading() as session:
            require_unused(session, self._secrets.master, consent)

    def export(self, handle: str, passphrase: str) -> bytes:
        """A person for another home: see ``package``. The owner's act; what is in it is theirs to carry.

        Raises:
            Revoked, UnknownHandle, ConsentExpired, Suspended: there is nobody to send.
            PermissionDenied: they were not enrolled here; only the home they come from can send them on.
            PackageInvalid: the passphrase is too short.
        """
        now = self._clock()
        with self._database.transaction() as session:
            permitted = self._permit(session, handle, OWNER, None, None)
            row, owner, consent = permitted.row, permitted.owner, permitted.consent
            if row.origin is not None:
                raise PermissionDenied(f"@{handle} was not enrolled here", hint="ask the home they come from")
            identity = self._people.identity(row, self._blobs).to_bytes()
            head = Head.of(
                consent,
                identity,
                issuer=thumbprint(self.operator),
                status_index=row.status_index,
                grants=[terms for terms in read_grants(session, owner).values() if terms.principal != OWNER],
                rules=added_rules(session, owner),
                now=now,
                key=self.operator,
            )
            sealed = pack(head, identity, passphrase)
            self._ledger.append(session, "export", {}, at=seconds(now), owner=owner)
        wipe(identity)
        return sealed

    def take(
        self,
        package: bytes,
        passphrase: str,
        *,
        trust: str | None = None,
        status: StatusList | None = None,
        again: bool = False,
    ) -> CastEntry:
        """A person from another home, as long as that home says they may be used.

        Args:
            package: what ``export`` made.
            trust: thumbprint of the operator it comes from; None trusts this home alone.
            status: that operator's status list, if none that is good still is remembered here.
            again: see ``put``.

        Raises:
            PackageInvalid: it does not open, was changed, or comes from somebody who is not trusted.
            StatusListInvalid, StatusListNotInForce, StatusListRolledBack: without a status list nobody is taken.
            Revoked, Suspended: that list says so.
            HandleTaken, AlreadyEnrolled, EnrollmentRefused, ConsentInvalid, ConsentExpired: as ``put`` does.
        """
        head, content = unpack(package, passphrase)
        head.require_whole(content, {*self.trusted, *([trust] if trust else ())})
        identity, consent = Identity.from_bytes(content), ConsentRecord.from_json(head.consent)
        consent.verify(now=self._clock(), trusted={head.issuer}, handle=identity.handle)
        abroad = head.issuer not in self.trusted
        if abroad:
            if status is not None:
                self._reader(head.issuer).accept(status)
            require_standing(self._standing(head.issuer, head.status_index), identity.handle)
        return self._keep(identity, consent, again=again, head=head, abroad=abroad)

    def _keep(
        self, identity: Identity, consent: ConsentRecord, *, again: bool, head: Head | None = None, abroad: bool = False
    ) -> CastEntry:
        require_covered(identity, consent)
        owner = Owner(identity.identity_id, consent.consent_id, random_key())
        plaintext = identity.to_bytes()
        sealed = seal(owner.key, plaintext, owner.context("identity"))
        wipe(plaintext)
        now = self._clock()
        try:
            with self._database.transaction() as session:
                require_new(session, self._people, identity)
                despite = require_stranger(session, self._people, self._duplicates, identity, again=again)
                use(session, self._secrets.master, consent, at=seconds(now))
                self._blobs.write(owner.identity_id, "identity", sealed)
                row = admit(
                    session,
                    self._secrets.master,
                    self._secrets.tree,
                    self._ledger,
                    self._duplicates,
                    owner,
                    identity,
                    consent,
                    at=seconds(now),
                    despite=despite,
                )
                if head is not None:
                    settle(session, self._secrets.master, owner, head, abroad=abroad)
                return self._people.entry(session, row, now)
        except BaseException:
            self._drop_unless_kept(owner.identity_id)
            raise

    def _drop_unless_kept(self, identity_id: str) -> None:
        """After a put that failed: a connection that was lost amid the commit does not tell whether it came through.
        What cannot be asked now stays for the next opening to tidy up."""
        with suppress(StoreError):
            with self._database.reading() as session:
                kept = session.get(IdentityRow, identity_id) is not None
            if not kept:
                self._blobs.remove(identity_id)
