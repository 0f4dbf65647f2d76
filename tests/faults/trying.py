"""One act in a process of its own, over a disk that may fail it."""

from __future__ import annotations

import os
import signal
import tempfile
import traceback
from dataclasses import dataclass

from enroll.errors import KitError
from tests.faults.acts import Act
from tests.faults.power import Journal
from tests.faults.shim import Shim
from tests.faults.stage import Stage

__all__ = ["Told", "attempt"]

_LONGEST = 100


@dataclass(frozen=True)
class Told:
    """What the process said.

    Attributes:
        calls: how many changed the disk, or would have.
        error: what it failed with, for people to read; None when it succeeded.
        typed: whether the error was one of ours, and said what to do.
    """

    calls: int
    error: str | None
    typed: bool


def attempt(
    act: Act,
    stage: Stage,
    shim: Shim,
    *,
    call: int = 0,
    fault: str | None = None,
    journal: Journal | None = None,
) -> Told:
    """Do an act.

    Args:
        call, fault: which call fails, and how; see ``Shim.arm``.
        journal: reads every call in the end.
    """
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as lines:
        child = os.fork()
        if child == 0:
            signal.alarm(_LONGEST)
            told = _work(act, stage, shim, call, fault, lines.fileno() if journal is not None else -1)
            os.write(writing, f"{told.calls}\0{int(told.typed)}\0{told.error or ''}".encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            heard = pipe.read().decode()
        os.waitpid(child, 0)
        if journal is not None:
            lines.seek(0)
            journal.read(lines.read())
    if not heard:
        return Told(0, "the process died, or did not end", False)
    calls, typed, error = heard.split("\0")
    return Told(int(calls), error or None, typed == "1")


def _work(act: Act, stage: Stage, shim: Shim, call: int, fault: str | None, journal: int) -> Told:
    error, typed = None, True
    with stage.temporary():
        work = act.ready(stage)
        shim.arm(stage.root, call=call, fault=fault, journal=journal)
        try:
            work()
        except KitError as refusal:
            error, typed = f"{type(refusal).__name__}: {refusal.message} ({refusal.hint})", bool(refusal.hint)
        except BaseException:
            error, typed = traceback.format_exc(limit=-3), False
        calls = shim.disarm()
    return Told(calls, error, typed)
