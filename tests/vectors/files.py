"""The vectors as they lie in their folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

__all__ = ["FOLDER", "KINDS", "vectors"]

FOLDER: Final = Path(__file__).resolve().parents[2] / "vectors"
KINDS: Final = [path.stem for path in sorted(FOLDER.glob("*.json"))]


def vectors(kind: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every vector of a kind: the type and the members of its group, and its own."""
    for group in json.loads((FOLDER / f"{kind}.json").read_text())["testGroups"]:
        for test in group["tests"]:
            yield group["type"], group, test
