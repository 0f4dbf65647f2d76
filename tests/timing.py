"""What something costs at least: a processor that others use too is slow at times, and what is dear is dear always."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["least_seconds"]


def least_seconds(act: Callable[[], object], *, of: int = 5) -> float:
    """The processor's time of the quickest of some runs, seconds."""
    return min(_seconds(act) for _ in range(of))


def _seconds(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began
