"""Proofs of what is in the ledger, for whoever has to be shown: of one line, of how it grew, of all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.errors import ProofInvalid, StoreDamaged, UnknownHandle, UsageError
from cameo.log.checkpoint import Checkpoint
from cameo.log.folder import export
from cameo.log.merkle import EMPTY, Growing, Node, Read, consistency_path, inclusion_path, leaf_hash, root_of
from cameo.log.proof import Growth, Inclusion
from cameo.vault.ledger import Ledger, entry_of, read_nodes
from cameo.vault.line import Opening
from cameo.vault.schema import IdentityRow, LedgerRow, Meta, Tombstone

__all__ = ["export_ledger", "last_line_of", "prove_growth", "prove_line", "says_of"]

_AT_A_TIME: Final = 1000
_A_FEW: Final = 20

_Made = TypeVar("_Made")


def prove_line(session: Session, ledger: Ledger, seq: int) -> Inclusion:
    """That a line is in the ledger as it stands now.

    Raises:
        UsageError: there is no such line.
        StoreDamaged: what is read does not lead to the root that was signed.
    """
    signed = ledger.signed(session)
    row = session.get(LedgerRow, seq) if 1 <= seq <= signed.size else None
    if row is None:
        raise UsageError(f"the ledger has no line {seq}", hint=f"its lines are 1 to {signed.size}")
    path = _read_at_once(session, lambda read: inclusion_path(seq - 1, signed.size, read))
    proof = Inclusion(entry_of(row), seq - 1, path, _note(session))
    _hold(proof, ledger)
    return proof


def prove_growth(session: Session, ledger: Ledger, since: int | Checkpoint) -> Growth:
    """That the ledger as it stands now is an earlier state with lines added.

    Raises:
        UsageError: it never had that many lines.
        StoreDamaged: it had that many, and they were others than the checkpoint says.
    """
    signed = ledger.signed(session)
    size = since if isinstance(since, int) else since.size
    if not 0 <= size <= signed.size:
        raise UsageError(f"the ledger has {signed.size} lines, it cannot have grown from {size}")
    old_root = _read_at_once(session, lambda read: root_of(size, read))
    if isinstance(since, Checkpoint) and since.root != old_root:
        raise StoreDamaged(f"the ledger's first {size} lines are not those of the checkpoint of that size")
    path = _read_at_once(session, lambda read: consistency_path(size, signed.size, read))
    proof = Growth(size, old_root, path, _note(session))
    _hold(proof, ledger)
    return proof


def export_ledger(session: Session, ledger: Ledger) -> Callable[[Path], Checkpoint]:
    """Read all of it; what is returned writes it to a folder, when the transaction is over.

    Raises:
        StoreDamaged: it is not what was signed.
    """
    rows = select(LedgerRow).order_by(LedgerRow.seq).execution_options(yield_per=_AT_A_TIME)
    entries = [entry_of(row) for row in session.scalars(rows)]
    note, signed, tree = _note(session), ledger.signed(session), Growing()
    for entry in entries:
        tree.append(leaf_hash(entry))
    if (signed.size, signed.root) != (tree.size, tree.root()):
        raise StoreDamaged(f"the ledger has {tree.size} lines, and those are not the {signed.size} the operator signed")

    def write(folder: Path) -> Checkpoint:
        return export(folder, entries, note, ledger.verifier)

    return write


def last_line_of(session: Session, person: IdentityRow | Tombstone) -> int:
    """The last line about a person: of one who is gone, that everything of theirs was destroyed.

    Raises:
        UnknownHandle: there is none.
    """
    if isinstance(person, Tombstone):
        found = (seq for event in ("purged", "revoke") for seq, _ in says_of(session, event, person.identity_id))
        seq = next(found, None)
    else:
        theirs = select(LedgerRow.seq).where(LedgerRow.identity_id == person.identity_id)
        seq = session.scalar(theirs.order_by(LedgerRow.seq.desc()).limit(1))
    if seq is None:
        raise UnknownHandle(f"no line of the ledger is about identity {person.identity_id}")
    return seq


def says_of(session: Session, event: str, identity_id: str) -> Iterator[tuple[int, Opening]]:
    """The lines of an event without an owner that are about an identity, with what opens them; the last first. Who has
    just left is found at once, whoever left before them."""
    rows = select(LedgerRow.seq, LedgerRow.opening).where(LedgerRow.event == event, LedgerRow.identity_id.is_(None))
    for seq, content in session.execute(rows.order_by(LedgerRow.seq.desc()).execution_options(yield_per=_A_FEW)):
        try:
            opening = Opening.from_bytes(content or b"")
        except ValueError:
            continue
        if opening.detail.get("identity_id") == identity_id:
            yield seq, opening


def _hold(proof: Inclusion | Growth, ledger: Ledger) -> None:
    """What is handed out was checked as its receiver will check it."""
    try:
        proof.verify(ledger.verifier)
    except ProofInvalid as error:
        raise StoreDamaged(f"the ledger does not verify: {error.message}") from None


def _note(session: Session) -> bytes:
    return session.get_one(Meta, 1).head.encode()


def _read_at_once(session: Session, walk: Callable[[Read], _Made]) -> _Made:
    """Walk the tree twice: for the nodes that are asked for, and, all of them read in one go, for what they make."""
    asked: list[Node] = []

    def ask(node: Node) -> bytes:
        asked.append(node)
        return EMPTY

    walk(ask)
    return walk(read_nodes(session, asked).__getitem__)
