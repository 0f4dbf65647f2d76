"""Logs of made-up entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cameo.log import Checkpoint, Growth, Inclusion, Verifier
from cameo.log.merkle import Growing, Node, consistency_path, inclusion_path, leaf_hash, root_of

ORIGIN = "example.com/log"


@dataclass(frozen=True)
class Log:
    """As a ledger keeps it: with each entry the hashes that are full with it."""

    entries: list[bytes]
    nodes: list[tuple[bytes, ...]]
    key: Ed25519PrivateKey

    def read(self, node: Node) -> bytes:
        return self.nodes[((node.number + 1) << node.level) - 1][node.level]

    @property
    def verifier(self) -> Verifier:
        return Verifier.of(ORIGIN, self.key)

    def note(self, size: int | None = None) -> bytes:
        size = len(self.entries) if size is None else size
        return Checkpoint(ORIGIN, size, root_of(size, self.read)).sign(self.key)

    def inclusion(self, index: int) -> Inclusion:
        path = inclusion_path(index, len(self.entries), self.read)
        return Inclusion(self.entries[index], index, path, self.note())

    def growth(self, old: int) -> Growth:
        path = consistency_path(old, len(self.entries), self.read)
        return Growth(old, root_of(old, self.read), path, self.note())


def make_log(size: int) -> Log:
    entries = [f"entry {n} of a made-up log".encode() for n in range(size)]
    tree = Growing()
    nodes = [tree.append(leaf_hash(entry)) for entry in entries]
    return Log(entries, nodes, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
def log() -> Callable[[int], Log]:
    return make_log
