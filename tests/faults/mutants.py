"""Small changes to the code that trust rests on: does a test notice?

    make mutants                                        (all of them: hours)
    python -m tests.faults.mutants --sample 700 --seed 1   (goes on where it was stopped)

mutmut makes them (``[tool.mutmut]`` in pyproject.toml): an operator turned, a number moved, an argument left out, a
text changed, one at a time. What errors say is left alone, and so are functions under a decorator. A change that mypy
refuses counts as noticed, and one under which a test does not end. Printed are all that were tried, by area, and
the names of those that nothing noticed: ``mutmut show NAME``.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["area", "told"]

_FOLDER: Final = Path("mutants")
_FIRST: Final = "cameo.vault.suspension.*"
"""A few, for which all are made and every test is run once."""
_NOTICED: Final = {1: "a test fails", 3: "a test fails", 37: "mypy", 36: "endless", 24: "endless", -24: "endless"}
_NOT: Final = {0: "nothing noticed", 33: "no test comes by"}
_AREAS: Final = {
    "enroll.": "consent",
    "cameo.status.": "status",
    "cameo.log.": "ledger",
    **{f"cameo.vault.{name}.": "ledger" for name in ("chain", "ledger", "line", "proving")},
    **{f"cameo.vault.{name}.": "keys" for name in ("cipher", "keys", "keytree")},
    "cameo.vault.": "leases",
}


def area(mutant: str) -> str:
    """What a mutant is in: consent, keys, leases, status or ledger."""
    return next(name for start, name in _AREAS.items() if mutant.startswith(start))


def told(results: dict[str, int], show: bool = True) -> str:
    """A table by area, then who lived.

    Args:
        results: mutmut's exit codes by mutant.

    Raises:
        ValueError: a code that is none of those known.
    """
    unknown = sorted({code for code in results.values() if code not in _NOTICED and code not in _NOT})
    if unknown:
        raise ValueError(f"mutmut ended with {unknown}")
    tried, noticed = Counter(map(area, results)), Counter(area(name) for name in results if results[name] in _NOTICED)
    lines = ["| area | tried | noticed | share |", "|---|--:|--:|--:|"]
    lines += [_row(name, tried[name], noticed[name]) for name in sorted(tried)]
    lines += [_row("**all**", tried.total(), noticed.total()), ""]
    how = Counter((_NOTICED | _NOT)[code] for code in results.values())
    lines += [", ".join(f"{what}: {count}" for what, count in how.most_common())]
    lines += [name for name in sorted(results) if results[name] in _NOT] if show else []
    return "\n".join(lines)


def _row(name: str, tried: int, noticed: int) -> str:
    return f"| {name} | {tried} | {noticed} | {100 * noticed / tried:.1f} % |"


def _results() -> dict[str, int | None]:
    """Of every mutant there is; None of one not tried."""
    found: dict[str, int | None] = {}
    for path in _FOLDER.rglob("*.meta"):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def _try_out(names: Iterable[str], jobs: int) -> None:
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs), *names], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, help="so many, drawn at random; left out: tell what was tried so far")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    words = parser.parse_args()
    if words.sample is not None:
        if not _results():
            _try_out([_FIRST], words.jobs)
        drawn = sorted(random.Random(words.seed).sample(sorted(_results()), words.sample))
        # One that was stopped goes on.
        if left := [name for name in drawn if _results()[name] is None]:
            _try_out(left, words.jobs)
        print(told({name: code for name in drawn if (code := _results()[name]) is not None}))
    else:
        print(told({name: code for name, code in _results().items() if code is not None}))


if __name__ == "__main__":
    main()
