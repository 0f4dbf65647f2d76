"""Where a picture does not continue the one before: hard cuts, jumps within a scene, dissolves.

A picture is compared with the one before by blocks, each at the shift that fits it best, after taking brightness and
contrast off: a head that moves fast, a lamp switched on and a flash leave little of that; a cut leaves much. What
counts is how far a change stands above those of the pictures around it. In a dissolve the middle picture is the mean
of the outer ones (Hampapur, Jain and Weymouth, "Production Model Based Digital Video Segmentation", 1995), which it
hardly ever is where something moves.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["CutDetector"]

# Pictures are compared at EDGE × EDGE, in blocks of BLOCK × BLOCK, shifted by up to SHIFT: a fifteenth of the picture
# from one to the next.
_EDGE, _BLOCK, _SHIFT = 32, 4, 2
# From both sides it makes a picture the means of its blocks.
_BLOCKS = np.kron(np.eye(_EDGE // _BLOCK, dtype=np.float32), np.full((1, _BLOCK), 1 / _BLOCK, np.float32))
# Pictures on either side that a change is held against, and how far it must stand above the largest of theirs. In real
# clips without cuts it stood at most 2.6 times above; jumps of one second within a scene stand 2 to 6 times above,
# cuts to other scenes 4 to 150.
_AROUND = 3
_STANDS_OUT = 3.0
# Changes in standard deviations of the picture: smaller ones are the codec's, and larger ones need no second look.
_LEAST, _PLAIN = 0.03, 0.2
# A flash is over within so many pictures, and then the picture is as it was before.
_FLASH = 6
# Pictures from end to end of what may be a dissolve, how far the ends must differ, and how near their mean the middle
# must be, as a share of that. Where no dissolve was, it came no nearer than 0.21; dissolves gave 0.01 to 0.2.
_SPANS = (6, 12, 24)
_APART, _NEAR_MEAN = 0.25, 0.19


class CutDetector:
    """Is fed every picture of a clip in order; takes about half a millisecond for each."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._changes: list[float] = []
        self._shapes: deque[NDArray[np.float32]] = deque(maxlen=max(_SPANS) + 1)
        self._greys: deque[NDArray[np.float32]] = deque(maxlen=max(_SPANS) + 1)
        self._doubtful: list[tuple[int, NDArray[np.float32]]] = []
        self._found: list[int] = []
        self._dissolves: list[tuple[int, float]] = []

    def see(self, second: float, grey: NDArray[np.uint8]) -> bool:
        """The next picture.

        Args:
            second: where in the clip.
            grey: uint8, shape (h, w).

        Returns:
            Whether it plainly does not continue the one before, as far as can be told without knowing what follows.
            ``cuts`` knows better in the end.
        """
        small = cv2.resize(grey, (_EDGE, _EDGE), interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= small.mean()
        shape = small / max(float(small.std()), 8.0)
        change = _change(self._shapes[-1], shape) if self._shapes else 0.0
        if self._seconds:
            # Over a longer time more may move; a long gap is no excuse.
            usual = float(np.median(np.diff(self._seconds[-9:]))) if len(self._seconds) > 2 else 0.04
            change /= float(np.clip((second - self._seconds[-1]) / max(usual, 1e-3), 1.0, 3.0))
        before = self._shapes[-1] if self._shapes else shape
        self._seconds.append(second)
        self._changes.append(change)
        self._shapes.append(shape)
        self._greys.append(small)
        if change >= _LEAST:
            self._doubtful.append((len(self._seconds) - 1, before))
        self._settle(final=False)
        self._look_for_dissolve()
        recent = self._changes[-1 - _AROUND : -1]
        return change >= _PLAIN and change >= _STANDS_OUT * max(recent, default=0.0)

    def cuts(self) -> tuple[float, ...]:
        """Seconds at which the picture jumps, or the middle of each dissolve; to be asked when the clip is over."""
        self._settle(final=True)
        self._doubtful = []
        found = [self._seconds[place] for place in self._found]
        for place in _middles(self._dissolves):
            second = self._seconds[place]
            if all(abs(second - other) > 0.5 for other in found):
                found.append(second)
        return tuple(sorted(found))

    def _settle(self, *, final: bool) -> None:
        """Decides on changes by what came after them."""
        last = len(self._seconds) - 1
        waiting = []
        for place, before in self._doubtful:
            if last - place < _FLASH and not final:
                waiting.append((place, before))
            elif self._stands_out(place) and not self._returned(place, before):
                self._found.append(place)
        self._doubtful = waiting

    def _stands_out(self, place: int) -> bool:
        around = self._changes[max(1, place - _AROUND) : place] + self._changes[place + 1 : place + 1 + _AROUND]
        return len(around) >= _AROUND and self._changes[place] >= _STANDS_OUT * max(*around, _LEAST / _STANDS_OUT)

    def _returned(self, place: int, before: NDArray[np.float32]) -> bool:
        """Whether a picture soon after is more like the one before than the changed one was."""
        first = len(self._seconds) - len(self._shapes)
        later = [self._shapes[i - first] for i in range(place + 1, min(place + 1 + _FLASH, len(self._seconds)))]
        change = self._changes[place]
        return any(_change(before, shape) < 0.5 * change for shape in later)

    def _look_for_dissolve(self) -> None:
        for span in _SPANS:
            if len(self._greys) > span:
                first, middle, last = self._greys[-1 - span], self._greys[-1 - span // 2], self._greys[-1]
                # Where only the light changes, the shapes stay.
                if _apart(self._shapes[-1], self._shapes[-1 - span]) <= _APART:
                    continue
                apart = _apart(last, first)
                if apart > _APART * max(8.0, float(first.std() + last.std()) / 2):
                    off = _apart(middle, (first + last) * np.float32(0.5)) / apart
                    if off < _NEAR_MEAN:
                        self._dissolves.append((len(self._seconds) - 1 - span // 2, off))


def _change(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Mean difference of the blocks, each at its best shift, in standard deviations of the picture."""
    framed = cv2.copyMakeBorder(before, _SHIFT, _SHIFT, _SHIFT, _SHIFT, cv2.BORDER_REPLICATE)
    off = np.abs(sliding_window_view(framed, (_EDGE, _EDGE)).reshape(-1, _EDGE, _EDGE) - after)
    return float((_BLOCKS @ off @ _BLOCKS.T).min(0).mean())


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Mean difference."""
    return cv2.norm(one, other, cv2.NORM_L1) / one.size


def _middles(dissolves: list[tuple[int, float]]) -> list[int]:
    """One place for each run of places: where the middle was nearest to the mean."""
    runs: list[list[tuple[int, float]]] = []
    for place, off in sorted(dissolves):
        if runs and place - runs[-1][-1][0] <= max(_SPANS):
            runs[-1].append((place, off))
        else:
            runs.append([(place, off)])
    return [min(run, key=lambda entry: entry[1])[0] for run in runs]
