"""A short run of ``kills``; the long one is a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from cameo.vault import Vault
from tests.faults.kills import Account, _faults, run
from tests.postgres import Server


def test_nothing_acknowledged_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    counts = run(12, tmp_path, seed=1)
    assert counts.kills == 12 and counts.lost == []


def test_nothing_is_lost_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Server) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    monkeypatch.setenv("CAMEO_DATABASE", postgresql.new_database())
    counts = run(6, tmp_path, seed=2)
    assert counts.kills == 6 and counts.lost == []


def test_what_is_lost_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    vault = Vault(tmp_path / "home")
    assert _faults(vault, {"ada": Account("here", 1)}, None) == ["@ada was enrolled and is unknown"]
