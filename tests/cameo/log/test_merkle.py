"""The tree against the RFC's definitions, against published hashes, and against every flipped bit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameo.errors import ProofInvalid
from cameo.log.merkle import (
    EMPTY,
    Growing,
    consistency_path,
    inclusion_path,
    leaf_hash,
    peaks,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.cameo.log import judge
from tests.cameo.log.conftest import make_log

# The reference tree of Certificate Transparency, as its implementations in C++, Go and Python test themselves with.
ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): INCLUSION[1, 5][1:],
}
ALL = 300
"""Sizes up to which the tree is held to the RFC's definitions, every one of them."""


def grown(entries: list[bytes]):
    """A reader of all hashes of a tree."""
    tree = Growing()
    nodes = [tree.append(leaf_hash(entry)) for entry in entries]
    return lambda node: nodes[((node.number + 1) << node.level) - 1][node.level]


def test_the_reference_tree() -> None:
    read = grown(ENTRIES)
    assert [root_of(size, read).hex() for size in range(1, 9)] == ROOTS
    for (index, size), path in INCLUSION.items():
        assert [h.hex() for h in inclusion_path(index, size, read)] == path
    for (old, size), path in CONSISTENCY.items():
        assert [h.hex() for h in consistency_path(old, size, read)] == path
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_roots_as_the_rfc_defines_them() -> None:
    log, tree = make_log(ALL), Growing()
    assert tree.root() == judge.mth([])
    for size, entry in enumerate(log.entries, start=1):
        full = tree.append(leaf_hash(entry))
        assert tree.root() == root_of(size, log.read) == judge.mth(log.entries[:size])
        assert len(full) <= size.bit_length() and len(peaks(size)) <= size.bit_length()


def test_going_on_from_what_was_kept() -> None:
    log = make_log(ALL)
    for size in range(0, ALL, 7):
        tree = Growing(size, [log.read(node) for node in peaks(size)])
        for entry in log.entries[size:]:
            tree.append(leaf_hash(entry))
        assert tree.root() == root_of(ALL, log.read)
    with pytest.raises(ValueError, match="peaks"):
        Growing(5, [EMPTY])


def test_every_inclusion_as_the_rfc_defines_it() -> None:
    log = make_log(70)
    for size in range(1, 71):
        root = root_of(size, log.read)
        for index in range(size):
            path = inclusion_path(index, size, log.read)
            assert list(path) == judge.path(index, log.entries[:size])
            verify_inclusion(leaf_hash(log.entries[index]), index, size, path, root)


def test_every_growth_as_the_rfc_defines_it() -> None:
    log = make_log(70)
    for size in range(1, 71):
        root = root_of(size, log.read)
        for old in range(size + 1):
            path = consistency_path(old, size, log.read)
            assert old == 0 or list(path) == judge.proof(old, log.entries[:size])
            verify_consistency(old, size, path, root_of(old, log.read), root)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_larger_trees(data) -> None:
    size = data.draw(st.integers(1, 2000))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    root = root_of(size, LARGE.read)
    verify_inclusion(leaf_hash(LARGE.entries[index]), index, size, inclusion_path(index, size, LARGE.read), root)
    path = consistency_path(old, size, LARGE.read)
    verify_consistency(old, size, path, root_of(old, LARGE.read), root)


LARGE = make_log(2000)


def flips(*parts: bytes):
    """Every one of the parts with one bit of one of them flipped, for each bit there is."""
    for which, part in enumerate(parts):
        for bit in range(8 * len(part)):
            changed = bytearray(part)
            changed[bit // 8] ^= 1 << bit % 8
            yield (*parts[:which], bytes(changed), *parts[which + 1 :])


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (5, 7), (6, 7), (100, 200), (255, 256), (256, 257)])
def test_no_bit_of_an_inclusion_is_free(index: int, size: int) -> None:
    entry, path, root = LARGE.entries[index], inclusion_path(index, size, LARGE.read), root_of(size, LARGE.read)
    for changed, new_root, *new_path in flips(entry, root, *path):
        with pytest.raises(ProofInvalid):
            verify_inclusion(leaf_hash(changed), index, size, new_path, new_root)
    for bit in range(12):
        with pytest.raises(ProofInvalid):
            verify_inclusion(leaf_hash(entry), index ^ 1 << bit, size, path, root)


@pytest.mark.parametrize(("old", "size"), [(1, 2), (4, 7), (6, 8), (7, 7), (100, 200), (128, 200), (255, 257)])
def test_no_bit_of_a_growth_is_free(old: int, size: int) -> None:
    path, roots = consistency_path(old, size, LARGE.read), [root_of(n, LARGE.read) for n in (old, size)]
    for old_root, root, *new_path in flips(*roots, *path):
        with pytest.raises(ProofInvalid):
            verify_consistency(old, size, new_path, old_root, root)


def test_paths_of_another_length() -> None:
    for index, size in [(0, 1), (3, 7), (6, 7), (100, 200)]:
        path, root = inclusion_path(index, size, LARGE.read), root_of(size, LARGE.read)
        for wrong in (path[:-1], (*path, EMPTY), (EMPTY, *path)):
            if wrong != path:
                with pytest.raises(ProofInvalid):
                    verify_inclusion(leaf_hash(LARGE.entries[index]), index, size, wrong, root)
    for old, size in [(0, 5), (3, 7), (4, 8), (8, 8), (100, 200)]:
        path, roots = consistency_path(old, size, LARGE.read), [root_of(n, LARGE.read) for n in (old, size)]
        for wrong in ((*path, EMPTY), (EMPTY, *path), *([path[:-1], ()] if path else [])):
            with pytest.raises(ProofInvalid):
                verify_consistency(old, size, wrong, *roots)


def test_numbers_that_cannot_be() -> None:
    leaf, root = leaf_hash(LARGE.entries[0]), root_of(1, LARGE.read)
    for index, size in [(1, 1), (-1, 1), (0, 0), (5, 3)]:
        with pytest.raises(ProofInvalid):
            verify_inclusion(leaf, index, size, (), root)
        with pytest.raises(ValueError, match="entry"):
            inclusion_path(index, size, LARGE.read)
    for old, size in [(2, 1), (-1, 1)]:
        with pytest.raises(ProofInvalid):
            verify_consistency(old, size, (), root, root)
        with pytest.raises(ValueError, match="does not go on"):
            consistency_path(old, size, LARGE.read)


def test_an_entry_is_no_subtree() -> None:
    """A leaf that spells out two hashes is not taken for the node over them: the prefixes keep them apart."""
    log = make_log(2)
    forged = log.nodes[0][0] + log.nodes[1][0]
    with pytest.raises(ProofInvalid):
        verify_inclusion(leaf_hash(forged), 0, 1, (), root_of(2, log.read))
