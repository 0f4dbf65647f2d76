"""Where a vault's tables and ciphertexts are: as the caller says, else as ``CAMEO_DATABASE`` and ``CAMEO_BLOBS`` say,
else in its home.

A home remembers, in ``places.json``, that its vault is elsewhere. Whoever forgets the variables is told so, and does
not get a new, empty vault under the same master key.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cameo.errors import StoreDamaged, StoreFull, UsageError
from cameo.vault.blobs import Blobs, open_blobs
from cameo.vault.database import Database, open_database
from enroll.files import write_atomically

__all__ = ["Places"]

_FILE: Final = "places.json"
_BLOBS: Final = "blobs"


@dataclass(frozen=True)
class Places:
    """Both, not connected to yet."""

    home: Path
    database: Database
    blobs: Blobs

    @classmethod
    def of(cls, home: Path, database: str | None = None, blobs: str | None = None) -> Places:
        """
        Args:
            database: ``postgresql://…``; None for ``CAMEO_DATABASE``, else SQLite in the home.
            blobs: ``s3://…``; None for ``CAMEO_BLOBS``, else files in the home.

        Raises:
            UsageError: one is no URL, its driver is not installed, or the vault of this home is known to be elsewhere.
        """
        database = database or os.environ.get("CAMEO_DATABASE") or None
        blobs = blobs or os.environ.get("CAMEO_BLOBS") or None
        known = _known(home)
        for name, variable, chosen in [("database", "CAMEO_DATABASE", database), ("blobs", "CAMEO_BLOBS", blobs)]:
            if chosen is None and name in known:
                raise UsageError(
                    f"the vault of {home} has its {name} at {known[name]}, and {variable} is not set",
                    hint=f"set it; if that is over, remove {home / _FILE}",
                )
        return cls(home, open_database(database, home), open_blobs(blobs, home / _BLOBS))

    def remember(self) -> None:
        """Write down what is not in the home; called when the vault has opened, so that a slip is not kept.

        Raises:
            StoreFull: there is no room.
        """
        elsewhere = {}
        if self.database.kind != "sqlite":
            elsewhere["database"] = self.database.where
        if self.blobs.where != str(self.home / _BLOBS):
            elsewhere["blobs"] = self.blobs.where
        if elsewhere != _known(self.home):
            try:
                write_atomically(self.home / _FILE, json.dumps(elsewhere, indent=1).encode() + b"\n")
            except OSError as error:
                raise StoreFull(
                    f"{self.home / _FILE} cannot be written: {error.strerror}", hint="free some space and try again"
                ) from None


def _known(home: Path) -> dict[str, str]:
    """Raises StoreDamaged when what is remembered cannot be read."""
    with suppress(FileNotFoundError, NotADirectoryError):
        try:
            known = json.loads((home / _FILE).read_bytes())
            if isinstance(known, dict) and all(isinstance(where, str) for where in known.values()):
                return known
        except (ValueError, PermissionError):
            pass
        raise StoreDamaged(f"{home / _FILE} cannot be read", hint="remove it, and say where the vault is")
    return {}
