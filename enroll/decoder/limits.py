"""What the decoder's process may use. Set before the first byte of the file is read."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
import threading

__all__ = ["confine"]

# <linux/prctl.h>
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38


def confine(*, memory: int, cpu_seconds: int) -> None:
    """Takes from this process what a decoder has no use for, for good.

    Args:
        memory: bytes of address space.
        cpu_seconds: of all threads together.
    """
    # Standard input is the file, output and error the parent's; FFmpeg makes one duplicate of the first.
    _limit(resource.RLIMIT_NOFILE, 4)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CPU, cpu_seconds)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_the_reader, daemon=True).start()


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _die_with_the_reader() -> None:
    """PR_SET_PDEATHSIG would fire when the *thread* that started us ends, which may be long before its process."""
    poll = select.poll()
    poll.register(1, 0)
    poll.poll()
    os._exit(1)
