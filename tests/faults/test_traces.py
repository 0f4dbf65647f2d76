"""A short run of ``traces``; the long one is a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.picture import Canaries
from tests.faults.stage import cut
from tests.faults.traces import traces
from tests.postgres import Server


def test_nothing_is_left_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    found = traces(tmp_path, 5)
    assert found.found == ()
    assert found.seen_before, "what is looked for can be found"
    assert found.plain > 5 * 50 and found.sealed > 5 * 20


def test_nothing_lies_in_plain_on_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Server) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    monkeypatch.setenv("CAMEO_DATABASE", postgresql.new_database())
    found = traces(tmp_path, 3, postgresql)
    assert found.found == () and found.bytes_read > 10_000_000


def test_one_piece_would_be_found(tmp_path: Path) -> None:
    content = bytes(range(256)) * 16
    (tmp_path / "core").write_bytes(b"\0" * 999 + content)
    assert Canaries(cut(content)).found(tmp_path) == ["core holds something in plain"]
