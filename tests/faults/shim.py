"""The library that stands between a process and its disk (``shim.c``): built, and told what to do."""

from __future__ import annotations

import ctypes
import errno
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

__all__ = ["FAULTS", "Shim", "build", "compiler"]

FAULTS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "eio": (1, errno.EIO),  # this call fails, and no other
        "enospc": (2, errno.ENOSPC),  # this call fails, and from then on there is no room
        "short": (3, 0),  # this write takes half
        "dead": (4, errno.EIO),  # this call fails, and every one after it
    }
)
"""As ``shim.c`` has them, and the error number."""


def compiler() -> str | None:
    return shutil.which("gcc")


def build(folder: Path) -> Path:
    """The library, for ``LD_PRELOAD``."""
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler() or "gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


class Shim:
    """The library in this process. Raises AttributeError where it was not loaded before everything else."""

    def __init__(self) -> None:
        here = ctypes.CDLL(None)
        self._arm, self._disarm = here.disk_arm, here.disk_disarm
        self._arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int]
        self._disarm.restype = ctypes.c_long

    def arm(self, folder: Path, *, call: int = 0, fault: str | None = None, journal: int = -1) -> None:
        """From now on, count the calls that change something under ``folder`` (a real path).

        Args:
            call: which of them, counted from 1, has the fault.
            journal: a descriptor they are written to, for ``power``.
        """
        kind, number = FAULTS[fault] if fault is not None else (0, 0)
        self._arm(str(folder).encode(), call, kind, number, journal)

    def disarm(self) -> int:
        """How many there were."""
        return int(self._disarm())
