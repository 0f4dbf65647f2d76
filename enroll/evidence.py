"""What a consent record says of how its challenge was met: counts, times and versions, nothing of the person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from enroll.fields import Moment

__all__ = ["Capture", "CheckName", "Evidence", "Level", "Match", "Measure"]

Level = Literal["none", "spoken", "live"]
"""``spoken``: the person said the numbers, seen and heard, in one piece and in time. ``live``: and turned as asked."""

CheckName = Literal["time", "picture", "sound", "digits", "voice", "face", "mouth", "turns"]
"""Time: answered while the challenge was good. Picture, sound: in one piece. Digits, turns: as asked, in order. Voice:
the digits are the subject's speech. Face: it is seen all the while. Mouth: it makes that voice."""

Capture = Literal["upload", "camera"]
"""``camera``: the operator's own program recorded the clip. Only the operator can know; a file says nothing of it."""

Measure = Literal["distance", "cosine", "deviations"]
"""Distance: Euclidean, 0 for the same. Cosine: 1 for the same. Deviations: see ``sync.Agreement.score``."""

_Short: Final = StringConstraints(min_length=1, max_length=80, pattern=r"^[ -~]+$")


class Match(BaseModel):
    """How well what answered the challenge fits what is enrolled.

    Attributes:
        of: the face while the numbers are said, against the face that is learnt; the voice that says them, against the
            voice that is learnt; the mouth against the voice.
        by: the embedding space, or the program, that compared them.
        measure: see ``Measure``.
        score: what was found.
        threshold: the greatest distance, or the least of the others, that counts as the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    of: Literal["face", "voice", "mouth"]
    by: Annotated[str, _Short]
    measure: Measure
    score: float = Field(ge=-1000, le=1000, allow_inf_nan=False)
    threshold: float = Field(ge=-1000, le=1000, allow_inf_nan=False)

    @property
    def holds(self) -> bool:
        return self.score <= self.threshold if self.measure == "distance" else self.score >= self.threshold


class Evidence(BaseModel):
    """On what the assurance of a consent rests.

    Attributes:
        level: what was reached.
        checks: those that passed.
        clip_sha256: of the clip that was judged, hex; the identity of this consent was learnt from it.
        judged: when, UTC.
        captured: when the clip was filmed, as its container claims; None where it claims nothing, and then only
            ``judged`` ties the clip to the challenge's half hour.
        digits: where in the clip the digits were said, seconds.
        turns: where in the clip the head turned, first to last, seconds; None where that was not as asked.
        mirrored: whether left and right were swapped, as front cameras do.
        matches: how well face, voice and mouth of the answer fit; all hold. Empty in records before cameo-consent/4.
        versions: what judged: programs and rules by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    level: Literal["spoken", "live"]
    checks: tuple[CheckName, ...] = Field(max_length=16)
    clip_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    judged: Moment
    captured: Moment | None
    digits: tuple[float, float]
    turns: tuple[float, float] | None
    mirrored: bool
    matches: tuple[Match, ...] = Field(default=(), max_length=16)
    versions: Mapping[Annotated[str, _Short], Annotated[str, _Short]] = Field(max_length=16)

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if not all(match.holds for match in self.matches):
            raise ValueError("a match below its threshold is no evidence")
        return self
