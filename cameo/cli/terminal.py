"""What the command line prints, and where: the answer on stdout, progress and complaints on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

__all__ = [
    "Answer",
    "Progress",
    "count",
    "debugging",
    "plain",
    "print_answer",
    "print_failure",
    "progress_bar",
    "quiet",
    "tell",
]

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, 0 to 1."""


@dataclass(frozen=True)
class Answer:
    """What a command returns.

    Attributes:
        payload: the one JSON object of ``--json``.
        shown: what a person sees instead.
        exit_status: 0 unless the command found something wrong and has said what in its payload.
    """

    payload: dict[str, Any]
    shown: tuple[RenderableType, ...] = ()
    exit_status: int = 0


def debugging() -> bool:
    """``CAMEO_DEBUG=1`` shows tracebacks and what the libraries say."""
    return os.environ.get("CAMEO_DEBUG", "") not in ("", "0")


def plain(text: object) -> str:
    """Text from outside, fit for a terminal: one line, nothing that moves the cursor."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(text))


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 person``, ``2 people``."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def print_answer(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer.payload))
        return
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for part in answer.shown:
        console.print(part)


def print_failure(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """One line on stderr, or one JSON object on stdout."""
    if as_json:
        print(json.dumps({"error": {"code": code, "message": message, "hint": hint}}))
        return
    sentence = message if message.endswith((".", "!", "?")) or not hint else message + "."
    print(plain(f"error: {sentence} {hint}".rstrip()), file=sys.stderr)


def tell(line: str) -> None:
    """An account of what is going on, on stderr, for whoever watches."""
    print(plain(line), file=sys.stderr, flush=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries from talking: not on stdout, which is the answer's, and not on stderr, which is ours."""
    if debugging():
        with redirect_stdout(sys.stderr):
            yield
        return
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


_SILENCE = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "PYTHONWARNINGS": "ignore",
}


@contextmanager
def progress_bar(title: str) -> Iterator[Progress | None]:
    """A bar on stderr where someone watches; None where nobody does."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(title, total=1.0)
        stage = ""

        def progress(doing: str, share: float) -> None:
            nonlocal stage
            # A stage is shown at once, however short it is: the bar draws itself only ten times a second.
            bar.update(task, completed=share, description=f"{title}: {doing}", refresh=doing != stage)
            stage = doing

        yield progress
