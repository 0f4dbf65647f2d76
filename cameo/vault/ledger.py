"""The ledger: what was done with whose identity, in order, so that no line can be changed, dropped or put between.

Each line commits to its event without showing it:

    commitment = SHA-256("cameo/1 event" ‖ salt ‖ canonical event)      salt: 32 random bytes
    link       = SHA-256("cameo/1 link" ‖ link before ‖ canonical {seq, at, event, commitment})

The opening (salt and detail) is sealed under the person's key. When that is destroyed, the line stays and proves only
that something happened; the salt keeps anyone from guessing what. The operator signs length and head after every line,
so that the last lines cannot be cut off either. Put back together, an old ledger with its old signature would pass:
whoever holds a later head (every deletion certificate does) can tell.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from joserfc.jwk import OKPKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.errors import StoreDamaged
from cameo.vault.cipher import Context, open_sealed, seal
from cameo.vault.entries import LedgerHead
from cameo.vault.schema import LedgerRow, Meta
from enroll.signature import SignatureBroken, canonical, sign, thumbprint, verify

__all__ = ["Event", "Ledger", "Owner"]

Event = Literal[
    "put",
    "lease",
    "scene",
    "unscene",
    "allow",
    "deny",
    "forbid",
    "lift",
    "suspend",
    "resume",
    "revoke",
    "purged",
    "unbar",
]

_SALT_BYTES: Final = 32


@dataclass(frozen=True)
class Owner:
    """Whose line it is, and the key its opening is sealed under."""

    identity_id: str
    consent_id: str
    key: bytes

    def __repr__(self) -> str:
        return f"Owner({self.identity_id})"

    def context(self, kind: str) -> Context:
        return Context(self.identity_id, self.consent_id, kind)


class Ledger:
    """Append and verify; the caller's transaction makes a line and what it tells of happen together."""

    def __init__(self, vault_id: str, operator: OKPKey) -> None:
        self._vault_id = vault_id
        self._operator = operator

    def empty_head(self) -> str:
        """The signed head of a ledger without lines."""
        return self._sign(LedgerHead(size=0, head=self._origin().hex()))

    def head(self, session: Session) -> LedgerHead:
        last = session.scalars(select(LedgerRow).order_by(LedgerRow.seq.desc()).limit(1)).first()
        return (
            LedgerHead(size=last.seq, head=last.link.hex()) if last else LedgerHead(size=0, head=self._origin().hex())
        )

    def append(
        self, session: Session, event: Event, detail: Mapping[str, str | None], *, at: int, owner: Owner | None
    ) -> LedgerHead:
        """Add a line. Without an owner its opening is stored as it is: then ``detail`` may hold random ids alone."""
        before = self.head(session)
        salt = secrets.token_bytes(_SALT_BYTES)
        seq = before.size + 1
        commitment = _commitment(salt, detail)
        opening = json.dumps({"salt": b64encode(salt).decode(), "detail": dict(detail)}).encode()
        row = LedgerRow(
            seq=seq,
            at=at,
            event=event,
            commitment=commitment,
            link=_link(bytes.fromhex(before.head), seq, at, event, commitment),
            identity_id=owner.identity_id if owner else None,
            opening=seal(owner.key, opening, owner.context(f"ledger {seq}")) if owner else opening,
        )
        session.add(row)
        head = LedgerHead(size=seq, head=row.link.hex())
        session.get_one(Meta, 1).head = self._sign(head)
        session.flush()
        return head

    def verify(self, session: Session, owners: Mapping[str, Owner], buried: Collection[str]) -> LedgerHead:
        """Recompute every link, the signed head, and every commitment that can still be opened.

        Args:
            session: an open transaction.
            owners: the living, by identity id.
            buried: the identity ids of those whose key is destroyed: their lines can no longer be opened.

        Raises:
            StoreDamaged: at the first line that does not fit.
        """
        link, size = self._origin(), 0
        for row in session.scalars(select(LedgerRow).order_by(LedgerRow.seq).execution_options(yield_per=1000)):
            size += 1
            if row.seq != size:
                raise _damaged(size, "seq", str(row.seq), str(size))
            link = _link(link, row.seq, row.at, row.event, row.commitment)
            if row.link != link:
                raise _damaged(size, "link", row.link.hex(), link.hex())
            if row.identity_id not in buried:
                self._verify_opening(row, owners)
        head = LedgerHead(size=size, head=link.hex())
        try:
            signer = verify(self._head_document(head), session.get_one(Meta, 1).head)
        except SignatureBroken:
            raise StoreDamaged(
                f"the ledger has {size} lines, and that is not the length and head the operator signed"
            ) from None
        if signer != thumbprint(self._operator):
            raise _damaged(size, "signer", signer, thumbprint(self._operator))
        return head

    def _verify_opening(self, row: LedgerRow, owners: Mapping[str, Owner]) -> None:
        opening = row.opening
        if opening is None or (row.identity_id is not None and row.identity_id not in owners):
            raise _damaged(row.seq, "opening", "missing", "the event it commits to")
        if row.identity_id is not None:
            owner = owners[row.identity_id]
            opening = open_sealed(owner.key, opening, owner.context(f"ledger {row.seq}"))
        try:
            fields = json.loads(opening)
            expected = _commitment(b64decode(fields["salt"]), fields["detail"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamaged(f"ledger line {row.seq}: its opening cannot be read") from error
        if expected != row.commitment:
            raise _damaged(row.seq, "commitment", row.commitment.hex(), expected.hex())

    def _origin(self) -> bytes:
        return sha256(b"cameo/1 ledger" + self._vault_id.encode()).digest()

    def _head_document(self, head: LedgerHead) -> dict[str, object]:
        return {"format": "cameo-ledger-head/1", "vault_id": self._vault_id, **head.model_dump()}

    def _sign(self, head: LedgerHead) -> str:
        return sign(self._head_document(head), self._operator)


def _commitment(salt: bytes, detail: Mapping[str, str | None]) -> bytes:
    return sha256(b"cameo/1 event" + salt + canonical(detail)).digest()


def _link(before: bytes, seq: int, at: int, event: str, commitment: bytes) -> bytes:
    line = canonical({"seq": seq, "at": at, "event": event, "commitment": commitment.hex()})
    return sha256(b"cameo/1 link" + before + line).digest()


def _damaged(seq: int, field: str, got: str, expected: str) -> StoreDamaged:
    return StoreDamaged(f"ledger line {seq}: {field} is {got}, expected {expected}")
