"""What is drawn over time and over the head's poses. All places are in percent, so that a page may be of any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE
from enroll.identity import Pose, View
from enroll.report.words import from_to
from enroll.subject import Person

__all__ = ["Band", "Cell", "Map", "Plot", "Tick", "coverage_map", "pose_plots", "quality_plot", "spans_of", "ticks"]

YAW, PITCH, CELL = 60.0, 40.0, 10.0
"""Half the width and height of the map of poses, and the edge of its cells, degrees. What lies outside is drawn on its
edge."""

_MOST_POINTS = 500
# Between samples farther apart than this the head was not seen.
_GAP = 0.25
_STEPS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, in percent, and what it says."""

    at: float
    says: str


@dataclass(frozen=True)
class Plot:
    """A line over time.

    Attributes:
        name, unit: of what is drawn.
        line: path data in a square of 1000 by 1000.
        dots: likewise, one stroke of no length for each.
        marks: of the upright axis, from the top.
        says: the same in words.
    """

    name: str
    unit: str
    line: str
    dots: str
    marks: tuple[Tick, ...]
    says: str


@dataclass(frozen=True)
class Band:
    """A stretch of time, in percent."""

    at: float
    width: float


@dataclass(frozen=True)
class Cell:
    """Part of the map of poses: corner, how strong it is drawn (0 to 1), and what it says."""

    x: float
    y: float
    strength: float
    says: str


@dataclass(frozen=True)
class Map:
    """Where the head pointed. ``dots`` are the views an embedding was made of: (x, y, quality)."""

    cells: tuple[Cell, ...]
    dots: tuple[tuple[float, float, float], ...]
    says: str
    yaw: float = YAW
    pitch: float = PITCH
    cell: float = CELL


def ticks(seconds: float) -> tuple[Tick, ...]:
    """At most seven round moments of a clip."""
    step = next((step for step in _STEPS if seconds / step <= 6), seconds)
    return tuple(Tick(100 * i * step / seconds, f"{i * step:g}") for i in range(int(seconds / step + 1e-6) + 1))


def quality_plot(person: Person, seconds: float) -> Plot:
    """How good every look at somebody is."""
    at = np.array([look.second for look in person.looks])
    quality = np.array([look.quality for look in person.looks])
    x, y = 1000 * at / seconds, 1000 * (1 - quality)
    says = (
        f"quality of {len(quality)} faces, {quality.min():.2f} to {quality.max():.2f}, median {np.median(quality):.2f}"
    )
    marks = (Tick(0, "1"), Tick(50, "0.5"), Tick(100, "0"))
    return Plot("Quality", "", _path(x, y), _dots(x, y), marks, says)


def pose_plots(person: Person, seconds: float, cuts: Sequence[float]) -> tuple[Plot, ...]:
    """Yaw and pitch of somebody's head at the clip's own rate; lines break where the head was out of sight."""
    head = person.head
    if len(head) < 2:
        return ()
    names = (("Yaw", "turned to the picture's right is up"), ("Pitch", "looking up is up"))
    plots = []
    for axis, (name, sense) in enumerate(names):
        angles = head.poses[:, axis].astype(np.float64)
        reach = max(30, 15 * ceil(float(np.percentile(np.abs(angles), 99)) / 15))
        keep = slice(None, None, max(1, ceil(len(angles) / _MOST_POINTS)))
        x = 1000 * head.seconds[keep] / seconds
        y = np.clip(500 - 500 * angles[keep] / reach, 0, 1000)
        pen = _breaks(head.seconds[keep], cuts, _GAP * max(1, keep.step / 5))
        low, high = np.percentile(angles, (2, 98))
        says = f"{name.lower()} from {from_to((float(low), float(high)))}; {sense}"
        marks = (Tick(0, f"+{reach}°"), Tick(50, "0°"), Tick(100, f"−{reach}°"))
        plots.append(Plot(name, "°", _path(x, y, pen), "", marks, says))
    return tuple(plots)


