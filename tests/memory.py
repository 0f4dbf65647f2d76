"""Where vaults lie that make thousands of changes, each forced to the disk."""

from __future__ import annotations

from pathlib import Path

__all__ = ["memory_folder"]


def memory_folder() -> Path | None:
    """A folder in memory; None where there is none, and the system's own place for temporary files must do."""
    folder = Path("/dev/shm")  # noqa: S108
    return folder if folder.is_dir() else None
