"""Writes the vectors, the same bytes every time.

    python -m tests.vectors.make [FOLDER]

A kind is a function that gives a ``Book``; it stands in ``BOOKS``, and what reads it in ``readers.READERS``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.vectors.book import Book
from tests.vectors.files import FOLDER
from tests.vectors.kinds import certificates, consents, grants, logs, packages, receipts, signed_grants, statuses

__all__ = ["BOOKS", "spelled"]

BOOKS: Final[tuple[Callable[[], Book], ...]] = (
    consents.book,
    receipts.book,
    grants.book,
    signed_grants.book,
    statuses.book,
    logs.checkpoints,
    logs.inclusions,
    logs.growths,
    logs.tiles,
    certificates.book,
    packages.book,
)


def spelled(book: Book) -> str:
    return json.dumps(book.as_json(), indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    for make in BOOKS:
        book = make()
        (folder / f"{book.kind}.json").write_text(spelled(book))
        tests = [test for group in book.groups for test in group.tests]
        negative = sum(test["result"] == "invalid" for test in tests)
        print(f"{book.kind}.json: {len(tests)} vectors, {negative} of them invalid")


if __name__ == "__main__":
    main()