def spans_of(spans: Spans, seconds: float) -> tuple[Band, ...]:
    """Stretches of sound, first sample and end, at 16 kHz."""
    return bands([(begin / SAMPLE_RATE, end / SAMPLE_RATE) for begin, end in spans], seconds)


def bands(stretches: Sequence[tuple[float, float]], seconds: float) -> tuple[Band, ...]:
    """Stretches of time, begin and end, within a clip."""
    kept = [(max(0.0, begin), min(seconds, end)) for begin, end in stretches]
    return tuple(Band(100 * begin / seconds, 100 * (end - begin) / seconds) for begin, end in kept if end > begin)


def presence(person: Person, seconds: float) -> tuple[Band, ...]:
    """When somebody's head was followed."""
    moments = person.head.seconds
    if not len(moments):
        return ()
    edges = np.flatnonzero(np.diff(moments) > 2 * _GAP)
    begins = moments[np.concatenate([[0], edges + 1])]
    ends = moments[np.concatenate([edges, [len(moments) - 1]])]
    return bands([(float(b), float(e) + 0.02) for b, e in zip(begins, ends, strict=True)], seconds)


def coverage_map(person: Person | None, views: Sequence[View], seconds: float) -> Map | None:
    """How long the head pointed where, and which views were taken; None where neither is known."""
    poses = person.head.poses if person is not None else np.zeros((0, 3), np.float32)
    if not len(poses) and not views:
        return None
    width, height = int(2 * YAW / CELL), int(2 * PITCH / CELL)
    yaw = np.clip(poses[:, 0], -YAW, YAW - 1e-3)
    pitch = np.clip(poses[:, 1], -PITCH + 1e-3, PITCH)
    counts = np.zeros((height, width))
    np.add.at(counts, (((PITCH - pitch) / CELL).astype(int), ((yaw + YAW) / CELL).astype(int)), 1)
    each = person.presence * seconds / len(poses) if person is not None and len(poses) else 0.0
    cells = tuple(_cell(row, column, counts[row, column], counts.max(), each) for row, column in np.argwhere(counts))
    dots = tuple(_dot(view.pose, view.quality) for view in views)
    return Map(cells, dots, f"yaw and pitch of the head in {len(poses)} frames, and of the {len(dots)} views learnt")


def _cell(row: int, column: int, count: float, most: float, each: float) -> Cell:
    x, y = -YAW + column * CELL, -PITCH + row * CELL
    says = f"yaw {x:+.0f}° to {x + CELL:+.0f}°, pitch {-y - CELL:+.0f}° to {-y:+.0f}°: {count * each:.1f} s"
    return Cell(x, y, 0.14 + 0.71 * (count / most) ** 0.5, says)


def _dot(pose: Pose, quality: float) -> tuple[float, float, float]:
    return float(np.clip(pose.yaw, -YAW, YAW)), float(np.clip(-pose.pitch, -PITCH, PITCH)), quality


def _breaks(seconds: NDArray[np.float64], cuts: Sequence[float], gap: float) -> NDArray[np.bool_]:
    """Where a line begins anew: True for each sample that does not continue the one before."""
    new = np.concatenate([[True], np.diff(seconds) > gap])
    for cut in cuts:
        after = np.searchsorted(seconds, cut - 1e-6)
        if after < len(new):
            new[after] = True
    return new


def _path(x: NDArray[np.float64], y: NDArray[np.float64], new: NDArray[np.bool_] | None = None) -> str:
    starts = new if new is not None else np.arange(len(x)) == 0
    return "".join(f"{'M' if start else 'L'}{a:.0f} {b:.0f}" for a, b, start in zip(x, y, starts, strict=True))


def _dots(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return "".join(f"M{a:.0f} {b:.0f}h0" for a, b in zip(x, y, strict=True))
