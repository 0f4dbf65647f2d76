"""Proofs in files of their own: all that is needed to check one, but for the verifier key.

An ``Inclusion`` is in the format C2SP tlog-proof, with the entry itself as its extra data:

    c2sp.org/tlog-proof@v1
    extra base64(entry)
    index N                     counted from 0
    base64(hash) …              RFC 9162 §2.1.3, from the entry's sibling up
                                empty line
    signed checkpoint

For ``Growth`` there is no published format of a file. It is, under a line of its own, what C2SP tlog-witness sends to
a witness, and the old root with it:

    cameo/tlog-growth@v1
    old SIZE base64(root)
    base64(hash) …              RFC 9162 §2.1.4
                                empty line
    signed checkpoint
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from cameo.errors import ProofInvalid
from cameo.log.checkpoint import Checkpoint
from cameo.log.fields import decode64, decode_decimal, encode64
from cameo.log.merkle import HASH_BYTES, leaf_hash, verify_consistency, verify_inclusion
from cameo.log.note import MAX_NOTE_BYTES, Verifier

__all__ = ["MAX_PROOF_BYTES", "Growth", "Inclusion", "read_proof"]

MAX_PROOF_BYTES: Final = 256 * 1024
_MAX_PATH: Final = 64
"""A tree of 2⁶³ entries has paths of 63 hashes, one of consistency may have one more."""
_INCLUSION: Final = "c2sp.org/tlog-proof@v1"
_GROWTH: Final = "cameo/tlog-growth@v1"


@dataclass(frozen=True)
class Inclusion:
    """An entry is in a log.

    Attributes:
        index: the entry's place, from 0.
        path: see ``merkle.inclusion_path``.
        checkpoint: signed, as the log gave it.
    """

    entry: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def to_bytes(self) -> bytes:
        head = (_INCLUSION, f"extra {encode64(self.entry)}", f"index {self.index}")
        return _join(head, self.path, self.checkpoint)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Raises ProofInvalid when it is none; does not look at signature or hashes."""
        (first, *head), path, checkpoint = _part(content, 3)
        if first != _INCLUSION:
            raise ProofInvalid(f"this is no proof of inclusion: expected {_INCLUSION} and the entry")
        entry = decode64(_after("extra ", head[0]), "entry")
        return cls(entry, decode_decimal(_after("index ", head[1]), "index"), path, checkpoint)

    def verify(self, verifier: Verifier) -> Checkpoint:
        """The checkpoint of the log that the entry is shown to be in.

        Raises:
            ProofInvalid: it is not shown.
        """
        checkpoint = Checkpoint.open(self.checkpoint, verifier)
        verify_inclusion(leaf_hash(self.entry), self.index, checkpoint.size, self.path, checkpoint.root)
        return checkpoint


@dataclass(frozen=True)
class Growth:
    """A log is an earlier state of it with something added, and nothing in it changed.

    Attributes:
        old_size, old_root: the earlier state.
        path: see ``merkle.consistency_path``.
        checkpoint: the later state, signed.
    """

    old_size: int
    old_root: bytes
    path: tuple[bytes, ...]
    checkpoint: bytes

    def to_bytes(self) -> bytes:
        return _join((_GROWTH, f"old {self.old_size} {encode64(self.old_root)}"), self.path, self.checkpoint)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Raises ProofInvalid when it is none; does not look at signature or hashes."""
        (first, old), path, checkpoint = _part(content, 2)
        if first != _GROWTH:
            raise ProofInvalid(f"this is no proof of growth: expected {_GROWTH}")
        size, _, root = _after("old ", old).partition(" ")
        return cls(decode_decimal(size, "old size"), decode64(root, "old root", HASH_BYTES), path, checkpoint)

    def verify(self, verifier: Verifier, since: Checkpoint | None = None) -> Checkpoint:
        """The later checkpoint.

        Args:
            since: an earlier checkpoint that the caller holds; without it, the proof's own word for the earlier state
                is all there is.

        Raises:
            ProofInvalid: the log did not grow from that.
        """
        checkpoint = Checkpoint.open(self.checkpoint, verifier)
        if since is not None and (since.size, since.root) != (self.old_size, self.old_root):
            raise ProofInvalid(
                f"the proof starts at another state of size {self.old_size}, the checkpoint is of size {since.size}"
            )
        verify_consistency(self.old_size, checkpoint.size, self.path, self.old_root, checkpoint.root)
        return checkpoint


def read_proof(content: bytes) -> Inclusion | Growth:
    """Whichever it is. Raises ProofInvalid when it is neither."""
    return Growth.parse(content) if content.startswith(_GROWTH.encode()) else Inclusion.parse(content)


def _join(head: Sequence[str], path: Sequence[bytes], checkpoint: bytes) -> bytes:
    return "".join(f"{line}\n" for line in (*head, *map(encode64, path), "")).encode() + checkpoint


def _part(content: bytes, lines: int) -> tuple[list[str], tuple[bytes, ...], bytes]:
    """First lines, path, checkpoint."""
    if len(content) > MAX_PROOF_BYTES:
        raise ProofInvalid(f"the proof has {len(content)} bytes, expected at most {MAX_PROOF_BYTES}")
    above, blank, checkpoint = content.partition(b"\n\n")
    try:
        found = above.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ProofInvalid("this is no proof of a ledger: it is not in ASCII") from None
    head, path = found[:lines], found[lines:]
    if not blank or len(head) < lines or len(checkpoint) > MAX_NOTE_BYTES:
        raise ProofInvalid("this is no proof of a ledger: expected its lines, a blank line and a checkpoint")
    if len(path) > _MAX_PATH:
        raise ProofInvalid(f"the proof has {len(path)} hashes, expected at most {_MAX_PATH}")
    return head, tuple(decode64(line, "hash", HASH_BYTES) for line in path), checkpoint


def _after(word: str, line: str) -> str:
    if not line.startswith(word):
        raise ProofInvalid(f"a line of the proof is {line[:30]!r}, expected {word.strip()}")
    return line[len(word) :]
