"""Reading one person's rows: their key, what is told of them, the consent they gave, how they stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session, joinedload

from cameo.errors import Revoked, StoreDamaged, UnknownHandle
from cameo.vault.blobs import Blobs
from cameo.vault.cipher import open_sealed, wipe
from cameo.vault.entries import CastEntry, ConsentSummary, SceneRole, Summary
from cameo.vault.grants import OWNER, read_grants, standing
from cameo.vault.keys import MasterKey
from cameo.vault.keytree import KeyTree
from cameo.vault.ledger import Owner
from cameo.vault.rules import rules_of
from cameo.vault.schema import Consent, IdentityRow, SceneUse, Tombstone
from enroll.consent import HANDLE, ConsentRecord
from enroll.identity import Identity

__all__ = ["People", "moment"]

# Whoever is looked for is asked next what they agreed to and where they come from: one question for all three.
_LIVING: Final = (
    select(IdentityRow)
    .where(IdentityRow.handle_tag == bindparam("tag"))
    .options(joinedload(IdentityRow.consent), joinedload(IdentityRow.origin))
)


def moment(seconds: int) -> datetime:
    """A time as the database holds it, as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


class People:
    """The people of one vault, read inside the caller's transaction."""

    def __init__(self, master: MasterKey, tree: KeyTree) -> None:
        self._master = master
        self._tree = tree

    def tag(self, handle: str) -> bytes:
        return self._master.tag("handle", handle)

    def find(self, session: Session, handle: str) -> IdentityRow | Tombstone:
        """The living person under a handle, else the tombstone of the last one.

        Raises:
            UnknownHandle: nobody ever had it.
        """
        if not HANDLE.fullmatch(handle):
            raise UnknownHandle(f"{handle[:80]!r} is no handle", hint="cameo cast shows who is enrolled")
        tag = self.tag(handle)
        row = session.scalars(_LIVING, {"tag": tag}).first()
        if row is not None:
            return row
        graves = select(Tombstone).where(Tombstone.handle_tag == tag).order_by(Tombstone.revoked.desc())
        tombstone = session.scalars(graves).first()
        if tombstone is None:
            raise UnknownHandle(f"nobody is enrolled as @{handle}", hint="cameo cast shows who is")
        return tombstone

    def alive(self, session: Session, handle: str) -> IdentityRow:
        """The living person under a handle.

        Raises:
            Revoked: there was one.
            UnknownHandle: nobody ever had it.
        """
        row = self.find(session, handle)
        if isinstance(row, Tombstone):
            raise Revoked(
                f"@{handle} was revoked {moment(row.revoked):%Y-%m-%d %H:%M} UTC and no longer exists",
                hint="only a new clip with a new consent can bring them back",
            )
        return row

    def owner(self, row: IdentityRow) -> Owner:
        """The person's key. Raises StoreDamaged when it does not open."""
        context = Owner(row.identity_id, row.consent_id, b"").context("key")
        return Owner(row.identity_id, row.consent_id, self._tree.unwrap(row.wrapped_key, row.status_index, context))

    def summary(self, row: IdentityRow, owner: Owner) -> Summary:
        summary = Summary.model_validate_json(open_sealed(owner.key, row.sealed_entry, owner.context("entry")))
        if self.tag(summary.handle) != row.handle_tag:
            raise StoreDamaged(f"identity {row.identity_id} lies under another's handle")
        return summary

    def consent(self, session: Session, owner: Owner) -> ConsentRecord:
        row = session.get(Consent, owner.identity_id)
        if row is None:
            raise StoreDamaged(f"the consent of identity {owner.identity_id} is missing")
        return ConsentRecord.from_json(open_sealed(owner.key, row.sealed, owner.context("consent")))

    def identity(self, row: IdentityRow, blobs: Blobs) -> Identity:
        """The person in the clear; nothing of it may be written anywhere.

        Raises:
            StoreDamaged: key or ciphertext do not verify.
        """
        owner = self.owner(row)
        plaintext = open_sealed(owner.key, blobs.read(owner.identity_id, "identity"), owner.context("identity"))
        identity = Identity.from_bytes(plaintext)
        wipe(plaintext)
        return identity

    def entry(self, session: Session, row: IdentityRow, now: datetime) -> CastEntry:
        owner = self.owner(row)
        summary, consent = self.summary(row, owner), self.consent(session, owner)
        grants = read_grants(session, owner).values()
        return CastEntry(
            identity_id=row.identity_id,
            handle=summary.handle,
            name=summary.name,
            status="expired" if now >= consent.valid_until else "active" if row.suspended is None else "suspended",
            created=summary.created,
            status_index=row.status_index,
            suspended=None if row.suspended is None else moment(row.suspended),
            embeddings=summary.embeddings,
            crops=summary.crops,
            coverage=summary.coverage,
            consent_id=row.consent_id,
            consent=ConsentSummary.of(consent),
            grants=standing(grants, now),
            terms=tuple(terms for terms in grants if terms.principal != OWNER),
            rules=rules_of(session, owner, consent),
            uses=_scenes_with(session, row.identity_id),
        )

    def entry_of_revoked(self, session: Session, tombstone: Tombstone, handle: str) -> CastEntry:
        """What is left to tell; the handle is the asker's own word."""
        return CastEntry(
            identity_id=tombstone.identity_id,
            handle=handle,
            name=None,
            status="revoked",
            created=moment(tombstone.enrolled),
            status_index=tombstone.status_index,
            revoked=moment(tombstone.revoked),
            consent_id=tombstone.consent_id,
            uses=_scenes_with(session, tombstone.identity_id),
        )

    def scenes(self, session: Session, owner: Owner) -> int:
        """In how many scenes the person is."""
        return _scenes_with(session, owner.identity_id)

    def role(self, session: Session, consent_id: str, now: datetime) -> SceneRole:
        """How the person behind a consent stands now; ``unknown`` when this vault never had them."""
        row = session.scalars(select(IdentityRow).where(IdentityRow.consent_id == consent_id)).first()
        if row is not None:
            owner = self.owner(row)
            ended = now >= self.consent(session, owner).valid_until
            return SceneRole(
                handle=self.summary(row, owner).handle,
                identity_id=row.identity_id,
                consent_id=consent_id,
                status="expired" if ended else "in_force" if row.suspended is None else "suspended",
            )
        grave = session.scalars(select(Tombstone).where(Tombstone.consent_id == consent_id)).first()
        return SceneRole(
            handle=None,
            identity_id=grave.identity_id if grave else None,
            consent_id=consent_id,
            status="revoked" if grave else "unknown",
        )


def _scenes_with(session: Session, identity_id: str) -> int:
    uses = select(func.count(SceneUse.scene_id.distinct())).where(SceneUse.identity_id == identity_id)
    return session.scalar(uses) or 0
