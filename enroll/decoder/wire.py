"""What the decoder's process says to its parent: a fixed header and raw bytes. Whoever reads trusts none of it."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

__all__ = ["FACTS", "HEADER", "REASONS", "REFUSAL", "Facts", "Header", "Job", "Reason", "Refusal"]

HEADER = struct.Struct("<cBHHHHdI")
FACTS = struct.Struct("<IIdddddB")
REFUSAL = struct.Struct("<Bdd")

Reason = Literal[
    "not_video", "no_picture", "too_large", "too_long", "empty", "truncated", "undecodable", "unsupported", "limit"
]
REASONS: tuple[Reason, ...] = (
    "not_video",
    "no_picture",
    "too_large",
    "too_long",
    "empty",
    "truncated",
    "undecodable",
    "unsupported",
    "limit",
)


class Header(NamedTuple):
    """What comes before every message.

    Attributes:
        kind: ``F`` a frame (grey, then RGB if there is one), ``S`` sound (float32), ``B`` its breaks (float64), ``C``
            the clip's facts, ``E`` a refusal, ``T`` a sign of life, ``Z`` the end.
        turn: how to set the frame upright: 1 transpose, then 2 mirror, then 4 flip.
        grey_width, grey_height, width, height: of the pictures that follow, as they lie in memory; 0 when absent.
        second: of the frame.
        size: bytes that follow.
    """

    kind: bytes
    turn: int = 0
    grey_width: int = 0
    grey_height: int = 0
    width: int = 0
    height: int = 0
    second: float = 0.0
    size: int = 0


class Facts(NamedTuple):
    """What a survey learnt. ``start`` (of the picture) and ``sound_start`` are in the container's own seconds;
    ``start`` is NaN where the container gives no times; ``captured`` is a Unix time or NaN."""

    width: int
    height: int
    seconds: float
    start: float
    fps: float
    captured: float
    sound_start: float
    has_sound: bool


@dataclass(frozen=True)
class Job:
    """What the child is to do, and within which bounds."""

    do: Literal["survey", "watch"]
    max_pixels: int
    max_seconds: float
    max_edge: int
    grey_edge: int
    max_rate: float
    rate: float = 0.0
    start: float = 0.0
    seconds: float = 0.0
    fps: float = 0.0
    memory: int = 0
    cpu_seconds: int = 0

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


class Refusal(Exception):
    """The file cannot serve; ``numbers`` fill the sentence the parent makes of it."""

    def __init__(self, reason: Reason, *numbers: float) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.numbers = (*numbers, 0.0, 0.0)[:2]
