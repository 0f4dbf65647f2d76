"""What a person is told of each vector that must be refused: the two lines of an error.

    python -m tests.vectors.lines

Writes them down again, into ``tests/vectors/lines/``, to be read before they are committed: a word that changes there
changes what people read.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

from enroll.errors import KitError
from tests.vectors.files import KINDS, vectors
from tests.vectors.readers import inputs_of, read

__all__ = ["LINES", "Refusals", "refusals", "told"]

LINES: Final = Path(__file__).parent / "lines"


Refusals = list[tuple[dict[str, Any], KitError | None]]
"""Every vector of a kind with how our reader refuses it; None where it does not."""


def refusals(kind: str, folder: Path) -> Refusals:
    """
    Args:
        folder: an empty one, in which the files are laid that are read.
    """
    found: Refusals = []
    for type_, group, test in vectors(kind):
        (own := folder / str(test["tcId"])).mkdir()
        try:
            read(type_, inputs_of(group, test), own)
        except KitError as error:
            found.append((test, error))
        else:
            found.append((test, None))
    return found


def told(refused: Refusals, folder: Path) -> str:
    """The page of a kind. Where the files lay is left out of it."""
    page = ""
    for test, error in refused:
        if error is not None:
            lines = [f"error: {error.message}", f"hint:  {error.hint}" if error.hint else ""]
            said = "\n".join(f"  {line}" for line in lines if line).replace(str(folder / str(test["tcId"])), "FOLDER")
            page += f"{test['tcId']}. {test['comment']}\n{said}\n\n"
    return page


def main() -> None:
    os.environ["CAMEO_KEYSTORE"] = "file"
    LINES.mkdir(exist_ok=True)
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            (LINES / f"{kind}.txt").write_text(told(refusals(kind, Path(folder)), Path(folder)))


if __name__ == "__main__":
    main()
