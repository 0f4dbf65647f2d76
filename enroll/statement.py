"""What a person reads aloud when they consent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

__all__ = ["statement"]

_USES: Final[dict[str, str]] = {
    "generate": "to make scenes with me",
    "personalize": "to fit a model to me",
    "evaluate": "to measure how well it does so",
    "train": "to teach models that others use too",
}


def statement(
    name: str,
    handle: str,
    scope: Iterable[str],
    uses: Iterable[str],
    until: datetime,
    digits: str,
    turns: Iterable[str],
    never: Iterable[str] = (),
) -> str:
    """The words: who, what of them, for what, until when, and the challenge."""
    uses = tuple(uses)
    learnt = _and([f"my {part}" for part in scope])
    aims = _and([_USES.get(use, use) for use in uses])
    limits = [f"never with {word}" for word in never]
    # Nobody could keep a promise to take it out of a model again.
    stays = " What such models have learned by then stays in them." if "train" in uses else ""
    return (
        f"I am {name}. I agree that Cameo learns {learnt} from this clip, as @{handle}, {aims}, "
        f"{', '.join([f'until {until:%Y-%m-%d}', *limits])}. I am of age. I can take this back at any time, and then "
        f"it is deleted.{stays} My numbers are {' '.join(digits)}. Now I turn my head {_and(list(turns))}."
    )


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
