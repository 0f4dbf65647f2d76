"""A file of vectors while it is made: groups of tests in the manner of Project Wycheproof."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["FLAGS", "SCHEMA", "Book", "Group"]

SCHEMA: Final = "cameo-vectors/1"

FLAGS: Final = {
    "Genuine": "Made as it should be.",
    "Older": "Of an earlier format that is still read.",
    "Edge": "As it should be, at the edge of what is allowed.",
    "Forged": "Signed by somebody else, or under an algorithm that proves nothing.",
    "Changed": "One thing was changed after it was signed or sealed.",
    "Swapped": "A part of another genuine one was put in.",
    "Replayed": "Genuine, and meant for another moment, person or question.",
    "Expired": "Genuine, and its time is over or has not come.",
    "RolledBack": "Genuine, and older than what is known already.",
    "Truncated": "A part is missing, or something follows the end.",
    "Malformed": "Not of this form, whoever signed it.",
    "Respelled": "Says the same in a spelling that is not the only one.",
    "Beyond": "Well-formed and signed by a key that is trusted, and asks for more than is allowed.",
    "Costly": "Would take much memory or time if its bounds were not asked first.",
}


@dataclass
class Group:
    """Tests that share inputs.

    Attributes:
        shared: inputs that a test has where it does not give them itself.
    """

    book: Book
    type: str
    shared: dict[str, Any]
    tests: list[dict[str, Any]] = field(default_factory=list)

    def valid(self, comment: str, *, flags: tuple[str, ...] = ("Genuine",), **inputs: Any) -> int:
        """Returns the ``tcId``, for those that are made from this one."""
        return self._add(comment, flags, {"result": "valid"}, inputs)

    def invalid(self, comment: str, error: str, flag: str, *, source: int, **inputs: Any) -> None:
        """``source``: the ``tcId`` of the valid one that this differs from in one thing."""
        self._add(comment, (flag,), {"result": "invalid", "error": error, "madeFrom": source}, inputs)

    def _add(self, comment: str, flags: tuple[str, ...], verdict: dict[str, Any], inputs: dict[str, Any]) -> int:
        number = self.book.count + 1
        self.tests.append({"tcId": number, "comment": comment, "flags": list(flags), **verdict, **inputs})
        self.book.count = number
        return number


@dataclass
class Book:
    """One file.

    Attributes:
        kind: of document; also the file's name.
        about: what is checked, and in which order of inputs.
    """

    kind: str
    about: tuple[str, ...]
    groups: list[Group] = field(default_factory=list)
    count: int = 0

    def group(self, type_: str, **shared: Any) -> Group:
        made = Group(self, type_, shared)
        self.groups.append(made)
        return made

    def as_json(self) -> dict[str, Any]:
        used = {flag for group in self.groups for test in group.tests for flag in test["flags"]}
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "numberOfTests": self.count,
            "header": list(self.about),
            "notes": {flag: told for flag, told in FLAGS.items() if flag in used},
            "testGroups": [
                {"type": group.type, **group.shared, "tests": group.tests} for group in self.groups if group.tests
            ],
        }
