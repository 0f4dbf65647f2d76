"""The ledger as it was in vaults of format 1 and 2: a hash chain; and how it becomes a tree.

link = SHA-256("cameo/1 link" ‖ link before ‖ line)
"""

from __future__ import annotations

from hashlib import sha256

from joserfc.jwk import OKPKey
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cameo.log.merkle import Growing, leaf_hash
from cameo.vault.ledger import Ledger, entry_of
from cameo.vault.line import Line
from cameo.vault.schema import LedgerRow, Meta
from enroll.signature import SignatureBroken, thumbprint, verify

__all__ = ["plant"]


def plant(session: Session, vault_id: str, operator: OKPKey) -> None:
    """Turn the chain's rows into those of a tree over the same lines. Its links lie where the nodes go.

    A chain that does not verify is not made into a tree that does: its rows are kept as they are, and whoever
    wants to leave still can.
    """
    if not _verifies(session, vault_id, operator):
        return
    tree = Growing()
    for row in session.scalars(select(LedgerRow).order_by(LedgerRow.seq)):
        row.nodes = b"".join(tree.append(leaf_hash(entry_of(row))))
    session.get_one(Meta, 1).head = Ledger(vault_id, operator).checkpoint(tree.size, tree.root())
    session.flush()


def _verifies(session: Session, vault_id: str, operator: OKPKey) -> bool:
    link, size = sha256(b"cameo/1 ledger" + vault_id.encode()).digest(), 0
    for seq, at, event, commitment, stored in session.execute(
        text("SELECT seq, at, event, commitment, nodes FROM ledger ORDER BY seq")
    ):
        size += 1
        try:
            line = Line(seq, at, event, commitment).to_bytes()
        except ValueError:
            return False
        link = sha256(b"cameo/1 link" + link + line).digest()
        if (seq, stored) != (size, link):
            return False
    head = {"format": "cameo-ledger-head/1", "vault_id": vault_id, "size": size, "head": link.hex()}
    try:
        return verify(head, session.get_one(Meta, 1).head) == thumbprint(operator)
    except SignatureBroken:
        return False
