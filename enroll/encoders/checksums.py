"""Are weights what they were published as, or at least what they were when they were first used?

A file that others publish a SHA-256 of (``Card.files``) must have it. Of one that nobody does, the digest is written
down when it is first opened, in ``$CAMEO_WEIGHTS/<space>/checksums.json``; a later change is then noticed. That guards
against mix-ups and silent updates, not against whoever can write in that folder.
"""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from typing import Literal

from enroll.encoders.base import Space, weights_folder
from enroll.errors import WeightsChanged
from enroll.files import write_atomically

__all__ = ["Standing", "pin", "sha256", "standing", "verify"]

Standing = Literal["published", "first use", "unknown", "changed", "none needed"]
"""How the weights of a space stand: as published; as on first use; seen for the first time; other than either."""

_FILE = "checksums.json"


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def standing(space: Space, path: Path) -> Standing:
    """How the weights at ``path`` stand. Reads them whole; changes nothing."""
    published = {known.name: known.sha256 for known in space.card.files}
    pinned = _pins(space.card.space)
    if pinned is None:
        return "changed"
    found: set[Standing] = set()
    for file in space.files(path):
        expected = published.get(file.name, pinned.get(file.name))
        if expected is None:
            found.add("unknown")
        elif sha256(file) != expected:
            return "changed"
        else:
            found.add("published" if file.name in published else "first use")
    order: tuple[Standing, ...] = ("unknown", "first use", "published")
    return next((weakest for weakest in order if weakest in found), "none needed")


def verify(space: Space, path: Path) -> None:
    """Hold weights to their digests before they are opened.

    Raises:
        WeightsChanged: they are not the published ones, or not those of their first use.
    """
    if standing(space, path) == "changed":
        name = space.card.space
        known = {known.name for known in space.card.files}
        which = "published" if known & {file.name for file in space.files(path)} else "first used here"
        raise WeightsChanged(
            f"the weights of {name} at {path} are not the ones {which}: their SHA-256 differs",
            hint=f"get them again: cameo weights get {name}"
            + ("" if which == "published" else f"; if the change is yours, delete {weights_folder(name) / _FILE}"),
        )


def pin(space: Space, path: Path) -> None:
    """Write down the digests of what nobody publishes one of. Where that cannot be written, nothing is."""
    published = {known.name for known in space.card.files}
    before = _pins(space.card.space)
    pins = {file.name: sha256(file) for file in space.files(path) if file.name not in published} | (before or {})
    if pins != before and before is not None:
        folder = weights_folder(space.card.space)
        with suppress(OSError):  # a read-only folder of weights is no reason not to use them
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / _FILE, (json.dumps(pins, indent=1) + "\n").encode())


def _pins(name: str) -> dict[str, str] | None:
    """Digests by file name; None when what lies there is no such list."""
    try:
        pins = json.loads((weights_folder(name) / _FILE).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None
    return pins if isinstance(pins, dict) and all(isinstance(value, str) for value in pins.values()) else None
