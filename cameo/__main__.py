"""``python -m cameo`` is ``cameo``."""

from __future__ import annotations

from cameo.cli.entry import main

main()
