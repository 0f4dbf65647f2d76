"""Files that somebody asked for: may they be written there, and small ones written."""

from __future__ import annotations

import os
from pathlib import Path

from cameo.errors import InputRefused
from enroll.files import write_atomically

__all__ = ["check_target", "write_small"]


def check_target(path: str | os.PathLike[str]) -> Path:
    """Can a scene be written here? Ask before an hour of generation, not after.

    Returns:
        The absolute path.

    Raises:
        InputRefused: the folder is missing or may not be written to, or the path is a folder.
    """
    target = Path(path).expanduser().absolute()
    if target.is_dir():
        raise InputRefused(f"{target} is a folder", hint="name a file in it, such as scene.mp4")
    if not target.parent.is_dir():
        raise InputRefused(f"the folder {target.parent} does not exist", hint=f"make it: mkdir -p {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise InputRefused(f"the folder {target.parent} may not be written to", hint="choose another folder")
    return target


def write_small(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a small file that somebody asked for, readable by its owner alone, whole or not at all.

    Returns:
        The absolute path.

    Raises:
        InputRefused: as ``check_target``, or it cannot be written.
    """
    target = check_target(path)
    try:
        write_atomically(target, content)
    except OSError as error:
        raise InputRefused(
            f"{target} cannot be written: {error.strerror}", hint="free some space, or choose another folder"
        ) from None
    return target
