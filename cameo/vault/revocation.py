"""The end of an identity.

1. ``destroy_key``: in one transaction, synced to the disk, the wrapped key goes and a tombstone comes. From here on
   nothing of the person can be read, nobody can lease them, and the status list says so. Their sketches go with it, or
   become a bar if they asked not to be enrolled again.
2. ``purge``: the key tree forgets the leaf that the key was wrapped by, so that no copy of the database opens it;
   ciphertexts, consent, grants, sealed details and openings go; the database file is rewritten without free pages; the
   certificate is signed and kept in the tombstone.

A process killed between the two leaves a tombstone without certificate; the next one to open the vault goes on there.

What this cannot reach: an old ``keys.tree`` on blocks that a disk keeps after they were overwritten, or in a snapshot
of the whole home; see ``keytree``. All else that may be left anywhere is ciphertext, and keys that nothing opens.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Final, Literal
from uuid import uuid4

from joserfc.jwk import OKPKey
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from cameo.errors import StoreDamaged
from cameo.log.fields import encode64
from cameo.vault.blobs import Blobs
from cameo.vault.certificate import Certificate, Destroyed, Kept, Logged
from cameo.vault.database import Database
from cameo.vault.keytree import KeyTree
from cameo.vault.ledger import Ledger
from cameo.vault.people import moment
from cameo.vault.proving import prove_line, says_of
from cameo.vault.scenes import forget_details
from cameo.vault.schema import Consent, Grant, IdentityRow, LedgerRow, Origin, Rule, Scene, SceneUse, Sketch, Tombstone

__all__ = ["destroy_key", "lift_bar", "purge", "unfinished"]

_STEPS: Final[tuple[Literal["revoke", "purged"], ...]] = ("revoke", "purged")


def destroy_key(
    session: Session,
    ledger: Ledger,
    blobs: Blobs,
    row: IdentityRow,
    *,
    at: int,
    reason: str | None,
    never_again: bool = False,
) -> Tombstone:
    """The first step. What will be destroyed is counted here, while it is all there."""
    identity_id = row.identity_id
    sketches = _count(session, Sketch, identity_id)
    if never_again:
        session.execute(update(Sketch).where(Sketch.identity_id == identity_id).values(barred=1))
    else:
        session.execute(delete(Sketch).where(Sketch.identity_id == identity_id))
    sealed_scenes = (
        select(func.count(Scene.id.distinct()))
        .join(SceneUse, SceneUse.scene_id == Scene.id)
        .where(SceneUse.identity_id == identity_id, Scene.sealed.is_not(None))
    )
    destroyed = Destroyed(
        keys=1,
        blobs=blobs.count(identity_id),
        consent_records=_count(session, Consent, identity_id),
        grants=_count(session, Grant, identity_id),
        scene_details=session.scalar(sealed_scenes) or 0,
        ledger_openings=_count(session, LedgerRow, identity_id),
        sketches=0 if never_again else sketches,
    )
    tombstone = Tombstone(
        identity_id=identity_id,
        consent_id=row.consent_id,
        handle_tag=row.handle_tag,
        enrolled=row.stored,
        revoked=at,
        reason=reason,
        destroyed=destroyed.model_dump_json(),
        certificate=None,
        status_index=row.status_index,
    )
    session.delete(row)
    session.add(tombstone)
    session.flush()
    ledger.append(session, "revoke", _ids(tombstone), at=at, owner=None)
    return tombstone


def purge(
    database: Database,
    tree: KeyTree,
    ledger: Ledger,
    blobs: Blobs,
    operator: OKPKey,
    identity_id: str,
    *,
    now: datetime,
) -> Certificate:
    """The second step; may be repeated, and by several processes at once: the certificate is made once."""
    with database.transaction() as session:
        tree.forget([session.get_one(Tombstone, identity_id).status_index])
        blobs.remove(identity_id)
        session.execute(delete(Consent).where(Consent.identity_id == identity_id))
        session.execute(delete(Grant).where(Grant.identity_id == identity_id))
        session.execute(delete(Rule).where(Rule.identity_id == identity_id))
        session.execute(delete(Origin).where(Origin.identity_id == identity_id))
        session.execute(update(LedgerRow).where(LedgerRow.identity_id == identity_id).values(opening=None))
        forget_details(session, identity_id)
    database.compact()
    with database.transaction() as session:
        tombstone = session.get_one(Tombstone, identity_id)
        if tombstone.certificate is not None:
            return Certificate.model_validate_json(tombstone.certificate)
        kept = _count(session, Sketch, identity_id)
        head = ledger.append(session, "purged", _ids(tombstone), at=int(now.timestamp()), owner=None)
        certificate = Certificate(
            certificate_id=str(uuid4()),
            identity_id=identity_id,
            consent_id=tombstone.consent_id,
            enrolled=moment(tombstone.enrolled),
            revoked=moment(tombstone.revoked),
            completed=now,
            reason=tombstone.reason,
            destroyed=Destroyed.model_validate_json(tombstone.destroyed),
            kept=Kept(sketches=kept) if kept else None,
            ledger=head,
            logged=_proofs(session, ledger, identity_id) if head else (),
        ).sign(operator)
        tombstone.certificate = certificate.to_json()
    return certificate


def lift_bar(session: Session, ledger: Ledger, certificate_id: str, *, at: int) -> Tombstone | None:
    """Forget the sketches kept under a deletion certificate; None when none of this vault has that id and a bar."""
    for tombstone in session.scalars(
        select(Tombstone).join(Sketch, Sketch.identity_id == Tombstone.identity_id).where(Sketch.barred == 1)
    ).unique():
        certificate = tombstone.certificate
        if certificate and Certificate.model_validate_json(certificate).certificate_id == certificate_id:
            session.execute(delete(Sketch).where(Sketch.identity_id == tombstone.identity_id))
            ledger.append(session, "unbar", _ids(tombstone), at=at, owner=None)
            return tombstone
    return None


def unfinished(session: Session) -> list[str]:
    """Identities whose key is destroyed and whose purge was never completed."""
    return list(session.scalars(select(Tombstone.identity_id).where(Tombstone.certificate.is_(None))))


def _proofs(session: Session, ledger: Ledger, identity_id: str) -> tuple[Logged, ...]:
    """What the ledger says of this deletion, each line as it stands in the tree with all of it; empty when it is
    damaged, which must not keep anybody from leaving."""
    lines: list[Logged] = []
    with suppress(StoreDamaged):
        for event in _STEPS:
            for seq, opening in islice(says_of(session, event, identity_id), 1):
                proof = prove_line(session, ledger, seq).to_bytes().decode()
                lines.append(Logged(event=event, salt=encode64(opening.salt), proof=proof))
    return tuple(lines) if len(lines) == len(_STEPS) else ()


def _count(
    session: Session, table: type[Consent] | type[Grant] | type[LedgerRow] | type[Sketch], identity_id: str
) -> int:
    return session.scalar(select(func.count()).select_from(table).where(table.identity_id == identity_id)) or 0


def _ids(tombstone: Tombstone) -> dict[str, str | None]:
    return {"identity_id": tombstone.identity_id, "consent_id": tombstone.consent_id}
