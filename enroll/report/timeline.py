"""Lanes over the clip's time: who is seen, who is heard, what of it was used, and where the challenge was answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from enroll.findings import Findings
from enroll.report.plots import Band, bands, presence, spans_of
from enroll.voice import length

__all__ = ["Lane", "lanes"]

Look = Literal["own", "other", "doubt", "used", "asked"]


@dataclass(frozen=True)
class Lane:
    """A row of a timeline.

    Attributes:
        name: what the row is of.
        note: how much, behind the name.
        look: how its bands are drawn.
        bands: stretches of time.
        group: heading this row and those after it come under; empty where it goes on.
    """

    name: str
    note: str
    look: Look
    bands: tuple[Band, ...]
    group: str = ""


def lanes(findings: Findings, subject: int | None) -> tuple[Lane, ...]:
    """Every row there is something for.

    Args:
        findings: what was found.
        subject: number of the person whose rows are marked as their own.
    """
    return (*_seen(findings, subject), *_heard(findings, subject), *_challenge(findings))


def _seen(findings: Findings, subject: int | None) -> list[Lane]:
    return [
        Lane(
            f"Person {person.number}",
            f"{100 * person.presence:.0f} % of the clip",
            "own" if person.number == subject else "other",
            presence(person, findings.clip.seconds),
            "Seen" if person.number == 1 else "",
        )
        for person in findings.people
    ]


def _heard(findings: Findings, subject: int | None) -> list[Lane]:
    hearing, seconds = findings.hearing, findings.clip.seconds
    if hearing is None:
        return []
    owners = findings.attribution.owners if findings.attribution is not None else ()
    used = findings.heard.segments if findings.heard is not None else ()
    found = []
    for speaker, owner in zip(hearing.speakers, (*owners, *[None] * len(hearing.speakers)), strict=False):
        # A voice that nothing contradicts is used though no mouth was tied to it.
        own = owner is not None and owner + 1 == subject
        own |= owner is None and bool(used) and set(used) & set(speaker.spans) != set()
        look: Look = "own" if own else "other"
        found.append(
            Lane(f"Voice {speaker.number}", f"{speaker.seconds:.1f} s", look, spans_of(speaker.spans, seconds))
        )
    if hearing.doubtful:
        found.append(
            Lane("Nobody’s for sure", f"{length(hearing.doubtful):.1f} s", "doubt", spans_of(hearing.doubtful, seconds))
        )
    if used:
        found.append(Lane("Learnt from", f"{length(used):.1f} s", "used", spans_of(used, seconds)))
    return _under("Heard", found)


def _challenge(findings: Findings) -> list[Lane]:
    liveness, seconds = findings.liveness, findings.clip.seconds
    if liveness is None:
        return []
    found = []
    if liveness.digits is not None:
        found.append(Lane("Numbers", "", "asked", bands([liveness.digits], seconds)))
    if liveness.turns:
        note = ", ".join(turn.turn for turn in liveness.turns)
        found.append(Lane("Turns", note, "asked", bands([(t.begin, t.end) for t in liveness.turns], seconds)))
    return _under("Challenge", found)


def _under(group: str, found: list[Lane]) -> list[Lane]:
    return [Lane(lane.name, lane.note, lane.look, lane.bands, "" if i else group) for i, lane in enumerate(found)]
