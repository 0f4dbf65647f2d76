"""What the commands that evaluate a generator have in common: their words, where they write, how they refuse."""

from __future__ import annotations

from argparse import ArgumentParser, RawTextHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from cameo.errors import InputRefused
from enroll.errors import KitError

__all__ = ["bare_parser_of", "make_folder", "parser_of", "refusing"]


def parser_of(name: str, doc: str | None) -> ArgumentParser:
    """With the words that all of them have.

    Args:
        name: of the module in ``cameo.evaluation``; results go to a folder of this name unless another is said.
        doc: of the module.
    """
    parser = bare_parser_of(name, doc)
    parser.add_argument("--model", default="nano", help="nano, a checkpoint folder, or a hub id")
    parser.add_argument("--seed", type=int, default=0, help="of prompts and noise")
    parser.add_argument("--judge", type=Path, help="a MobileFaceNet as ONNX (default: $CAMEO_JUDGE)")
    return parser


def bare_parser_of(name: str, doc: str | None) -> ArgumentParser:
    """The same for those that open no generator: where to, and on how many threads."""
    parser = ArgumentParser(
        prog=f"python -m cameo.evaluation.{name}", description=doc, formatter_class=RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs") / name, help="folder for the files")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    return parser


@contextmanager
def refusing(complaints: Console) -> Iterator[None]:
    """Within the block, what is refused is said in a line and ends the program with its exit status."""
    try:
        yield
    except KitError as error:
        complaints.print(f"{error.message}{f' ({error.hint})' if error.hint else ''}", markup=False, soft_wrap=True)
        raise SystemExit(error.exit_status) from None


def make_folder(folder: Path) -> None:
    """Make it, if it is missing; before any work.

    Raises:
        InputRefused: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputRefused(f"the folder {folder} cannot be made: {error.strerror}") from None
