"""Ctrl-C: heard at once, never lost, and too late once something is kept.

Python raises ``KeyboardInterrupt`` wherever the program happens to be. In the middle of an import or in a callback of a
C library it comes out as another error, or not at all; so that it was asked for is written down as well.
"""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["asked", "heed", "listen", "too_late"]

_asked = False


def listen() -> None:
    """From now on Ctrl-C is written down before it is raised. For the main thread of a process of our own; one that was
    started to ignore Ctrl-C goes on ignoring it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _hear)


def asked() -> bool:
    """Whether somebody pressed Ctrl-C."""
    return _asked


def heed() -> None:
    """Raises the ``KeyboardInterrupt`` that a library swallowed, if there was one."""
    if _asked:
        raise KeyboardInterrupt


def too_late() -> None:
    """From now on Ctrl-C does nothing: what is being kept is kept whole, and the answer given is the answer. Without
    ``listen`` nothing changes."""
    if signal.getsignal(signal.SIGINT) is _hear:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _hear(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt
