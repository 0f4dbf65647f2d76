"""Who may come into the vault, and how they are written down."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.errors import AlreadyEnrolled, EnrollmentRefused, HandleTaken, Revoked, UsageError
from cameo.rules import rule
from cameo.vault.allotment import draw_index
from cameo.vault.cipher import seal
from cameo.vault.duplicates import Duplicates
from cameo.vault.entries import Summary, Terms
from cameo.vault.grants import set_grant
from cameo.vault.keys import MasterKey
from cameo.vault.keytree import KeyTree
from cameo.vault.ledger import Ledger, Owner
from cameo.vault.package import Head
from cameo.vault.people import People
from cameo.vault.rules import add_rule
from cameo.vault.schema import Consent, IdentityRow, Origin, Tombstone
from enroll.consent import ConsentRecord
from enroll.errors import BadInput, ConsentInvalid
from enroll.identity import Identity

__all__ = ["admit", "require_covered", "require_new", "require_stranger", "settle"]


def require_covered(identity: Identity, consent: ConsentRecord) -> None:
    """Nothing is kept that the person did not agree to.

    Raises:
        BadInput: the identity's id is no UUID (it becomes a folder's name).
        ConsentInvalid: the identity rests on another consent, is from another clip than met its challenge, or holds
            what this consent does not cover; or the consent forbids what no prompt can be held against.
    """
    try:
        canonical = str(UUID(identity.identity_id)) == identity.identity_id
    except ValueError:
        canonical = False
    if not canonical:
        raise BadInput(f"identity id {identity.identity_id[:80]!r} is no UUID")
    if identity.consent_id != consent.consent_id:
        raise ConsentInvalid(f"identity rests on consent {identity.consent_id}, got {consent.consent_id}")
    if consent.evidence is not None and consent.evidence.clip_sha256 != identity.clip_sha256:
        raise ConsentInvalid(f"the challenge for @{consent.handle} was met by another clip than the identity is from")
    held: set[str] = {embedding.modality for embedding in identity.embeddings.values()}
    held |= {"face" if crop.kind == "head" else "body" for crop in identity.crops}
    held |= {"voice"} if identity.speech is not None else set()
    beyond = sorted(held - set(consent.scope))
    if beyond:
        raise ConsentInvalid(
            f"consent for @{consent.handle} covers {', '.join(consent.scope)}, the identity holds {', '.join(beyond)}",
            hint="ask for a consent with that scope, or enroll without it",
        )
    for words in consent.processing.forbidden if consent.processing is not None else ():
        try:
            rule(words)
        except UsageError:
            raise ConsentInvalid(
                f"consent for @{consent.handle} forbids {words!r}, in which there is no word", hint="ask for another"
            ) from None


def require_new(session: Session, people: People, identity: Identity) -> None:
    """
    Raises:
        Revoked: this identity or this consent was revoked.
        HandleTaken: someone is enrolled under the handle, or on this consent.
    """
    buried = select(Tombstone).where(
        (Tombstone.consent_id == identity.consent_id) | (Tombstone.identity_id == identity.identity_id)
    )
    if session.scalars(buried).first() is not None:
        raise Revoked(
            f"consent {identity.consent_id} for @{identity.handle} was revoked", hint="a new consent is needed"
        )
    taken = select(IdentityRow).where(
        (IdentityRow.handle_tag == people.tag(identity.handle))
        | (IdentityRow.consent_id == identity.consent_id)
        | (IdentityRow.identity_id == identity.identity_id)
    )
    if session.scalars(taken).first() is not None:
        raise HandleTaken(
            f"someone is enrolled as @{identity.handle} already",
            hint=f"choose another handle, or first: cameo revoke {identity.handle}",
        )


def require_stranger(
    session: Session, people: People, duplicates: Duplicates, identity: Identity, *, again: bool
) -> tuple[str, ...]:
    """Nobody is enrolled twice unawares, or against their wish.

    Args:
        again: the operator knows that this person is here under another handle, or looks like somebody who is. That
            does not lift a bar.

    Returns:
        The ids of those here who are taken for this person; with ``again`` there may be some.

    Raises:
        EnrollmentRefused: the person left and asked not to be enrolled again.
        AlreadyEnrolled: they are here under another handle.
    """
    matches = duplicates.find(session, identity)
    if any(match.barred for match in matches):
        raise EnrollmentRefused(
            f"whoever is to be @{identity.handle} left and asked not to be enrolled again",
            hint="only they can want that back: cameo unbar, with the id of their deletion certificate",
        )
    if matches and not again:
        row = session.get_one(IdentityRow, matches[0].identity_id)
        other = people.summary(row, people.owner(row)).handle
        raise AlreadyEnrolled(
            f"whoever is to be @{identity.handle} is enrolled already, as @{other}",
            hint=f"use @{other}; or, for a twin or a second persona: cameo enroll … --again",
        )
    return tuple(match.identity_id for match in matches)


def settle(session: Session, master: MasterKey, owner: Owner, head: Head, *, abroad: bool) -> None:
    """Write down what came with somebody from another home: grants, rules, and where their status is looked up."""
    for terms in head.grants:
        set_grant(session, master, owner, terms)
    for words in head.rules:
        add_rule(session, master, owner, words)
    if abroad:
        session.add(Origin(identity_id=owner.identity_id, issuer=head.issuer, status_index=head.status_index))
        session.flush()


def admit(
    session: Session,
    master: MasterKey,
    tree: KeyTree,
    ledger: Ledger,
    duplicates: Duplicates,
    owner: Owner,
    identity: Identity,
    consent: ConsentRecord,
    *,
    at: int,
    despite: tuple[str, ...] = (),
) -> IdentityRow:
    """Write a person down: wrapped key, sealed summary and consent, an index in the status list, grants, sketches, a
    line in the ledger.

    ``despite``: the ids of those they were taken for; the ledger keeps that.
    """
    summary = Summary.of(identity, consent.name)
    index = draw_index(session, tree)
    row = IdentityRow(
        identity_id=owner.identity_id,
        consent_id=owner.consent_id,
        handle_tag=master.tag("handle", identity.handle),
        wrapped_key=tree.wrap(owner.key, index, owner.context("key")),
        sealed_entry=seal(owner.key, summary.model_dump_json().encode(), owner.context("entry")),
        stored=at,
        keep_until=int((consent.valid_until + timedelta(days=consent.retention_days)).timestamp()),
        status_index=index,
    )
    sealed_consent = seal(owner.key, consent.to_json().encode(), owner.context("consent"))
    session.add_all([row, Consent(identity_id=owner.identity_id, sealed=sealed_consent)])
    for who in consent.grants:
        set_grant(session, master, owner, Terms(principal=who, allowed=True))
    duplicates.remember(session, identity)
    detail = {"consent_id": owner.consent_id} | ({"again": " ".join(despite)} if despite else {})
    ledger.append(session, "put", detail, at=at, owner=owner)
    return row
