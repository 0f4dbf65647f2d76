"""Who speaks when: speech parted among anonymous speakers by what GE2E hears in short windows of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE
from enroll.encoders import registry
from enroll.encoders.base import unit_rows

__all__ = ["SPACE", "Speaker", "part", "same_voice"]

SPACE = "ge2e-256"
MAX_WINDOWS = 400
"""Bounds the time a long clip takes: beyond it, windows lie farther apart."""
SAME_VOICE = ((1, 0.60), (2, 0.65), (3, 0.72), (4, 0.78), (6, 0.82))
"""Windows in the smaller of two groups, and the cosine of the groups' means from which on they are one voice. Measured
on read sentences and on talkers in noise: halves of one voice, split as far apart as can be, were 0.82 alike and more,
two voices 0.80 and less. Telephones and noise of 5 dB blur this: two voices there may be taken for one."""

_HOP = 0.4
_BATCH = 64
_CELL = SAMPLE_RATE // 10
_JOIN = SAMPLE_RATE // 4
_SWITCH = 0.6
_SURE = 0.03
# Where one voice follows another, windows tell when to within this.
_TURN = 0.5 * SAMPLE_RATE


@dataclass(frozen=True)
class Speaker:
    """One anonymous voice of a clip.

    Attributes:
        number: 1 for the one who speaks longest, then 2, and so on.
        spans: where this one speaks, alone as far as can be told: (first sample, end), in clip order.
        turns: likewise with what is less sure: where another begins or ends, or talks as well.
        seconds: length of ``spans`` together.
    """

    number: int
    spans: tuple[tuple[int, int], ...]
    turns: tuple[tuple[int, int], ...]

    @property
    def seconds(self) -> float:
        return sum(end - begin for begin, end in self.spans) / SAMPLE_RATE


def part(sound: NDArray[np.float32], spans: Spans) -> tuple[tuple[Speaker, ...], tuple[tuple[int, int], ...]]:
    """Parts the speech ``spans`` of mono float32 sound at 16 kHz, shape (N,).

    Windows of 1.6 s are embedded and clustered agglomeratively (average linkage on cosine distance); every tenth of a
    second then goes to the speaker whose mean the windows over it are nearest to, along the cheapest path (Viterbi).

    Returns:
        The speakers, longest first, and the speech that is nobody's for sure: where windows lie between two speakers,
        as they do when both talk at once.
    """
    encoder = registry.get(SPACE)
    length = round((encoder.card.window or 1.6) * SAMPLE_RATE)
    windows = _windows(spans, length)
    batches = (windows[at : at + _BATCH] for at in range(0, len(windows), _BATCH))
    vectors = np.concatenate(
        [encoder.encode([np.resize(sound[begin:end], length) for begin, end in batch]) for batch in batches]
    )
    return _speakers(*_follow(spans, windows, vectors @ _voices(vectors).T))


def _windows(spans: Spans, length: int) -> list[tuple[int, int]]:
    """Windows of ``length`` over the speech; a stretch that is shorter is one window, to be filled by repetition."""
    runs: list[list[int]] = []
    for begin, end in spans:
        if runs and begin - runs[-1][1] <= _JOIN:
            runs[-1][1] = end
        else:
            runs.append([begin, end])
    hop = max(_HOP * SAMPLE_RATE, sum(end - begin for begin, end in runs) / MAX_WINDOWS)
    windows = []
    for begin, end in runs:
        count = 1 + max(0, int(np.ceil((end - begin - length) / hop)))
        starts = np.linspace(begin, max(begin, end - length), count)
        windows += [(int(at), min(int(at) + length, end)) for at in starts]
    return windows


def _voices(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit means (K, D) of the voices among the windows (W, D)."""
    groups = _divided(vectors)
    # What was cut off early may belong to what was cut off later.
    while len(groups) > 1:
        means = unit_rows(np.stack([group.mean(0) for group in groups]))
        gap = {
            (i, j): same_voice(len(groups[i]), len(groups[j])) - float(means[i] @ means[j])
            for i in range(len(groups))
            for j in range(i)
        }
        (i, j), least = min(gap.items(), key=lambda item: item[1])
        if least > 0:
            return means
        groups = [g for k, g in enumerate(groups) if k not in (i, j)] + [np.concatenate([groups[i], groups[j]])]
    return unit_rows(groups[0].mean(0, keepdims=True))


