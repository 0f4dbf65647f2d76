"""What is prepared of people lies nowhere in plain, opens only as what it is, and can be ended."""

from __future__ import annotations

import pytest
import torch

from cameo.errors import StoreDamaged
from cameo.training.adapter.sealed import Entries, destroy, run_key
from cameo.vault import Vault

SECRET = torch.arange(64, dtype=torch.float32)


@pytest.fixture
def vault(home) -> Vault:
    return Vault(home)


@pytest.fixture
def run(tmp_path, vault):
    folder = tmp_path / "run"
    folder.mkdir()
    Entries(folder, run_key(vault, folder)).put("one", "consent-1", {"video/0": SECRET})
    return folder


def test_it_opens_as_what_was_sealed(run, vault):
    entries = Entries(run, run_key(vault, run))
    assert "one" in entries and "two" not in entries
    assert torch.equal(entries.get("one", "consent-1")["video/0"], SECRET)


def test_on_disk_nothing_of_it_is_in_plain(run):
    files = [path for path in run.rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        assert path.stat().st_mode & 0o077 == 0
        content = path.read_bytes()
        assert b"video" not in content and SECRET[:8].numpy().tobytes() not in content


def test_it_opens_for_no_other_consent_name_run_or_home(run, vault, tmp_path):
    entries = Entries(run, run_key(vault, run))
    with pytest.raises(StoreDamaged):
        entries.get("one", "consent-2")
    (run / "entries" / "two.sealed").write_bytes((run / "entries" / "one.sealed").read_bytes())
    with pytest.raises(StoreDamaged):
        entries.get("two", "consent-1")
    (tmp_path / "other").mkdir()
    with pytest.raises(StoreDamaged):
        Entries(run, run_key(vault, tmp_path / "other")).get("one", "consent-1")
    with pytest.raises(StoreDamaged):
        run_key(Vault(tmp_path / "another home"), run)


def test_what_is_destroyed_stays_so(run, vault):
    key = (run / "key").read_bytes()
    kept = (run / "entries" / "one.sealed").read_bytes()
    destroy(run)
    assert [path for path in run.rglob("*") if path.is_file()] == []
    (run / "entries" / "one.sealed").write_bytes(kept)
    anew = Entries(run, run_key(vault, run))
    assert (run / "key").read_bytes() != key
    with pytest.raises(StoreDamaged):
        anew.get("one", "consent-1")


def test_entries_of_people_who_are_not_learned_from_go(run, vault):
    entries = Entries(run, run_key(vault, run))
    entries.put("two", "consent-2", {"video/0": SECRET})
    entries.keep_only({"two"})
    assert "one" not in entries and "two" in entries
