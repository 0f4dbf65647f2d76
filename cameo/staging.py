"""From a script to who is drawn where and heard when.

What the prompt says decides: a side, and whose line is whose. Who says nothing has no voice in the scene, so that
nobody else can speak with it. Where several speak, the scene's time is shared out in the order of their lines, by
their length; that is a guess, and can be overruled. Whoever is given a place or a time beforehand keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cameo.conditioning.routing import Presence, check_cast
from cameo.errors import InputRefused
from cameo.script import Role, Script, Side

__all__ = ["SIDES", "stage"]

SIDES: dict[Side, Presence] = {
    "left": Presence.at(0.0, 0.0, 0.5, 1.0, softness=0.05),
    "right": Presence.at(0.5, 0.0, 1.0, 1.0, softness=0.05),
}
"""Where somebody is who is said to be on a side."""

_OTHER: dict[Side, Side] = {"left": "right", "right": "left"}
_PAUSE = 4
"""Letters' worth of time between two lines."""


def stage(script: Script, seconds: float, given: Mapping[str, Presence] | None = None) -> tuple[Presence, ...] | None:
    """Where and when each role is, in the order of the cast; None where one person has the scene to themselves.

    Args:
        script: the prompt, read.
        seconds: length of the scene.
        given: by handle, what overrules the prompt; a path or spans of speech it leaves open are the prompt's.

    Raises:
        InputRefused: somebody is given a place who is not in the prompt, or a time to speak who has no line.
        CastRefused: more than four people, or two of them in one region.
    """
    given = given or {}
    handles = [role.handle for role in script.cast]
    for handle in given:
        if handle not in handles:
            raise InputRefused(f"@{handle} was given a place, and the prompt does not name them")
    if len(handles) == 1 and not given:
        return None
    sides, spans = _sides(script.cast), _spans(script, seconds)
    presences = []
    for role in script.cast:
        told = given.get(role.handle, Presence())
        if told.speaks and not role.lines:
            raise InputRefused(
                f"@{role.handle} has a time to speak, and no line", hint=f'write one: @{role.handle} says "hello"'
            )
        if not told.path and (side := sides.get(role.handle)):
            told = replace(told, path=SIDES[side].path, softness=SIDES[side].softness)
        if told.speaks is None:
            told = replace(told, speaks=spans.get(role.handle, ()))
        presences.append(told)
    check_cast(presences)
    return tuple(presences)


def _sides(cast: tuple[Role, ...]) -> dict[str, Side]:
    """Of two people, the one the prompt does not place stands where the other does not."""
    sides = {role.handle: role.side for role in cast if role.side is not None}
    if len(cast) == 2 and len(sides) == 1:
        ((handle, side),) = sides.items()
        sides |= {role.handle: _OTHER[side] for role in cast if role.handle != handle}
    return sides


def _spans(script: Script, seconds: float) -> dict[str, tuple[tuple[float, float], ...] | None]:
    """When each speaker speaks; None for a single one, who may at any time."""
    speakers = list(dict.fromkeys(turn.handle for turn in script.turns))
    if len(speakers) == 1:
        return {speakers[0]: None}
    letters = [len(turn.line) + _PAUSE for turn in script.turns]
    spans: dict[str, tuple[tuple[float, float], ...] | None] = dict.fromkeys(speakers, ())
    begin = 0.0
    for turn, length in zip(script.turns, letters, strict=True):
        end = begin + seconds * length / sum(letters)
        spans[turn.handle] = (*(spans[turn.handle] or ()), (begin, end))
        begin = end
    return spans
