"""Who is being enrolled, or why that cannot be told.

Tracks become people by how they look (dlib descriptors). A person counts who is seen for a fair part of the clip at a
fair size: somebody walking through, a poster far behind, or a hand that looks like a face for a moment is no reason to
refuse. Of several the subject is the one who is there, faces the camera and speaks, when that is one person and nobody
else comes near it. Otherwise the operator has to say who it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from enroll.clip import Clip
from enroll.encoders.base import Encoder
from enroll.errors import BadInput, FaceCovered, FaceTooSmall, NoFace, SeveralPeople
from enroll.faces import largest_tiny_face
from enroll.looks import Look
from enroll.sightings import Sightings
from enroll.sync import TALKING, Agreement
from enroll.tracking import HeadTrack, Track, head_track

__all__ = ["MIN_FACE_PX", "SAME_FACE", "Person", "choose", "find_people"]

MIN_FACE_PX = 32.0
"""A lower face says too little of a person."""
COVERED = 0.7
"""Share of the lower half of the face from which on it is under a mask; see ``Look.covered``. Lips that are seen to
make the voice are not: coloured light on dark skin comes near this, and is no reason to refuse anybody."""

CERTAIN = 0.97
"""Detector confidence that counts as having seen somebody. False faces linger below it."""
LASTING_SHARE, LASTING_SECONDS = 0.15, 0.75
BYSTANDER = 1 / 3
"""Share of the tallest face's height below which a person is background."""

# A head turned less than this faces the camera.
_FACING_YAW = 35.0
# There for half the clip and facing the camera for half of that; much less of either is somebody else in the room.
_THERE, _HARDLY = 0.5, 0.25
# Stricter than dlib's own 0.6, for somebody who is not told apart is enrolled without consent. On GRID, two days of one
# person are at most 0.35 apart and two people at least 0.49. A track is broken where single looks differ; tracks are
# joined on their means, which scatter less; across a cut, where nothing but the face says that it is one person, only
# when they are as near as one person on two days.
_BREAK = 0.5
SAME_FACE, _SAME_OVER_A_CUT = 0.45, 0.36
"""Distances of two means in ``dlib-resnet-128`` up to which they are one face: within a clip, and across a cut."""
_LEAST_PROBES, _MOST_PROBES, _PROBE_SECONDS = 2, 6, 2.5
_PROBE_YAW, _PROBE_PITCH = 40.0, 25.0
_MAX_PROBED_TRACKS = 24
_GLIMPSE = 0.6
_DARK = 14.0


@dataclass(frozen=True, repr=False, eq=False)
class Person:
    """Somebody the clip shows for long enough to count.

    Attributes:
        number: 1 for the one farthest to the left, then 2, and so on: what ``--subject`` means.
        looks: in clip order, certain ones and doubtful ones.
        head: the head through the clip.
        presence: share of the clip in which they were followed, 0 to 1.
        facing: share of that in which they faced the camera, 0 to 1.
    """

    number: int
    looks: tuple[Look, ...]
    head: HeadTrack
    presence: float
    facing: float

    @property
    def height(self) -> float:
        """Median height of the face in the clip, pixels."""
        return float(np.median([look.face_px for look in self.looks]))

    @property
    def whereabouts(self) -> str:
        """Where and when, in words."""
        x = float(np.median([look.centre[0] for look in self.looks]))
        side = "left" if x < 0.4 else "right" if x > 0.6 else "middle"
        return f"{side}, {self.head.seconds[0]:.1f}-{self.head.seconds[-1]:.1f} s"


@dataclass(frozen=True, repr=False)
class _Part:
    """A stretch of a track that is one face, and descriptors of some of its looks, shape (P, 128)."""

    track: Track
    probes: NDArray[np.float32]

    @property
    def certain(self) -> list[Look]:
        return [look for look in self.track.looks if look.confidence >= CERTAIN]


