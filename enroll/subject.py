"""Who is being enrolled, or why that cannot be told.

Faces are linked into tracks by where they are, tracks into people by how they look (dlib descriptors). A person counts
who is seen for a fair part of the clip at a fair size: somebody passing by, a poster far behind, or a hand that looks
like a face for a moment is no reason to refuse. Two people are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from enroll.clip import Clip
from enroll.encoders import registry
from enroll.encoders.base import Encoder
from enroll.errors import FaceTooSmall, NoFace, SeveralPeople
from enroll.faces import SAMPLE_RATE, Faces, largest_tiny_face
from enroll.looks import Look

__all__ = ["MIN_FACE_PX", "find_subject", "link"]

MIN_FACE_PX = 32.0
"""A lower face says too little of a person."""

CERTAIN = 0.97
"""Detector confidence that counts as having seen somebody. False faces linger below it."""
LASTING_SHARE = 0.15
LASTING_FRAMES = 3
BYSTANDER = 1 / 3
"""Share of the tallest face's height below which a person is background."""

# A head moves less than its own height between samples; one missed for longer may be another person's.
_REACH = 0.9
_GAP_SECONDS = 1.1
# Stricter than dlib's own 0.6, for somebody who is not told apart is enrolled without consent. On GRID, two days of one
# person are at most 0.35 apart and two people at least 0.49. A track is broken where single looks differ; tracks are
# joined on their means, which scatter less.
_BREAK = 0.5
_JOIN = 0.45
_PROBES = 6
_PROBE_YAW, _PROBE_PITCH = 40.0, 25.0
_MAX_PROBED_TRACKS = 24
_DARK = 14.0


@dataclass(frozen=True, repr=False)
class _Track:
    """One face followed through the clip, and descriptors of some of its looks, shape (P, 128)."""

    looks: tuple[Look, ...]
    probes: NDArray[np.float32]

    @property
    def certain(self) -> list[Look]:
        return [look for look in self.looks if look.confidence >= CERTAIN]


def find_subject(faces: Faces, clip: Clip) -> tuple[Look, ...]:
    """The looks at the one person this clip is about, in clip order.

    Raises:
        NoFace: nobody is seen for long enough; the picture may be black.
        FaceTooSmall: somebody is, but less than ``MIN_FACE_PX`` high.
        SeveralPeople: more than one person is; the message says how many and where.
    """
    people = [looks for looks in _people(faces) if _lasting(looks, faces.frames)]
    if not people:
        raise _nobody(faces, clip)
    tallest = max(_height(looks) for looks in people)
    people = [looks for looks in people if _height(looks) >= BYSTANDER * tallest]
    if len(people) > 1:
        raise SeveralPeople(
            f"{len(people)} people in {clip.path.name}: {'; '.join(_whereabouts(looks) for looks in people[:4])}"
            + ("; …" if len(people) > 4 else ""),
            hint="film one person alone, without cuts to others",
        )
    if tallest < MIN_FACE_PX:
        raise _too_small(tallest, clip)
    return tuple(people[0])


def link(by_frame: tuple[tuple[Look, ...], ...]) -> list[list[Look]]:
    """Tracks: each look goes to the track whose last look was nearest, if a head can have moved that far."""
    tracks: list[list[Look]] = []
    for looks in by_frame:
        pairs = sorted(
            (
                (distance, number, place)
                for number, track in enumerate(tracks)
                for place, look in enumerate(looks)
                if (distance := _distance(track[-1], look)) < _REACH
            )
        )
        taken: set[int] = set()
        extended: set[int] = set()
        for _, number, place in pairs:
            if number not in extended and place not in taken:
                tracks[number].append(looks[place])
                extended.add(number)
                taken.add(place)
        tracks += [[look] for place, look in enumerate(looks) if place not in taken]
    return tracks


def _distance(before: Look, after: Look) -> float:
    """Movement in face heights; infinite for another size, another time or the same frame."""
    ratio = before.face_px / after.face_px
    if before.index == after.index or after.second - before.second > _GAP_SECONDS or not 0.55 < ratio < 1.8:
        return np.inf
    dx = (after.centre[0] - before.centre[0]) / max(before.reach[1], after.reach[1])
    dy = (after.centre[1] - before.centre[1]) / max(before.reach[0], after.reach[0])
    return float(np.hypot(dx, dy))


