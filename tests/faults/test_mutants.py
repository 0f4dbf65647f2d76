"""How results of changed code are counted; trying them is a command."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.mutants import area, told


def test_they_are_counted_by_area() -> None:
    results = {"enroll.consent.x_a__mutmut_1": 1, "enroll.consent.x_a__mutmut_2": 0, "cameo.log.note.x_b__mutmut_1": 37}
    assert told(results).splitlines()[2:] == [
        "| consent | 2 | 1 | 50.0 % |",
        "| ledger | 1 | 1 | 100.0 % |",
        "| **all** | 3 | 2 | 66.7 % |",
        "",
        "a test fails: 1, nothing noticed: 1, mypy: 1",
        "enroll.consent.x_a__mutmut_2",
    ]
    with pytest.raises(ValueError, match="34"):
        told({"cameo.log.note.x_b__mutmut_1": 34})


def test_what_is_changed_is_what_is_covered_and_is_there() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    changed = tools["mutmut"]["only_mutate"]
    assert changed == tools["coverage"]["run"]["include"]
    for pattern in changed:
        files = sorted(Path(ROOT).glob(pattern))
        assert files, pattern
        for file in files:
            area(file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") + ".x")
    assert area("cameo.vault.keytree.x") == "keys" and area("cameo.vault.leasing.x") == "leases"
