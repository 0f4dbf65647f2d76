"""The ledger: what was done with whose identity, in order, so that no line can be changed, dropped or put between.

Each line commits to its event without showing it (see ``line``). The opening is sealed under the person's key: when
that is destroyed, the line stays and proves only that something happened.

The lines are the entries of a Merkle tree (RFC 9162, see ``cameo.log``). With each, the row keeps the hashes of the
perfect subtrees that are full with it, so that a line is added, and a proof made, by reading a few rows. After every
line the operator signs a checkpoint, so that the last lines cannot be cut off either. Put back together, an old ledger
with its old checkpoint would pass: whoever holds a later one (every deletion certificate does) can tell, and show it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cameo.errors import ProofInvalid, StoreDamaged
from cameo.log.checkpoint import Checkpoint
from cameo.log.merkle import EMPTY, HASH_BYTES, Growing, Node, leaf_hash, peaks
from cameo.log.note import Verifier
from cameo.vault.cipher import Context, open_sealed, seal
from cameo.vault.entries import LedgerHead
from cameo.vault.line import Detail, Line, Opening
from cameo.vault.schema import LedgerRow, Meta

__all__ = ["Event", "Ledger", "Owner", "entry_of", "read_nodes"]

Event = Literal[
    "put",
    "lease",
    "scene",
    "unscene",
    "allow",
    "deny",
    "issue",
    "accept",
    "forbid",
    "lift",
    "suspend",
    "resume",
    "revoke",
    "purged",
    "unbar",
    "export",
]

_LEAVING: Final = ("revoke", "purged")
_LARGEST: Final = 2**52


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
        self._key = cast(Ed25519PrivateKey, operator.private_key)
        # The operator signs documents with this key too (``enroll.signature``). What is signed there is base64url and a
        # dot, on one line; a checkpoint has three lines: neither can be taken for the other.
        self.verifier = Verifier.of(f"cameo/ledger/{vault_id}", self._key)

    def empty_head(self) -> str:
        """The signed checkpoint of a ledger without lines."""
        return self.checkpoint(0, EMPTY)

    def checkpoint(self, size: int, root: bytes) -> str:
        return Checkpoint(self.verifier.name, size, root).sign(self._key).decode()

    def append(
        self, session: Session, event: Event, detail: Detail, *, at: int, owner: Owner | None
    ) -> LedgerHead | None:
        """Add a line. Without an owner its opening is stored as it is: then ``detail`` may hold random ids alone.

        Returns:
            The new head; None when somebody leaves a vault whose ledger is damaged. They are let go and the line is
            added, but nothing is signed: the ledger goes on not to verify.

        Raises:
            StoreDamaged: the ledger is not the one that was signed last, and this is not about leaving.
        """
        # A damaged number far beyond all others must not keep anybody from leaving.
        size = session.scalar(select(func.max(LedgerRow.seq)).where(LedgerRow.seq < _LARGEST)) or 0
        opening = Opening.new(detail)
        line = Line(size + 1, at, event, opening.commitment())
        leaf = leaf_hash(line.to_bytes())
        try:
            tree = self._signed_tree(session, size)
        except StoreDamaged:
            if event not in _LEAVING:
                raise
            tree = None
        sealed = opening.to_bytes()
        session.add(
            LedgerRow(
                seq=line.seq,
                at=at,
                event=event,
                commitment=line.commitment,
                nodes=b"".join(tree.append(leaf)) if tree else leaf,
                identity_id=owner.identity_id if owner else None,
                opening=seal(owner.key, sealed, owner.context(f"ledger {line.seq}")) if owner else sealed,
            )
        )
        if tree:
            session.get_one(Meta, 1).head = self.checkpoint(tree.size, tree.root())
        session.flush()
        return LedgerHead(size=tree.size, root=tree.root().hex()) if tree else None

    def signed(self, session: Session) -> Checkpoint:
        """The checkpoint that was signed last.

        Raises:
            StoreDamaged: it is none of this operator and this vault.
        """
        try:
            return Checkpoint.open(session.get_one(Meta, 1).head.encode(), self.verifier)
        except ProofInvalid as error:
            raise StoreDamaged(f"the ledger's checkpoint does not verify: {error.message}") from None

    def verify(self, session: Session, owners: Mapping[str, Owner], buried: Collection[str]) -> LedgerHead:
        """Recompute every hash, hold the root to the signed checkpoint, and every opening that is there to its line.

        Args:
            session: an open transaction.
            owners: the living, by identity id.
            buried: the identity ids of those whose key is destroyed: their lines can no longer be opened.

        Raises:
            StoreDamaged: at the first line that does not fit.
        """
        tree = Growing()
        for row in session.scalars(select(LedgerRow).order_by(LedgerRow.seq).execution_options(yield_per=1000)):
            seq = tree.size + 1
            if row.seq != seq:
                raise _damaged(seq, "seq", str(row.seq), str(seq))
            nodes = b"".join(tree.append(leaf_hash(entry_of(row))))
            if row.nodes != nodes:
                raise _damaged(seq, "hashes", row.nodes.hex()[:80], nodes.hex()[:80])
            if row.identity_id not in buried:
                self._verify_opening(row, owners)
        signed = self.signed(session)
        if (signed.size, signed.root) != (tree.size, tree.root()):
            raise StoreDamaged(
                f"the ledger has {tree.size} lines, and those are not the {signed.size} the operator signed"
            )
        return LedgerHead(size=signed.size, root=signed.root.hex())

    def _signed_tree(self, session: Session, size: int) -> Growing:
        """The tree so far. Whoever changed a line and all hashes above it must not get that signed by the next act."""
        hashes = read_nodes(session, peaks(size))
        tree = Growing(size, (hashes[node] for node in peaks(size)))
        signed = self.signed(session)
        if (signed.size, signed.root) != (size, tree.root()):
            raise StoreDamaged(
                f"the ledger has {size} lines, and those are not the {signed.size} the operator signed",
                hint="cameo log verify says where; restore the vault from a backup. Whoever wants to leave still can",
            )
        return tree

    def _verify_opening(self, row: LedgerRow, owners: Mapping[str, Owner]) -> None:
        content = row.opening
        if content is None or (row.identity_id is not None and row.identity_id not in owners):
            raise _damaged(row.seq, "opening", "missing", "the event it commits to")
        if row.identity_id is not None:
            owner = owners[row.identity_id]
            content = open_sealed(owner.key, content, owner.context(f"ledger {row.seq}"))
        try:
            expected = Opening.from_bytes(content).commitment()
        except ValueError as error:
            raise StoreDamaged(f"ledger line {row.seq}: its opening cannot be read") from error
        if expected != row.commitment:
            raise _damaged(row.seq, "commitment", row.commitment.hex(), expected.hex())


def entry_of(row: LedgerRow) -> bytes:
    """The line as it is in the tree. Raises StoreDamaged for what was never one."""
    try:
        return Line(row.seq, row.at, row.event, row.commitment).to_bytes()
    except ValueError as error:
        # RFC 8785 knows no integers beyond 2⁵³, a damaged row may.
        raise StoreDamaged(f"ledger line {row.seq} cannot be one: {error}") from None


def read_nodes(session: Session, nodes: Iterable[Node]) -> dict[Node, bytes]:
    """Hashes of perfect subtrees: each is in the row of the last line it is over.

    Raises:
        StoreDamaged: one is not there.
    """
    last_lines = {node: (node.number + 1) << node.level for node in nodes}
    found = select(LedgerRow.seq, LedgerRow.nodes).where(LedgerRow.seq.in_(last_lines.values()))
    rows = {row.seq: row.nodes for row in session.execute(found)}
    hashes = {}
    for node, seq in last_lines.items():
        at = node.level * HASH_BYTES
        hashes[node] = rows.get(seq, b"")[at : at + HASH_BYTES]
        if len(hashes[node]) != HASH_BYTES:
            raise _damaged(seq, "hashes", "too few", f"one of level {node.level}")
    return hashes


def _damaged(seq: int, field: str, got: str, expected: str) -> StoreDamaged:
    return StoreDamaged(f"ledger line {seq}: {field} is {got}, expected {expected}")
