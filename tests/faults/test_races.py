"""A short run of ``races``; the long one is a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.races import Counts, _count, run
from tests.postgres import Server


def test_nobody_gets_at_who_was_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    counts = run(tmp_path, rounds=12, seed=1)
    assert counts.wins == []
    assert counts.before["lease"] > 0, "those who ask do get what they may"
    assert min(counts.after[what] for what in ("lease", "scene", "step")) > 0


def test_nor_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Server) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    monkeypatch.setenv("CAMEO_DATABASE", postgresql.new_database())
    counts = run(tmp_path, rounds=11, seed=2)
    assert counts.wins == []
    assert min(counts.after[what] for what in ("lease", "scene")) > 0


def test_a_win_would_be_counted() -> None:
    counts = Counts()
    for given in (True, False):
        _count(counts, ("lease", 2_000_000, given), 1_000_000, "round 1")
        _count(counts, ("lease", 1_000_000, given), 1_000_000, "round 1")
    assert counts.wins == ["round 1: lease, 1.00 ms after"]
    assert counts.after["lease"] == 2 and counts.before["lease"] == 1