def find_people(sightings: Sightings, clip: Clip, encoder: Encoder) -> tuple[Person, ...]:
    """Everybody who counts, from left to right; nobody, perhaps.

    Args:
        sightings: what the clip shows.
        clip: the clip.
        encoder: of the space ``dlib-resnet-128``, whose distances the limits of this module are in.
    """
    groups = _grouped(sightings, encoder)
    rate = min(clip.fps, 30.0)
    people = []
    for group in groups:
        looks = tuple(sorted((look for part in group for look in part.track.looks), key=lambda look: look.second))
        head = head_track([part.track for part in group])
        # Doubtful detections thin out what counts as having been there.
        sure = sum(look.confidence >= CERTAIN for look in looks) / len(looks)
        seconds = len(head) / rate * sure
        if seconds >= max(min(LASTING_SECONDS, clip.seconds / 2), LASTING_SHARE * clip.seconds):
            facing = float(np.mean(np.abs(head.poses[:, 0]) <= _FACING_YAW))
            people.append(Person(0, looks, head, min(1.0, seconds / clip.seconds), facing))
    tallest = max((person.height for person in people), default=0.0)
    people = [person for person in people if person.height >= BYSTANDER * tallest]
    people.sort(key=lambda person: float(np.median([look.centre[0] for look in person.looks])))
    return tuple(Person(n, p.looks, p.head, p.presence, p.facing) for n, p in enumerate(people, 1))


def choose(
    people: Sequence[Person],
    sightings: Sightings,
    clip: Clip,
    *,
    speaking: Mapping[int, Agreement],
    subject: int | None = None,
) -> Person:
    """The one this clip is about.

    Args:
        people: from ``find_people``.
        sightings, clip: what they were found in.
        speaking: how well each person's mouth, by number, fits the speech in the clip; empty where there is none.
        subject: the number of the person meant; None when the clip is to say so itself.

    Raises:
        NoFace: nobody is seen for long enough; the picture may be black.
        FaceTooSmall: somebody is, but less than ``MIN_FACE_PX`` high.
        FaceCovered: the lower half of the face is under something.
        SeveralPeople: more than one person qualifies; the message says how many and where.
        BadInput: there is no person of that number.
    """
    if not people:
        raise _nobody(sightings, clip)
    if subject is not None:
        if not 1 <= subject <= len(people):
            raise BadInput(
                f"there is no person {subject} in {clip.path.name}: {_roll(people)}",
                hint=f"choose 1{f' to {len(people)}' if len(people) > 1 else ''}",
            )
        chosen = people[subject - 1]
    elif len(people) == 1:
        chosen = people[0]
    else:
        chosen = _standing_out(people, speaking) or _refuse(people, clip)
    if chosen.height < MIN_FACE_PX:
        raise _too_small(chosen.height, clip)
    said = speaking.get(chosen.number)
    lips = said is not None and (said.verdict == "agrees" or said.moving >= TALKING)
    if not lips and float(np.median([look.covered for look in chosen.looks])) > COVERED:
        raise FaceCovered(
            f"mouth and chin are covered in {clip.path.name}",
            hint="film without a mask, a scarf or a hand over the face",
        )
    return chosen


def _standing_out(people: Sequence[Person], speaking: Mapping[int, Agreement]) -> Person | None:
    """The one who is there, faces the camera and speaks, if nobody else comes near that."""

    def qualifies(person: Person) -> bool:
        said = speaking.get(person.number)
        there = person.presence >= _THERE and person.facing >= _THERE
        return there and said is not None and said.verdict == "agrees"

    def is_nobody(person: Person) -> bool:
        said = speaking.get(person.number)
        away = person.presence < _HARDLY or person.facing < _HARDLY
        return away and (said is None or said.verdict != "agrees")

    full = [person for person in people if qualifies(person)]
    others = [person for person in people if person not in full]
    return full[0] if len(full) == 1 and all(map(is_nobody, others)) else None


def _refuse(people: Sequence[Person], clip: Clip) -> Person:
    raise SeveralPeople(
        f"{len(people)} people in {clip.path.name}: {_roll(people)}",
        hint="film one person alone, or say who it is with --subject NUMBER",
    )


def _roll(people: Sequence[Person]) -> str:
    named = "; ".join(f"{person.number} {person.whereabouts}" for person in people[:4])
    return named + ("; …" if len(people) > 4 else "")


