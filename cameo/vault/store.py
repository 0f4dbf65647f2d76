"""Identities at rest: who is here, who may use them, and how they leave.

home/
  vault.sqlite3         tables (see schema), everything personal in them sealed
  blobs/<id>/*.sealed   identities, sealed
  master.key            wraps every person's key; absent where the system's keyring holds it
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from joserfc.jwk import OKPKey
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cameo.errors import (
    NotPermitted,
    PermissionDenied,
    Revoked,
    StatusListInvalid,
    StatusListRolledBack,
    StoreBusy,
    StoreDamaged,
    StoreFull,
    UnknownHandle,
    UsageError,
)
from cameo.log import Checkpoint, Growth, Inclusion, Verifier
from cameo.status import StatusList, StatusReader
from cameo.status.document import GREATEST_AGE, Standing
from cameo.vault.admission import admit, require_covered, require_new, require_stranger, settle
from cameo.vault.backup import copy_out, reconcile, remembered
from cameo.vault.blobs import Blobs
from cameo.vault.certificate import Certificate
from cameo.vault.challenges import require_unused, use
from cameo.vault.cipher import random_key, seal, wipe
from cameo.vault.database import Database
from cameo.vault.duplicates import Duplicates
from cameo.vault.entries import (
    CastEntry,
    History,
    LedgerHead,
    Permission,
    SceneDetail,
    SceneRecord,
    SceneRole,
    Terms,
)
from cameo.vault.grants import (
    OWNER,
    principal,
    read_grants,
    require_narrower,
    set_grant,
    spend,
)
from cameo.vault.history import openings
from cameo.vault.lease import LEASE_LIFE, Lease
from cameo.vault.ledger import Ledger, Owner
from cameo.vault.likenesses import Likenesses
from cameo.vault.opening import Opened, reshape, unlock, upgrade
from cameo.vault.package import Head, pack, unpack
from cameo.vault.people import People, moment
from cameo.vault.permission import Permit, permit, require_standing
from cameo.vault.proving import export_ledger, last_line_of, prove_growth, prove_line
from cameo.vault.publishing import publish
from cameo.vault.revocation import destroy_key, lift_bar, purge, unfinished
from cameo.vault.rules import add_rule, drop_rule, rules_of
from cameo.vault.scenes import add_scene, forget_scene, latest_scene, read_detail, scenes_with, uses_of
from cameo.vault.schema import IdentityRow, Origin, Scene, Tombstone
from cameo.vault.suspension import resume, suspend
from enroll.consent import ConsentRecord, Use
from enroll.errors import ConsentExpired, ConsentInvalid
from enroll.identity import Identity
from enroll.signature import thumbprint

if TYPE_CHECKING:
    from cameo.marks.fingerprint import Fingerprint

__all__ = ["Vault"]

_REASON_LENGTH: Final = 200
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Vault:
    """The identities of one ``$CAMEO_HOME``. Opening it makes it when it is not there, completes what a killed process
    left of a revocation, and destroys those whose retention is over.

    Every method is one transaction under the vault's write lock; several processes may use one vault.

    Args:
        home: the folder; made with mode 0700 if missing.
        clock: gives the time in UTC.

    Raises (from every method, beside its own):
        StoreDamaged: the database, the master key, or something sealed does not verify.
        StoreFull: no room. The vault is as it was.
        StoreBusy: another process held the vault for over 30 seconds.
    """

    def __init__(self, home: str | Path, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self.home = Path(home)
        self._clock = clock
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.home} cannot be the vault's folder: {error.strerror}", hint="set CAMEO_HOME to a folder"
            ) from None
        self._blobs = Blobs(self.home / "blobs")
        self._database = Database(self.home / "vault.sqlite3")
        self._database.create_tables()
        with self._database.transaction() as session:
            reshape(session)
            self._secrets = unlock(session, self.home, occupied=self._blobs.anybody())
            self._ledger = Ledger(self._secrets.vault_id, self._secrets.operator)
            self._people = People(self._secrets.master)
            self._duplicates = Duplicates(self._secrets.master)
            self._likenesses = Likenesses(self._secrets.master)
            upgrade(session, Opened(self._secrets, self._people, self._blobs, self._duplicates))
        self._reconcile(remembered(self.home, thumbprint(self.operator)))
        self._sweep()

    def __repr__(self) -> str:
        return f"Vault({str(self.home)!r})"

    @property
    def operator(self) -> OKPKey:
        """The Ed25519 key this vault signs consents, certificates and its ledger with."""
        return self._secrets.operator

    @property
    def trusted(self) -> frozenset[str]:
        """Thumbprints of those whose signature on a consent counts here."""
        return frozenset({thumbprint(self.operator)})

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

    def export(self, handle: str, passphrase: str) -> bytes:
        """A person for another home: see ``package``. The owner's act; what is in it is theirs to carry.

        Raises:
            Revoked, UnknownHandle, ConsentExpired, Suspended: there is nobody to send.
            PermissionDenied: they were not enrolled here; only the home they come from can send them on.
            PackageInvalid: the passphrase is too short.
        """
        now = self._clock()
        with self._database.transaction() as session:
            consent = self._people.consent(session, self._people.owner(self._people.alive(session, handle)))
            permitted = self._permit(session, handle, OWNER, consent.uses[0], None)
            row, owner = permitted.row, permitted.owner
            if session.get(Origin, row.identity_id) is not None:
                raise PermissionDenied(f"@{handle} was not enrolled here", hint="ask the home they come from")
            identity = self._people.identity(row, self._blobs).to_bytes()
            head = Head.of(
                consent,
                identity,
                issuer=thumbprint(self.operator),
                status_index=row.status_index,
                grants=[terms for terms in read_grants(session, owner).values() if terms.principal != OWNER],
                rules=rules_of(session, owner, consent),
                now=now,
                key=self.operator,
            )
            sealed = pack(head, identity, passphrase)
            self._ledger.append(session, "export", {}, at=_seconds(now), owner=owner)
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

    def origins(self) -> frozenset[str]:
        """Thumbprints of the operators whose status lists count for somebody here."""
        with self._database.transaction() as session:
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

    def _keep(
        self, identity: Identity, consent: ConsentRecord, *, again: bool, head: Head | None = None, abroad: bool = False
    ) -> CastEntry:
        require_covered(identity, consent)
        owner = Owner(identity.identity_id, consent.consent_id, random_key())
        plaintext = identity.to_bytes()
        sealed = seal(owner.key, plaintext, owner.context("identity"))
        wipe(plaintext)
        now = self._clock()
        with self._database.transaction() as session:
            require_new(session, self._people, identity)
            despite = require_stranger(session, self._people, self._duplicates, identity, again=again)
            use(session, self._secrets.master, consent, at=_seconds(now))
            try:
                self._blobs.write(owner.identity_id, "identity", sealed)
                row = admit(
                    session,
                    self._secrets.master,
                    self._ledger,
                    self._duplicates,
                    owner,
                    identity,
                    consent,
                    at=_seconds(now),
                    despite=despite,
                )
                if head is not None:
                    settle(session, self._secrets.master, owner, head, abroad=abroad)
                entry = self._people.entry(session, row, now)
                session.commit()
            except BaseException:
                self._blobs.remove(owner.identity_id)
                raise
        return entry

    def require_unused(self, consent: ConsentRecord) -> None:
        """Whether a request's challenge can still be answered, before anybody looks at the clip.

        Raises:
            ChallengeUsed: it was answered before.
        """
        with self._database.transaction() as session:
            require_unused(session, self._secrets.master, consent)

    def cast(self) -> tuple[CastEntry, ...]:
        """Everyone who is enrolled, by handle; those who revoked are not among them."""
        with self._database.transaction() as session:
            rows = session.scalars(select(IdentityRow)).all()
            entries = [self._people.entry(session, row, self._clock()) for row in rows]
        return tuple(sorted(entries, key=lambda entry: entry.handle))

    def show(self, handle: str) -> CastEntry:
        """One person, a revoked one too (then with nothing left but ids and times).

        Raises:
            UnknownHandle: nobody ever had this handle.
        """
        with self._database.transaction() as session:
            row = self._people.find(session, handle)
            if isinstance(row, Tombstone):
                return self._people.entry_of_revoked(session, row, handle)
            return self._people.entry(session, row, self._clock())

    def consent(self, handle: str) -> ConsentRecord:
        """The consent one living person's identity rests on.

        Raises:
            Revoked, UnknownHandle: there is none.
        """
        with self._database.transaction() as session:
            return self._people.consent(session, self._people.owner(self._people.alive(session, handle)))

    def lease(self, handle: str, user: str = OWNER, purpose: Use = "generate", *, prompt: str | None = None) -> Lease:
        """Open a person for a purpose, if at this moment their consent is in force and covers it and the user may.

        Args:
            prompt: what is to be made; None where there is no prompt. Their rules are held against it.

        Raises:
            Revoked, UnknownHandle, ConsentExpired, PermissionDenied, RuleBroken: refused.
        """
        now = self._clock()
        with self._database.transaction() as session:
            permitted = self._permit(session, handle, user, purpose, prompt)
            identity = self._people.identity(permitted.row, self._blobs)
            detail = {"user": user, "purpose": purpose}
            self._ledger.append(session, "lease", detail, at=_seconds(now), owner=permitted.owner)
        expires = min(now + LEASE_LIFE, permitted.until)
        return Lease(identity, user=user, purpose=purpose, expires=expires, clock=self._clock)

    def may(
        self, handle: str, user: str = OWNER, purpose: Use = "generate", *, prompt: str | None = None
    ) -> Permission:
        """What ``lease`` would say, without opening anybody."""
        with self._database.transaction() as session:
            try:
                permitted = self._permit(session, handle, user, purpose, prompt)
            except (NotPermitted, ConsentExpired, ConsentInvalid, StatusListInvalid) as refusal:
                return Permission(allowed=False, code=refusal.code, message=refusal.message, hint=refusal.hint)
        return Permission(allowed=True, until=permitted.until, scenes_left=permitted.terms.left)

    def require_still(self, lease: Lease) -> None:
        """Whether what a lease was given for would be given again, to the same person.

        Raises:
            Revoked, ConsentExpired, PermissionDenied: it would not.
        """
        with self._database.transaction() as session:
            row = self._people.find(session, lease.handle)
            if row.identity_id != lease.identity_id:
                raise Revoked(f"@{lease.handle} was revoked", hint="only a new clip can bring them back")
            self._permit(session, lease.handle, lease.user, lease.purpose, None)

    def allow(
        self,
        handle: str,
        user: str,
        *,
        uses: Iterable[Use] = (),
        scenes: int | None = None,
        until: datetime | None = None,
    ) -> CastEntry:
        """Let a user (or ``everyone``) use a person's identity, in place of what they were allowed before.

        Args:
            uses: what for; empty for all the person consented to.
            scenes: how many may be made; None for any number.
            until: when it ends; None: with the consent.

        Raises:
            UsageError: that reaches beyond the consent, or the owner is to be limited.
        """
        try:
            terms = Terms(principal=principal(user), allowed=True, uses=tuple(uses), scenes=scenes, until=until)
        except ValidationError as error:
            raise UsageError(f"this makes no grant: {error.errors()[0]['msg']}") from None
        if terms.principal == OWNER and (terms.uses or terms.scenes or terms.until):
            raise UsageError("the owner always may", hint="limits are for others")
        return self._grant(handle, terms)

    def forbid(self, handle: str, rule: str) -> CastEntry:
        """The person never wants to appear in this; ``rule`` as ``cameo.rules.rule`` gives it."""
        return self._rule(handle, rule, kept=True)

    def lift(self, handle: str, rule: str) -> CastEntry:
        """Take such a rule back.

        Raises:
            UsageError: there is none.
        """
        return self._rule(handle, rule, kept=False)

    def deny(self, handle: str, user: str) -> CastEntry:
        """Take it back. A no by name holds against ``everyone``.

        Raises:
            UsageError: the owner cannot be denied; that is what revoking is for.
        """
        if principal(user) == OWNER:
            raise UsageError("the owner always may", hint=f"to end it for everybody: cameo revoke {handle}")
        return self._grant(handle, Terms(principal=principal(user), allowed=False))

    def record_scene(
        self,
        *,
        sha256: str,
        path: str | Path,
        identities: Sequence[str],
        user: str,
        prompt: str,
        model: str,
        seed: int | None = None,
        purpose: Use = "generate",
        fingerprint: Fingerprint | None = None,
    ) -> SceneRecord:
        """Write down a scene that was made.

        Args:
            sha256: hex digest of the finished file.
            identities: the ``identity_id`` of each lease, in the order of the prompt.
            fingerprint: by which a copy of it will be known.

        Raises:
            Revoked, Suspended, PermissionDenied: someone in it left, paused, or denied it, while it was made, or the
                last scene of their grant was made meanwhile. The caller destroys the file.
        """
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"a scene is named by its SHA-256 in hex, got {sha256[:80]!r}")
        principal(user)
        detail = SceneDetail(
            path=_storable(str(path)), user=user, prompt=_storable(prompt), seed=seed, model=model, purpose=purpose
        )
        at = _seconds(self._clock())
        with self._database.transaction() as session:
            owners = [self._owner_in_scene(session, identity_id) for identity_id in dict.fromkeys(identities)]
            if not owners:
                raise UsageError("a scene has at least one person")
            for owner in owners:
                handle = self._people.summary(session.get_one(IdentityRow, owner.identity_id), owner).handle
                permitted = self._permit(session, handle, user, purpose, None)
                spend(session, self._secrets.master, owner, permitted.terms)
            scene = add_scene(session, owners, sha256, detail, at=at)
            if fingerprint is not None:
                self._likenesses.remember(session, scene, fingerprint)
            for owner in owners:
                self._ledger.append(session, "scene", {"sha256": sha256, "user": user}, at=at, owner=owner)
            return self._read_scene(session, sha256)

    def find_scene(self, sha256: str) -> SceneRecord | None:
        """The scene with this digest and how everyone in it stands now; None when it was not made here."""
        with self._database.transaction() as session:
            return self._read_scene(session, sha256) if latest_scene(session, sha256) else None

    def find_like(self, asked: Fingerprint) -> SceneRecord | None:
        """The scene of which a file looks and sounds like a copy; None when it is none of this vault's."""
        with self._database.transaction() as session:
            scene = self._likenesses.find(session, asked)
            return self._scene_record(session, scene) if scene is not None else None

    def history(self, handle: str) -> History:
        """Every scene with one living person in it, and every time they were opened.

        Raises:
            Revoked, UnknownHandle: there is nothing left to tell.
        """
        with self._database.transaction() as session:
            owner = self._people.owner(self._people.alive(session, handle))
            scenes = tuple(self._scene_record(session, scene) for scene in scenes_with(session, owner.identity_id))
            return History(scenes=scenes, openings=openings(session, owner))

    def forget_scene(self, handle: str, sha256: str) -> None:
        """Destroy what is kept of a scene with this person: prompt, path, user. Its digest stays, so that a copy is
        still known for what it is.

        Raises:
            Revoked, UnknownHandle: there is no such person.
            UsageError: they are in no scene of that digest.
        """
        with self._database.transaction() as session:
            owner = self._people.owner(self._people.alive(session, handle))
            if not forget_scene(session, owner.identity_id, sha256):
                raise UsageError(f"@{handle} is in no scene {sha256[:80]}", hint=f"see: cameo uses {handle}")
            self._ledger.append(session, "unscene", {"sha256": sha256}, at=_seconds(self._clock()), owner=owner)
        self._database.compact()

    def scene_cast(self, consent_ids: Iterable[str]) -> tuple[SceneRole, ...]:
        """How the people behind these consents (as a scene's manifest names them) stand now."""
        with self._database.transaction() as session:
            return tuple(self._people.role(session, consent_id, self._clock()) for consent_id in consent_ids)

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
            suspend(session, self._ledger, row, self._people.owner(row), reason, at=_seconds(now))
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
            resume(session, self._ledger, row, self._people.owner(row), at=_seconds(now))
            entry = self._people.entry(session, row, now)
        self.status_list()
        return entry

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
        self._reader(published.signer).accept(published)
        return published

    def backup(self, folder: str | Path) -> None:
        """A copy of database and ciphertexts, as of one moment; see ``backup``. The master key is not in it.

        Raises:
            InputRefused: the folder exists, or cannot be made.
        """
        with self._database.transaction():
            copy_out(self.home, Path(folder))

    def unbar(self, certificate_id: str) -> None:
        """Forget the sketches that were kept under a deletion certificate: the person may be enrolled again.

        Raises:
            UnknownHandle: no certificate of this vault with that id keeps any.
        """
        with self._database.transaction() as session:
            if lift_bar(session, self._ledger, certificate_id, at=_seconds(self._clock())) is None:
                raise UnknownHandle(
                    f"no bar hangs on certificate {certificate_id[:80]}",
                    hint="give the certificate_id of the deletion certificate of whoever wants to come back",
                )
        self._database.compact()

    def verify_log(self) -> LedgerHead:
        """Check every page of the database and every line of the ledger.

        Raises:
            StoreDamaged: at the first that does not fit.
        """
        with self._database.transaction() as session:
            found = session.execute(text("PRAGMA integrity_check(1)")).scalar_one()
            if found != "ok":
                raise StoreDamaged(f"the database is damaged: {found}")
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
        with self._database.transaction() as session:
            if handle is not None:
                seq = last_line_of(session, self._people.find(session, handle))
            return prove_line(session, self._ledger, cast(int, seq))

    def prove_growth(self, since: int | Checkpoint) -> Growth:
        """Prove that the ledger is an earlier state of it, given by its size or its checkpoint, with lines added.

        Raises:
            UsageError: it never had that many lines.
            StoreDamaged: it had others.
        """
        with self._database.transaction() as session:
            return prove_growth(session, self._ledger, since)

    def export_log(self, folder: str | Path) -> Checkpoint:
        """Write the ledger's lines and hashes as tiles; see ``cameo.log.tiles``.

        Raises:
            ProofInvalid: the folder holds a ledger that this one does not go on from.
            InputRefused: the folder cannot be written.
        """
        with self._database.transaction() as session:
            write = export_ledger(session, self._ledger)
        return write(Path(folder))

    def _reconcile(self, held: StatusList | None) -> None:
        if held is None:
            return
        with self._database.transaction() as session:
            gone = reconcile(
                session,
                held,
                bury=lambda row: self._bury(session, row, "revoked before this copy of the vault was put back"),
                at=_seconds(self._clock()),
            )
        for identity_id in gone:
            self._purge(identity_id)

    def _sweep(self) -> None:
        """Finish purges, drop the traces of killed puts, bury those whose retention is over."""
        with self._database.transaction() as session:
            self._blobs.remove_all_but(set(session.scalars(select(IdentityRow.identity_id))))
            over = select(IdentityRow).where(IdentityRow.keep_until <= _seconds(self._clock()))
            for row in session.scalars(over).all():
                self._bury(session, row, "retention period over")
            pending = unfinished(session)
        for identity_id in pending:
            # The key is destroyed; what hinders the rest today must not keep everybody else out of the vault.
            with suppress(StoreFull, StoreBusy, StatusListInvalid, StatusListRolledBack):
                self._purge(identity_id)

    def _bury(self, session: Session, row: IdentityRow, reason: str | None, *, never_again: bool = False) -> Tombstone:
        at = _seconds(self._clock())
        return destroy_key(session, self._ledger, self._blobs, row, at=at, reason=reason, never_again=never_again)

    def _purge(self, identity_id: str) -> Certificate:
        # Before it is acknowledged: a copy of the vault from before must find it written somewhere else.
        self.status_list()
        return purge(self._database, self._ledger, self._blobs, self.operator, identity_id, now=self._clock())

    def _permit(self, session: Session, handle: str, user: str, purpose: Use, prompt: str | None) -> Permit:
        return permit(
            session,
            self._people,
            handle,
            user,
            purpose,
            prompt=prompt,
            trusted=self.trusted,
            standing=self._standing,
            now=self._clock(),
        )

    def _reader(self, issuer: str) -> StatusReader:
        return StatusReader(self.home / "status", {issuer}, clock=self._clock)

    def _standing(self, issuer: str, index: int) -> Standing:
        return self._reader(issuer).standing(issuer, index)

    def _grant(self, handle: str, terms: Terms) -> CastEntry:
        now = self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, handle)
            owner = self._people.owner(row)
            if terms.allowed:
                require_narrower(terms, self._people.consent(session, owner))
            set_grant(session, self._secrets.master, owner, terms)
            detail = terms.model_dump(
                mode="json", include={"principal", "uses", "scenes", "until"}, exclude_defaults=True
            )
            written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in detail.items()}
            self._ledger.append(session, "allow" if terms.allowed else "deny", written, at=_seconds(now), owner=owner)
            return self._people.entry(session, row, now)

    def _rule(self, handle: str, rule: str, *, kept: bool) -> CastEntry:
        now = self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, handle)
            owner = self._people.owner(row)
            if kept:
                add_rule(session, self._secrets.master, owner, rule)
            elif not drop_rule(session, self._secrets.master, owner, rule):
                raise UsageError(f"@{handle} has no such rule", hint=f"see: cameo show {handle}")
            self._ledger.append(session, "forbid" if kept else "lift", {"rule": rule}, at=_seconds(now), owner=owner)
            return self._people.entry(session, row, now)

    def _owner_in_scene(self, session: Session, identity_id: str) -> Owner:
        row = session.get(IdentityRow, identity_id)
        if row is None:
            raise Revoked(f"identity {identity_id} no longer exists", hint="the scene must be destroyed")
        return self._people.owner(row)

    def _read_scene(self, session: Session, sha256: str) -> SceneRecord:
        scene = latest_scene(session, sha256)
        if scene is None:
            raise StoreDamaged(f"scene {sha256} is missing")
        return self._scene_record(session, scene)

    def _scene_record(self, session: Session, scene: Scene) -> SceneRecord:
        uses = uses_of(session, scene)
        rows = [session.get(IdentityRow, use.identity_id) for use in uses]
        owners = [self._people.owner(row) for row in rows if row is not None]
        return SceneRecord(
            sha256=scene.sha256,
            created=moment(scene.created),
            cast=tuple(self._people.role(session, use.consent_id, self._clock()) for use in uses),
            # Between the destruction of one person's key and the purge, the detail is there and cannot be opened.
            detail=read_detail(scene, owners) if len(owners) == len(uses) else None,
        )


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _short(reason: str | None) -> str | None:
    """A reason as one line. Raises UsageError when that has more than 200 characters."""
    if reason is None:
        return None
    reason = _storable(" ".join(reason.split()))
    if len(reason) > _REASON_LENGTH:
        raise UsageError(f"a reason has at most {_REASON_LENGTH} characters, got {len(reason)}")
    return reason


def _storable(text: str) -> str:
    """A file name or an argument that was no UTF-8 reaches Python with lone surrogates, which no encoder takes."""
    return text.encode(errors="backslashreplace").decode()
