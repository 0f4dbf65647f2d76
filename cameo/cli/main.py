"""``cameo``: every command, and what happens when something goes wrong."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import typer

from cameo import __version__
from cameo.cli import (
    consent,
    copies,
    grants,
    interrupts,
    keys,
    log,
    moving,
    people,
    permissions,
    scenes,
    status,
    tools,
    weights,
)
from cameo.cli.entry import main
from cameo.cli.terminal import Answer, debugging, print_answer, print_failure
from enroll.errors import KitError

__all__ = ["app", "main", "run"]

_EPILOG = (
    "--json after any command: one JSON object on stdout and nothing else there. CAMEO_HOME says where people are kept;"
    " CAMEO_DATABASE and CAMEO_BLOBS where else (docs/studio.md)."
)

_INTERRUPTED = 130

app = typer.Typer(
    name="cameo",
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
for module in (consent, people, permissions, grants, status, moving, copies, scenes, log, keys, tools, weights):
    module.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cameo {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Put a consenting person into generated scenes, picture and sound, and take them out again for good."""


def run(arguments: Sequence[str]) -> int:
    """Run one command; whatever goes wrong is told in one line.

    Returns:
        The exit status: 0 done; 1 a fault of ours; 2 usage; 3 the input cannot serve; 4 refused; 5 weights missing;
        6 the vault cannot be relied on; 130 interrupted.
    """
    as_json, words = _json_asked(arguments)
    try:
        answer = typer.main.get_command(app)(words or ["--help"], prog_name="cameo", standalone_mode=False)
        if not isinstance(answer, Answer):
            if answer == _INTERRUPTED:  # how typer reports Ctrl-C within a command
                raise KeyboardInterrupt
            return int(answer or 0)
        print_answer(answer, as_json=as_json)
        sys.stdout.flush()
        return answer.exit_status
    except KitError as error:
        return _failed(error.code, error.message, error.hint, error.exit_status, as_json=as_json)
    except typer.TyperException as error:
        return _failed("usage", error.format_message(), "see: cameo --help", 2, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted", "stopped", "", _INTERRUPTED, as_json=as_json)
    except BrokenPipeError:
        # Whoever read our output has gone; nobody is left to tell. Python must not try once more at exit.
        sys.stdout = None  # type: ignore[assignment]
        return 1
    except Exception as error:
        if interrupts.asked():
            return _failed("interrupted", "stopped", "", _INTERRUPTED, as_json=as_json)
        # The message of an exception nobody foresaw may quote anything; its kind does not.
        hint = "run it again with CAMEO_DEBUG=1 and report what it prints"
        return _failed("internal", f"unexpected {type(error).__name__}", hint, 1, as_json=as_json)


def _failed(code: str, message: str, hint: str, status: int, *, as_json: bool) -> int:
    if debugging():
        traceback.print_exc()
    print_failure(code, message, hint, as_json=as_json)
    return status


def _json_asked(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """``--json`` may stand anywhere before ``--``; it must hold for usage errors too, so it is looked for first."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word != "--json"]
    return len(kept) < end, kept + words[end:]
