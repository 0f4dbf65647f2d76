"""What is forgotten follows from nothing any more, and everything else still does."""

from __future__ import annotations

import hmac
import shutil
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameo.errors import Revoked, StoreDamaged, StoreFull
from cameo.studio import Studio
from cameo.vault import Vault
from cameo.vault.cipher import Context, open_sealed
from cameo.vault.database import open_database
from cameo.vault.keys import MasterKey
from cameo.vault.keytree import KeyTree
from cameo.vault.opening import unlock
from cameo.vault.people import People
from tests.cameo.vault.older import without_a_tree

CONTEXT = Context("somebody", "a consent", "key")
KEY = bytes(range(32))
INDEXES = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 40))


@pytest.fixture
def tree(tmp_path) -> KeyTree:
    return planted(tmp_path)


def planted(home) -> KeyTree:
    tree = KeyTree(home, MasterKey(bytes(32)))
    tree.plant()
    return tree


def leaf_by_hand(root: bytes, index: int) -> bytes:
    """Goldreich, Goldwasser, Micali: the index's bits, the highest first."""
    for bit in f"{index:032b}":
        root = hmac.new(root, bit.encode(), sha256).digest()
    return root


@settings(max_examples=40, deadline=None)
@given(gone=st.sets(INDEXES, max_size=12), asked=st.sets(INDEXES, min_size=1, max_size=12))
def test_leaves_are_those_of_the_root_until_they_are_forgotten(tmp_path_factory, gone, asked) -> None:
    home = tmp_path_factory.mktemp("home")
    tree = planted(home)
    root = tree._nodes()["seed"][0].tobytes()
    before = {index: tree.wrap(KEY, index, CONTEXT) for index in gone | asked}
    tree.forget(gone)
    for keys in (tree, KeyTree(home, MasterKey(bytes(32)))):
        assert keys.forgotten() == len(gone)
        for index, wrapped in before.items():
            assert keys.knows(index) == (index not in gone)
            if index in gone:
                with pytest.raises(StoreDamaged, match="forgotten"):
                    keys.unwrap(wrapped, index, CONTEXT)
            else:
                assert keys.unwrap(wrapped, index, CONTEXT) == KEY
                inner = MasterKey(bytes(32)).unwrap(wrapped, CONTEXT)
                assert open_sealed(leaf_by_hand(root, index), inner, CONTEXT) == KEY


@settings(max_examples=40, deadline=None)
@given(gone=st.lists(INDEXES, max_size=12))
def test_no_node_that_is_kept_lies_above_a_forgotten_leaf(tmp_path_factory, gone) -> None:
    tree = planted(tmp_path_factory.mktemp("home"))
    for index in gone:
        tree.forget([index])
    spans = [(int(n["first"]), int(n["first"]) + 2 ** (32 - int(n["depth"]))) for n in tree._nodes()]
    assert spans == sorted(spans) and all(a[1] <= b[0] for a, b in pairwise(spans))
    assert not any(first <= index < end for first, end in spans for index in gone)
    assert sum(end - first for first, end in spans) == 2**32 - len(set(gone))


def test_a_wrapped_key_needs_master_key_leaf_and_context(tree, tmp_path) -> None:
    wrapped = tree.wrap(KEY, 7, CONTEXT)
    for index, context in [(8, CONTEXT), (7, Context("somebody else", "a consent", "key"))]:
        with pytest.raises(StoreDamaged):
            tree.unwrap(wrapped, index, context)
    with pytest.raises(StoreDamaged):
        open_sealed(tree._leaf(7), wrapped, CONTEXT)
    with pytest.raises(StoreDamaged):
        KeyTree(tmp_path, MasterKey(b"\1" * 32)).unwrap(wrapped, 7, CONTEXT)


def test_what_another_process_forgot_is_forgotten_here(tree, tmp_path) -> None:
    other = KeyTree(tmp_path, MasterKey(bytes(32)))
    assert other.knows(3)
    tree.forget([3])
    assert not other.knows(3)
    other.forget([4])
    assert not tree.knows(4) and not tree.knows(3) and tree.forgotten() == 2


def test_a_reader_sees_the_tree_of_one_moment(tree, tmp_path) -> None:
    other = KeyTree(tmp_path, MasterKey(bytes(32)))
    wrapped = tree.wrap(KEY, 3, CONTEXT)
    with tree.as_it_is():
        other.forget([3])
        assert tree.unwrap(wrapped, 3, CONTEXT) == KEY
    with pytest.raises(StoreDamaged, match="is forgotten"):
        tree.unwrap(wrapped, 3, CONTEXT)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "not whole"])
def test_a_damaged_tree_is_told(tree, tmp_path, damage) -> None:
    path = tmp_path / "keys.tree"
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[:-5],
            "changed": content[:-1] + bytes([content[-1] ^ 1]),
            "empty": b"",
            "not whole": MasterKey(bytes(32)).wrap(b"12345", Context("", "", "key tree")),
        }[damage]
    )
    with pytest.raises(StoreDamaged):
        tree.knows(1)


