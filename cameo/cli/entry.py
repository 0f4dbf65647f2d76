"""Where the program begins: quick to import, so that Ctrl-C is answered also while the rest is being loaded."""

from __future__ import annotations

import sys

from cameo.cli import interrupts

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process."""
    interrupts.listen()
    try:
        from cameo.cli.main import run

        status = run(sys.argv[1:])
        interrupts.too_late()
    except BaseException:
        # Until ``run`` takes over, an interrupted import may fail in any way.
        if not interrupts.asked():
            raise
        print("error: stopped", file=sys.stderr)
        status = 130
    if interrupts.asked():
        # A KeyboardInterrupt that once left an ``exec`` makes Python end by the signal whatever the status, unless
        # another ``exec`` ends well.
        exec("")  # noqa: S102
    sys.exit(status)
