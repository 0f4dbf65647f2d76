"""Which processes this one has started and not yet seen the end of, as Linux tells, and how long one may wait."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TASKS = Path("/proc/self/task")


def children() -> list[int]:
    """Process ids, the dead ones that nobody waited for among them."""
    found: list[int] = []
    for task in TASKS.iterdir():
        # A thread may end while we look.
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, (task / "children").read_text().split())
    return found


def peak_memory(pid: int) -> int:
    """Bytes that were in memory at most; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def patience(seconds: float = 10.0) -> float:
    """So long on a machine that has nothing else to do."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