def _people(faces: Faces) -> list[list[Look]]:
    """Looks by person, those seen longest first."""
    encoder = registry.get("dlib-resnet-128")
    # A face seen once in a clip sampled four times a second proves nothing.
    tracks = [t for t in link(faces.by_frame) if sum(look.confidence >= CERTAIN for look in t) >= 2]
    tracks = sorted(tracks, key=len, reverse=True)[:_MAX_PROBED_TRACKS]
    parts = [part for track in tracks for part in _split(track, encoder)]
    groups = [[part] for part in parts]
    while pair := _closest(groups):
        first, second = pair
        groups[first] += groups.pop(second)
    people = [sorted((look for part in group for look in part.looks), key=lambda k: k.second) for group in groups]
    return sorted(people, key=len, reverse=True)


def _split(track: list[Look], encoder: Encoder) -> list[_Track]:
    """Breaks a track where one face takes another's place, as a cut between two close-ups does."""
    sure = [look for look in track if look.confidence >= CERTAIN]
    # From the side one person differs from themselves as much as from others.
    frontal = [k for k in sure if abs(k.pose.yaw) <= _PROBE_YAW and abs(k.pose.pitch) <= _PROBE_PITCH] or sure
    probes = [frontal[i] for i in sorted(set(np.linspace(0, len(frontal) - 1, _PROBES).round().astype(int)))]
    vectors = encoder.encode(probes)
    breaks = [0]
    bounds: list[tuple[int, int]] = []
    for number, (before, after) in enumerate(pairwise(vectors), 1):
        if float(np.linalg.norm(before - after)) > _BREAK:
            bounds.append((breaks[-1], number))
            breaks.append(number)
    bounds.append((breaks[-1], len(probes)))
    parts = []
    for begin, end in bounds:
        # Between two probes that differ, looks go to the nearer one.
        first = -np.inf if begin == 0 else (probes[begin - 1].second + probes[begin].second) / 2
        last = np.inf if end == len(probes) else (probes[end - 1].second + probes[end].second) / 2
        parts.append(_Track(tuple(look for look in track if first <= look.second < last), vectors[begin:end]))
    return parts


def _closest(groups: list[list[_Track]]) -> tuple[int, int] | None:
    """The two groups most alike, if they can be one person: alike enough, and not seen at once."""
    best: tuple[float, tuple[int, int]] | None = None
    for i, one in enumerate(groups):
        for j in range(i + 1, len(groups)):
            distance = float(np.linalg.norm(_mean(one) - _mean(groups[j])))
            together = {k.index for a in one for k in a.certain} & {k.index for b in groups[j] for k in b.certain}
            if distance < _JOIN and len(together) < 2 and (best is None or distance < best[0]):
                best = distance, (i, j)
    return best[1] if best else None


def _mean(group: list[_Track]) -> NDArray[np.float32]:
    return np.concatenate([part.probes for part in group]).mean(0)


def _lasting(looks: list[Look], frames: int) -> bool:
    seen = len({look.index for look in looks if look.confidence >= CERTAIN})
    return seen >= max(min(LASTING_FRAMES, frames), LASTING_SHARE * frames)


def _height(looks: list[Look]) -> float:
    return float(np.median([look.face_px for look in looks]))


def _whereabouts(looks: list[Look]) -> str:
    x = float(np.median([look.centre[0] for look in looks]))
    side = "left" if x < 0.4 else "right" if x > 0.6 else "middle"
    return f"{side}, {looks[0].second:.1f}-{looks[-1].second + 1 / SAMPLE_RATE:.1f} s"


def _nobody(faces: Faces, clip: Clip) -> NoFace | FaceTooSmall:
    if faces.brightness < _DARK:
        return NoFace(f"{clip.path.name} is black or nearly so", hint="film in good light")
    tiny = largest_tiny_face(clip)
    if tiny is not None and tiny < MIN_FACE_PX:
        return _too_small(tiny, clip)
    return NoFace(
        f"no face is seen for long enough in {clip.path.name}", hint="film your face from the front, in good light"
    )


def _too_small(height: float, clip: Clip) -> FaceTooSmall:
    return FaceTooSmall(
        f"the face in {clip.path.name} is {height:.0f} pixels high; at least {MIN_FACE_PX:.0f} are needed",
        hint="come closer, or film at a higher resolution",
    )
