"""Everything that was learnt about a clip before anything of it was kept: what a report shows, refused or not.

Findings hold pictures of people and where they spoke. They live in memory for as long as somebody looks at them.
"""

from __future__ import annotations

from dataclasses import dataclass

from enroll.attribution import Attribution
from enroll.clip import Clip
from enroll.errors import KitError
from enroll.liveness import Liveness
from enroll.sightings import Sightings
from enroll.subject import Person
from enroll.voice import Heard, Hearing

__all__ = ["Findings"]


@dataclass(frozen=True, repr=False)
class Findings:
    """Attributes:
    clip: the clip.
    sightings: every face, pictures from the clip, cuts; None when the picture could not be looked at.
    people: everybody who counts, from left to right.
    subject: the one who is enrolled; None when that could not be told.
    hearing: who speaks when; None without speech, and where nobody listened.
    attribution: whose mouth makes which voice, heads in the order of ``people``; None likewise.
    heard: the subject's speech; None likewise.
    liveness: how the challenge of the consent was answered; None where there was none to answer, or nobody to do it.
    refusal: why nobody is enrolled; None when somebody is.
    """

    clip: Clip
    sightings: Sightings | None = None
    people: tuple[Person, ...] = ()
    subject: Person | None = None
    hearing: Hearing | None = None
    attribution: Attribution | None = None
    heard: Heard | None = None
    liveness: Liveness | None = None
    refusal: KitError | None = None