def _divided(vectors: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Halves the windows, and the halves, for as long as the halves are further apart than one voice is from itself."""
    best, found = 0.0, None
    for method in ("average", "complete", "ward") if len(vectors) > 1 else ():
        tree = linkage(vectors.astype(np.float64), method)
        labels = fcluster(tree, 2, criterion="maxclust") - 1
        for _ in range(10):
            if len(set(labels)) < 2:
                break
            means = unit_rows(np.stack([vectors[labels == k].mean(0) for k in (0, 1)]))
            gap = same_voice(*np.bincount(labels)) - float(means[0] @ means[1])
            if gap > best:
                best, found = gap, labels
            labels = (vectors @ means.T).argmax(1)
    if found is None:
        return [vectors]
    return [*_divided(vectors[found == 0]), *_divided(vectors[found == 1])]


def same_voice(some: int, others: int) -> float:
    """The cosine of two means below which they are two voices. A mean of few windows strays farther."""
    windows, cosines = np.array(SAME_VOICE).T
    return float(np.interp(min(some, others), windows, cosines))


def _follow(
    spans: Spans, windows: Spans, likeness: NDArray[np.float32]
) -> tuple[list[tuple[int, int]], NDArray[np.intp], NDArray[np.bool_]]:
    """Cells of speech, the voice of each, and whether that is sure.

    Args:
        spans: the speech.
        windows: where each window lies.
        likeness: cosine of each window to each voice, shape (W, K).
    """
    cells = [(at, min(at + _CELL, end)) for begin, end in spans for at in range(begin, end, _CELL)]
    middle = np.array([(begin + end) / 2 for begin, end in cells])[:, None]
    begin, end = np.array(windows, np.float64).T
    # What lies in the middle of a window has made it; towards its ends it may be another's.
    reach = np.maximum((end - begin) / 2, _CELL)
    weight = np.maximum(1.0 - np.abs(middle - (begin + end) / 2) / reach, 1e-6) ** 2
    score = (weight @ likeness) / weight.sum(1, keepdims=True)
    path = _viterbi(score, np.diff(middle[:, 0], prepend=middle[0]) > SAMPLE_RATE / 2)
    if likeness.shape[1] == 1:
        return cells, path, np.ones(len(cells), bool)
    ranked = np.sort(score, axis=1)
    sure = (score[np.arange(len(cells)), path] == ranked[:, -1]) & (ranked[:, -1] - ranked[:, -2] >= _SURE)
    for turn in np.flatnonzero(np.diff(path)) + 1:
        sure &= np.abs(middle[:, 0] - cells[turn][0]) > _TURN
        sure &= np.abs(middle[:, 0] - cells[turn - 1][1]) > _TURN
    return cells, path, sure


def _viterbi(score: NDArray[np.float64], pause: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The path of voices with the greatest sum of scores, less ``_SWITCH`` for each change within running speech."""
    best, back = score[0].copy(), np.zeros(score.shape, np.intp)
    for t in range(1, len(score)):
        stay, change = best, best.max() - (_SWITCH / 4 if pause[t] else _SWITCH)
        back[t] = np.where(stay >= change, np.arange(score.shape[1]), best.argmax())
        best = np.maximum(stay, change) + score[t]
    path = np.empty(len(score), np.intp)
    path[-1] = best.argmax()
    for t in range(len(score) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path


def _speakers(
    cells: list[tuple[int, int]], path: NDArray[np.intp], sure: NDArray[np.bool_]
) -> tuple[tuple[Speaker, ...], tuple[tuple[int, int], ...]]:
    found = []
    for voice in sorted(set(path.tolist())):
        mine = [(cell, known) for cell, at, known in zip(cells, path, sure, strict=True) if at == voice]
        found.append((_merged([cell for cell, known in mine if known]), _merged([cell for cell, _ in mine])))
    # A voice that is never sure stays known, with no speech of its own.
    found.sort(key=lambda spans: -sum(end - begin for begin, end in spans[0]))
    doubt = _merged([cell for cell, known in zip(cells, sure, strict=True) if not known])
    return tuple(Speaker(number, spans, turns) for number, (spans, turns) in enumerate(found, 1)), doubt


def _merged(cells: Spans) -> tuple[tuple[int, int], ...]:
    spans: list[list[int]] = []
    for begin, end in cells:
        if spans and begin == spans[-1][1]:
            spans[-1][1] = end
        else:
            spans.append([begin, end])
    return tuple((begin, end) for begin, end in spans)
