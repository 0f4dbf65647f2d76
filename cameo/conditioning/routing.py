"""Who may be drawn where, and heard when: how much each query of a pass sees of each person's tokens.

Two people whose tokens every query sees bleed into each other, and the voice of one goes to the mouth of the other. So
a face belongs to a region of the picture, which may move and have soft edges, and a voice to the time in which its
owner speaks. Queries are placed by the coordinates that the transformer's rotary embeddings are given, so that this
holds for every pipeline, whatever it puts ahead of or behind the tokens of the scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite

import torch

from cameo.conditioning.attention import Positions
from cameo.conditioning.errors import CastRefused

__all__ = ["MAX_PEOPLE", "Box", "Presence", "Routing", "check_cast"]

MAX_PEOPLE = 4
"""In one scene. More faces are smaller than a recogniser can tell apart."""

_ONE_BOX = 0.75
"""Boxes that share more than this of their union are one box."""


@dataclass(frozen=True)
class Box:
    """A region of the picture, in shares of its edges: 0 is left or top, 1 right or bottom.

    Raises:
        CastRefused: it reaches out of the picture, or holds nothing.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise CastRefused(
                f"the region {self.left:g},{self.top:g},{self.right:g},{self.bottom:g} is no part of the picture",
                hint="give left,top,right,bottom between 0 and 1, left before right and top before bottom",
            )

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(0.0, width) * max(0.0, height)
        return shared / (self._area() + other._area() - shared)

    def _area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True)
