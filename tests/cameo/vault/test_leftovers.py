"""What a process that died left half-written is gone after the next opening; what belongs to one at work is not."""

from __future__ import annotations

import pytest

from cameo.errors import StatusListInvalid, StoreFull
from cameo.status import StatusList, StatusReader
from cameo.vault import Vault
from cameo.vault.leftovers import apart, leftovers
from enroll.signature import thumbprint


def test_half_written_files_go(vault, ada) -> None:
    vault.suspend("ada")
    left = [
        vault.home / ".keys.tree.0123456789abcdef.tmp",
        vault.home / "status" / ".list.json.0123456789abcdef.tmp",
        vault.home / "blobs" / ".0123456789abcdef.tmp",
        vault.home / ".copy-abc" / "vault.sqlite3",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    mine = vault.home / ".notes.tmp"
    mine.write_text("of whoever keeps the house")
    again = Vault(vault.home)
    assert not any(path.exists() for path in left) and not leftovers(vault.home)
    assert mine.exists() and again.show("ada").status == "suspended"


def test_a_copy_somebody_is_making_stays(vault) -> None:
    with apart(vault.home) as folder:
        Vault(vault.home)
        assert folder.is_dir()
    assert not folder.exists()


def test_ciphertexts_that_come_before_their_rows_stay(vault) -> None:
    """A copy that is being put back has them there already; somebody else opens the vault meanwhile."""
    coming = "00000000-0000-4000-8000-000000000000"
    with apart(vault.home):
        vault._blobs.write(coming, "identity", b"of somebody in the copy")
        Vault(vault.home)
        assert coming in vault._blobs.owners()
    Vault(vault.home)
    assert coming not in vault._blobs.owners()


@pytest.mark.parametrize("act", ["suspend", "resume"])
def test_a_list_that_could_not_be_written_follows_at_the_next_opening(vault, ada, monkeypatch, act) -> None:
    if act == "resume":
        vault.suspend("ada")

    def refuse(published: StatusList, path: object) -> None:
        raise StatusListInvalid("no room")

    with monkeypatch.context() as patch:
        patch.setattr(StatusList, "save", refuse)
        with pytest.raises(StoreFull):
            getattr(vault, act)("ada")
    own = thumbprint(vault.operator)
    again = Vault(vault.home)
    held = StatusReader(vault.home / "status", {own}).last(own)
    standing = {"suspend": "suspended", "resume": "valid"}[act]
    assert held is not None and held.standing(again.show("ada").status_index) == standing
    epoch = held.epoch
    assert Vault(vault.home).status_list().epoch == epoch, "it is owed once"
