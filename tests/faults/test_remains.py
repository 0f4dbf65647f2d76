"""A short run of ``remains``; the long one is a command."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.remains import remains


def test_nothing_of_those_who_left_is_in_a_file_that_was_not_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    looked, found = remains(tmp_path / "home", 6, 300, random.Random(0))
    assert looked >= 20 and found == 0
