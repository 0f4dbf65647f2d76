"""Where an evaluation writes what it found."""

from __future__ import annotations

from pathlib import Path

from cameo.errors import InputRefused

__all__ = ["make_folder"]


def make_folder(folder: Path) -> None:
    """Make it, if it is missing; before any work.

    Raises:
        InputRefused: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputRefused(f"the folder {folder} cannot be made: {error.strerror}") from None