def _grouped(sightings: Sightings, encoder: Encoder) -> list[list[_Part]]:
    """Parts of tracks by person."""
    tracks = [track for track in sightings.tracks if _is_somebody(track)]
    tracks = sorted(tracks, key=lambda track: len(track.seconds), reverse=True)[:_MAX_PROBED_TRACKS]
    groups = [[part] for track in tracks for part in _split(track, encoder)]
    while pair := _closest(groups, sightings.cuts):
        first, second = pair
        groups[first] += groups.pop(second)
    return groups


def _is_somebody(track: Track) -> bool:
    """A face seen for a moment proves nothing."""
    sure = sum(look.confidence >= CERTAIN for look in track.looks)
    return sure >= 2 or (sure == 1 and track.seconds[-1] - track.seconds[0] >= _GLIMPSE)


def _split(track: Track, encoder: Encoder) -> list[_Part]:
    """Breaks a track where one face takes another's place, as a cut that nobody noticed does."""
    sure = [look for look in track.looks if look.confidence >= CERTAIN]
    # From the side one person differs from themselves as much as from others.
    frontal = [k for k in sure if abs(k.pose.yaw) <= _PROBE_YAW and abs(k.pose.pitch) <= _PROBE_PITCH] or sure
    wanted = int(np.clip((track.seconds[-1] - track.seconds[0]) / _PROBE_SECONDS, _LEAST_PROBES, _MOST_PROBES))
    probes = [frontal[i] for i in sorted(set(np.linspace(0, len(frontal) - 1, wanted).round().astype(int)))]
    vectors = encoder.encode(probes)
    changes = [
        _change(sure, before, after, encoder)
        for (before, a), (after, b) in pairwise(zip(probes, vectors, strict=True))
        if float(np.linalg.norm(a - b)) > _BREAK
    ]
    bounds = [-np.inf, *changes, np.inf]
    parts = []
    for first, last in pairwise(bounds):
        inside = [n for n, probe in enumerate(probes) if first <= probe.second < last]
        parts.append(_Part(_between(track, first, last), vectors[inside]))
    return parts


def _change(looks: Sequence[Look], before: Look, after: Look, encoder: Encoder) -> float:
    """The second at which one face takes another's place, between two looks that differ: found by halving."""
    between = [look for look in looks if before.second < look.second < after.second]
    while between:
        middle = between[len(between) // 2]
        one, other, vector = encoder.encode([before, after, middle])
        if float(np.linalg.norm(vector - one)) < float(np.linalg.norm(vector - other)):
            before = middle
        else:
            after = middle
        between = [look for look in between if before.second < look.second < after.second]
    return (before.second + after.second) / 2


def _between(track: Track, first: float, last: float) -> Track:
    inside = [i for i, second in enumerate(track.seconds) if first <= second < last]
    return Track(
        [look for look in track.looks if first <= look.second < last],
        [track.seconds[i] for i in inside],
        [track.landmarks[i] for i in inside],
        [track.mouths[i] for i in inside],
    )


def _closest(groups: list[list[_Part]], cuts: Sequence[float]) -> tuple[int, int] | None:
    """The two groups most alike, if they can be one person: alike enough, and not seen at once."""
    best: tuple[float, tuple[int, int]] | None = None
    for i, one in enumerate(groups):
        for j in range(i + 1, len(groups)):
            distance = float(np.linalg.norm(_mean(one) - _mean(groups[j])))
            together = {k.index for a in one for k in a.certain} & {k.index for b in groups[j] for k in b.certain}
            near = SAME_FACE if _takes(one, cuts) & _takes(groups[j], cuts) else _SAME_OVER_A_CUT
            if distance < near and len(together) < 2 and (best is None or distance < best[0]):
                best = distance, (i, j)
    return best[1] if best else None


def _takes(group: list[_Part], cuts: Sequence[float]) -> set[int]:
    """Between which cuts somebody is seen."""
    return {int(np.searchsorted(cuts, part.track.seconds[0], side="right")) for part in group}


def _mean(group: list[_Part]) -> NDArray[np.float32]:
    return np.concatenate([part.probes for part in group]).mean(0)


def _nobody(sightings: Sightings, clip: Clip) -> NoFace | FaceTooSmall:
    if sightings.brightness < _DARK:
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
