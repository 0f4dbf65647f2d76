"""Our trees and proofs by another implementation of RFC 9162: pymerkle's."""

from __future__ import annotations

import pytest
from pymerkle import InmemoryTree, InvalidProof, verify_consistency, verify_inclusion

from cameo.log.merkle import inclusion_path, leaf_hash, root_of
from tests.cameo.log.conftest import make_log

SIZES = (1, 2, 3, 7, 8, 11, 64, 100)


def theirs(entries: list[bytes]) -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries:
        tree.append_entry(entry)
    return tree


def test_the_same_roots_at_every_size() -> None:
    log = make_log(100)
    tree = theirs(log.entries)
    for size in range(1, 101):
        assert tree.get_state(size) == root_of(size, log.read)


@pytest.mark.parametrize("size", SIZES)
def test_it_takes_our_proofs_of_inclusion(size: int) -> None:
    log = make_log(size)
    tree, root = theirs(log.entries), root_of(size, log.read)
    for index in range(size):
        proof = tree.prove_inclusion(index + 1, size)
        leaf, ours = leaf_hash(log.entries[index]), list(inclusion_path(index, size, log.read))
        proof.path = [leaf, *ours]
        verify_inclusion(leaf, root, proof, index=index + 1, size=size, algorithm="sha256")
        for place in range(len(proof.path)):
            proof.path = [leaf, *ours]
            proof.path[place] = bytes(32)
            with pytest.raises(InvalidProof):
                verify_inclusion(leaf, root, proof, index=index + 1, size=size, algorithm="sha256")


@pytest.mark.parametrize("size", SIZES)
def test_its_proofs_of_growth_lead_from_our_roots_to_ours(size: int) -> None:
    """It writes such proofs in a form of its own; that of the RFC is held to published ones in ``test_merkle``."""
    log = make_log(size)
    tree, root = theirs(log.entries), root_of(size, log.read)
    for old in range(1, size):
        proof = tree.prove_consistency(old, size)
        verify_consistency(root_of(old, log.read), root, proof, prior_size=old, later_size=size, algorithm="sha256")
