"""The command line in this process: status, stdout, stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cameo.cli.main import run

Cameo = Callable[..., "Ran"]


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; anything else there is a failure."""
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer

    @property
    def error(self) -> dict[str, str]:
        assert set(self.json) == {"error"}
        assert set(self.json["error"]) == {"code", "message", "hint"}
        return self.json["error"]


@pytest.fixture
def cameo(capfd: pytest.CaptureFixture[str], home: Path) -> Cameo:
    """``cameo("cast", "--json")``. Captured at the file descriptors: what C libraries print counts too."""

    def cameo(*words: str | Path) -> Ran:
        capfd.readouterr()
        status = run([str(word) for word in words])
        return Ran(status, *capfd.readouterr())

    return cameo


@pytest.fixture
def vault_bytes(home: Path) -> Callable[[], dict[str, bytes]]:
    """Every file of the home, to show that a refusal changed none."""

    def snapshot() -> dict[str, bytes]:
        return {str(p.relative_to(home)): p.read_bytes() for p in sorted(home.rglob("*")) if p.is_file()}

    return snapshot