def test_a_tree_that_is_replaced_as_it_is_read(tree, tmp_path, monkeypatch) -> None:
    """The old file was opened, then another process forgot a leaf and wrote zeros over it: the new one is read."""
    index = 12
    reader, other = KeyTree(tree._path.parent, tree._master), KeyTree(tree._path.parent, tree._master)
    read, late = Path.read_bytes, [True]

    def read_late(path: Path) -> bytes:
        if not late:
            return read(path)
        late.clear()
        with path.open("rb") as file:
            other.forget([index])
            return file.read()

    monkeypatch.setattr(Path, "read_bytes", read_late)
    assert not reader.knows(index) and reader.knows(index + 1)


def test_the_old_file_is_overwritten_where_it_lay(tree, tmp_path) -> None:
    # A second name keeps the old content's place from being given to anybody else.
    (tmp_path / "same place").hardlink_to(tmp_path / "keys.tree")
    tree.forget([1])
    assert not any((tmp_path / "same place").read_bytes())


def test_a_lost_tree_is_never_replaced(vault, ada, tmp_path, clock) -> None:
    (vault.home / "keys.tree").rename(tmp_path / "aside")
    with pytest.raises(StoreDamaged, match=r"keys\.tree cannot be read") as caught:
        Vault(vault.home, clock=clock)
    assert "put the file back" in (caught.value.hint or "")
    assert not (vault.home / "keys.tree").exists()
    (tmp_path / "aside").rename(vault.home / "keys.tree")
    assert Vault(vault.home, clock=clock).show("ada").status == "active"


def test_no_old_copy_of_the_database_opens_who_left(vault, ada, person, tmp_path, clock) -> None:
    """Not the sealed key of a copy, by hand, with the master key and the tree of today; and the copy, opened as a
    vault of its own without any status list, buries them."""
    vault.put(*person("grace"))
    vault.backup(tmp_path / "copy")
    gone = vault.show("ada").identity_id
    vault.revoke("ada")
    for name in ("master.key", "keys.tree"):
        shutil.copy2(vault.home / name, tmp_path / "copy" / name)
    database = open_database(None, tmp_path / "copy")
    with database.transaction() as session:
        secrets = unlock(session, tmp_path / "copy", occupied=lambda: True)
        people = People(secrets.master, secrets.tree)
        row = people.alive(session, "ada")
        assert row.identity_id == gone
        with pytest.raises(StoreDamaged, match="forgotten"):
            people.owner(row)
        people.owner(people.alive(session, "grace"))
    again = Vault(tmp_path / "copy", clock=clock)
    assert [entry.handle for entry in again.cast()] == ["grace"]
    with pytest.raises(Revoked):
        again.lease("ada")
    again.revoke("ada").verify(again.trusted)
    assert not (tmp_path / "copy" / "blobs" / gone).exists()
    again.lease("grace").close()


def test_an_older_tree_catches_up(vault, ada, tmp_path, clock) -> None:
    """As at a second machine, or when the file's own copy is put back."""
    shutil.copy2(vault.home / "keys.tree", tmp_path / "old")
    index = vault.show("ada").status_index
    vault.revoke("ada")
    shutil.copy2(tmp_path / "old", vault.home / "keys.tree")
    assert not Vault(vault.home, clock=clock)._secrets.tree.knows(index)


def test_killed_before_the_tree_forgot(vault, ada, clock, monkeypatch) -> None:
    index = vault.show("ada").status_index
    monkeypatch.setattr(KeyTree, "forget", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        vault.revoke("ada")
    monkeypatch.undo()
    (vault.home / ".keys.tree.0123.tmp").write_bytes(b"left by the one that was killed")
    assert vault._secrets.tree.knows(index), "the kill came before"
    again = Vault(vault.home, clock=clock)
    assert not again._secrets.tree.knows(index) and not list(vault.home.glob(".keys*"))
    again.revoke("ada").verify(again.trusted)


def test_a_forgotten_index_is_given_to_nobody(vault, person, clock, monkeypatch, tmp_path) -> None:
    """Somebody came and left after the copy that was put back."""
    vault.backup(tmp_path / "copy")
    vault.put(*person("mary"))
    taken = vault.show("mary").status_index
    vault.revoke("mary")
    Studio(vault.home).restore(tmp_path / "copy")
    again = Vault(vault.home, clock=clock)
    drawn = iter([taken, taken, 5])
    monkeypatch.setattr("cameo.vault.allotment.secrets.randbelow", lambda size: next(drawn))
    assert again.put(*person("eve")).status_index == 5


def test_a_vault_of_format_4_gets_a_tree(vault, ada, person, clock) -> None:
    vault.put(*person("grace"))
    left = vault.show("grace").status_index
    vault.revoke("grace")
    without_a_tree(vault)
    again = Vault(vault.home, clock=clock)
    again.lease("ada").close()
    assert not again._secrets.tree.knows(left)
    again.revoke("ada").verify(again.trusted)
    assert again.cast() == ()


def test_a_disk_without_room_forgets_nobody(tree, monkeypatch) -> None:
    wrapped = tree.wrap(KEY, 5, CONTEXT)

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cameo.vault.keytree.write_atomically", full)
        with pytest.raises(StoreFull, match="cannot be written"):
            tree.forget([5])
    assert tree.unwrap(wrapped, 5, CONTEXT) == KEY
    tree.forget([5])
    with pytest.raises(StoreDamaged, match="forgotten"):
        tree.unwrap(wrapped, 5, CONTEXT)
