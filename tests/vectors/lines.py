"""What a person is told of each vector that must be refused: the two lines of an error.

    python -m tests.vectors.lines

Writes them down again, into ``tests/vectors/lines/``, to be read before they are committed: a word that changes there
changes what people read.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from enroll.errors import KitError
from tests.vectors.make import FOLDER
from tests.vectors.readers import inputs_of, read

__all__ = ["LINES", "refusals", "told"]

LINES: Final = Path(__file__).parent / "lines"


def refusals(kind: str, folder: Path) -> Iterator[tuple[dict[str, Any], KitError | None]]:
    """Every vector of a kind with how our reader refuses it; None where it does not."""
    for group in json.loads((FOLDER / f"{kind}.json").read_text())["testGroups"]:
        for test in group["tests"]:
            (own := folder / str(test["tcId"])).mkdir()
            try:
                read(group["type"], inputs_of(group, test), own)
            except KitError as error:
                yield test, error
            else:
                yield test, None


def told(kind: str, folder: Path) -> str:
    """The page of a kind. Where the files lay is left out of it."""
    page = ""
    for test, error in refusals(kind, folder):
        if error is not None:
            lines = [f"error: {error.message}", f"hint:  {error.hint}" if error.hint else ""]
            said = "\n".join(f"  {line}" for line in lines if line).replace(str(folder / str(test["tcId"])), "FOLDER")
            page += f"{test['tcId']}. {test['comment']}\n{said}\n\n"
    return page


def main() -> None:
    os.environ["CAMEO_KEYSTORE"] = "file"
    LINES.mkdir(exist_ok=True)
    for path in sorted(FOLDER.glob("*.json")):
        with tempfile.TemporaryDirectory() as folder:
            (LINES / f"{path.stem}.txt").write_text(told(path.stem, Path(folder)))


if __name__ == "__main__":
    main()