class Presence:
    """Where somebody may be drawn, and when they may be heard.

    Attributes:
        path: keyframes, (seconds, box) in order of time: between two the box moves evenly, before the first and after
            the last it rests. Empty: anywhere.
        speaks: (begin, end) in seconds, when the voice may be heard. None: always; empty: never.
        softness: how far outside the box the face still counts, fading, in shares of the picture's edge. 0: not at all.
        fade: likewise how many seconds before and after a span the voice still counts.

    Raises:
        CastRefused: keyframes out of order, a span that ends before it begins, a negative softness or fade.
    """

    path: tuple[tuple[float, Box], ...] = ()
    speaks: tuple[tuple[float, float], ...] | None = None
    softness: float = 0.0
    fade: float = 0.0

    def __post_init__(self) -> None:
        times = [at for at, _ in self.path]
        # Written so that what is no number is refused too.
        if not all(map(isfinite, times)) or times != sorted(set(times)):
            raise CastRefused("keyframes of a region must follow each other in time")
        if not all(begin < end for begin, end in self.speaks or ()):
            raise CastRefused("a span of speech ends before it begins", hint="give begin,end in seconds")
        if not (self.softness >= 0 and self.fade >= 0):
            raise CastRefused("softness and fade are 0 or more")

    @classmethod
    def at(cls, left: float, top: float, right: float, bottom: float, softness: float = 0.0) -> Presence:
        """Within one box from beginning to end, heard at any time."""
        return cls(path=((0.0, Box(left, top, right, bottom)),), softness=softness)

    @property
    def soft(self) -> bool:
        return self.softness > 0 or self.fade > 0

    def box(self, seconds: float) -> Box | None:
        """Where they are at a time; None: anywhere."""
        return Box(*self._edges(torch.tensor(seconds, dtype=torch.float64)).tolist()) if self.path else None

    def later(self, seconds: float) -> Presence:
        """The same, in a scene that began this much earlier."""
        spans = None if self.speaks is None else tuple((begin + seconds, end + seconds) for begin, end in self.speaks)
        return replace(self, path=tuple((at + seconds, box) for at, box in self.path), speaks=spans)

    def drawn(self, seconds: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """How much of them is seen at each point, 0 to 1.

        Args:
            seconds: (…) of the scene; ``x`` and ``y`` likewise, in shares of the picture's edges.
        """
        if not self.path:
            return torch.ones_like(x)
        left, top, right, bottom = self._edges(seconds)
        outside = torch.stack([left - x, x - right, top - y, y - bottom]).amax(0).clamp(min=0)
        return _fading(outside, self.softness)

    def heard(self, seconds: torch.Tensor) -> torch.Tensor:
        """How much of the voice is heard at each time, 0 to 1; (…) as ``seconds``."""
        if self.speaks is None:
            return torch.ones_like(seconds)
        if not self.speaks:
            return torch.zeros_like(seconds)
        away = [torch.stack([begin - seconds, seconds - end]).amax(0).clamp(min=0) for begin, end in self.speaks]
        return _fading(torch.stack(away).amin(0), self.fade)

    def _edges(self, seconds: torch.Tensor) -> torch.Tensor:
        """(4, …): left, top, right, bottom of the box at each time."""
        times = torch.tensor([at for at, _ in self.path], dtype=seconds.dtype, device=seconds.device)
        boxes = torch.tensor(
            [(box.left, box.top, box.right, box.bottom) for _, box in self.path],
            dtype=seconds.dtype,
            device=seconds.device,
        )
        if len(times) == 1:
            return boxes[0].view(4, *(1,) * seconds.ndim).expand(4, *seconds.shape)
        after = torch.searchsorted(times, seconds.contiguous()).clamp(1, len(times) - 1)
        share = ((seconds - times[after - 1]) / (times[after] - times[after - 1])).clamp(0, 1)
        return torch.lerp(boxes[after - 1], boxes[after], share[..., None]).movedim(-1, 0)


@dataclass(repr=False)
class Routing:
    """How much each query sees of each token.

    Args:
        presences: of the people, in the order of their tokens.
        video_lengths: how many tokens each has for the picture; ``audio_lengths`` likewise for the sound.
        height: of the picture, in pixels, ``width`` likewise.
    """

    presences: Sequence[Presence]
    video_lengths: Sequence[int]
    audio_lengths: Sequence[int]
    height: int
    width: int
    _last: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict, init=False)

    @property
    def soft(self) -> bool:
        """Whether there are weights other than 0 and 1."""
        return any(presence.soft for presence in self.presences)

    def video(self, positions: Positions) -> torch.Tensor:
        """(B or 1, Q, N), 0 to 1, for the pass that is running."""
        middles = positions.video
        return self._of_this_pass("video", middles, lambda: self._video(middles))

    def audio(self, positions: Positions) -> torch.Tensor:
        """(B or 1, T, M), 0 to 1, for the pass that is running."""
        middles = positions.audio
        return self._of_this_pass("audio", middles, lambda: self._audio(middles))

    def _video(self, middles: torch.Tensor) -> torch.Tensor:
        seconds, y, x = middles.unbind(1)
        each = [one.drawn(seconds, x / self.width, y / self.height) for one in self.presences]
        return _spread(each, self.video_lengths)

    def _audio(self, middles: torch.Tensor) -> torch.Tensor:
        return _spread(self._heard(middles[:, 0]), self.audio_lengths)

    def _heard(self, seconds: torch.Tensor) -> list[torch.Tensor]:
        """How much of each is heard at (B or 1, T) seconds."""
        return [one.heard(seconds) for one in self.presences]

    def _of_this_pass(self, stream: str, middles: torch.Tensor, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Every block of a pass asks for the same."""
        seen = self._last.get(stream)
        if seen is None or seen[0] is not middles:
            seen = self._last[stream] = (middles, compute())
        return seen[1]


def check_cast(presences: Sequence[Presence]) -> None:
    """Verify that these people can be in one scene.

    Raises:
        CastRefused: they are more than four, or two of them are in one box.
    """
    if len(presences) > MAX_PEOPLE:
        raise CastRefused(
            f"{len(presences)} people in one scene, {MAX_PEOPLE} at most", hint="make two scenes of it, or name fewer"
        )
    moments = sorted({at for presence in presences for at, _ in presence.path})
    for at in moments:
        boxes = [presence.box(at) for presence in presences]
        for first, one in enumerate(boxes):
            for second, other in enumerate(boxes[:first]):
                if one and other and one.overlap(other) > _ONE_BOX:
                    raise CastRefused(
                        f"person {second + 1} and person {first + 1} are in one region at {at:g} s",
                        hint="give each a region of their own",
                    )


def _fading(away: torch.Tensor, reach: float) -> torch.Tensor:
    """1 where nothing lies between, falling evenly to 0 at ``reach``."""
    return (1 - away / reach).clamp(min=0) if reach > 0 else (away == 0).to(away.dtype)


def _spread(people: Sequence[torch.Tensor], lengths: Sequence[int]) -> torch.Tensor:
    """(B, Q) of each person to (B, Q, tokens of all)."""
    return torch.cat([one[..., None].expand(*one.shape, n) for one, n in zip(people, lengths, strict=True)], -1)
