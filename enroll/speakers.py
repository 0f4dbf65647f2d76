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

__all__ = ["SPACE", "Speaker", "part"]

SPACE = "ge2e-256"
MAX_WINDOWS = 400
"""Bounds the time a long clip takes: beyond it, windows lie farther apart."""
SAME_VOICE = 0.68
"""Windows whose mean cosine is above this are one voice."""
MIN_WINDOWS = 3
"""A voice heard in fewer is taken for part of the nearest."""

_HOP = 0.4
_CELL = SAMPLE_RATE // 10
_JOIN = SAMPLE_RATE // 4
_SWITCH = 0.6
_SURE = 0.03


@dataclass(frozen=True)
class Speaker:
    """One anonymous voice of a clip.

    Attributes:
        number: 1 for the one who speaks longest, then 2, and so on.
        spans: where this one speaks, alone as far as can be told: (first sample, end), in clip order.
        seconds: length of ``spans`` together.
    """

    number: int
    spans: tuple[tuple[int, int], ...]

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
    vectors = encoder.encode([np.resize(sound[begin:end], length) for begin, end in windows])
    voices = _voices(vectors, _cluster(vectors))
    return _speakers(*_follow(spans, windows, vectors @ voices.T))


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


def _cluster(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """The cluster of each window, from 0."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), np.intp)
    tree = linkage(vectors.astype(np.float64), method="average", metric="cosine")
    return np.asarray(fcluster(tree, 1.0 - SAME_VOICE, criterion="distance") - 1, np.intp)


def _voices(vectors: NDArray[np.float32], labels: NDArray[np.intp]) -> NDArray[np.float32]:
    """Unit means (K, D) of the clusters that hold enough windows to be a voice; at least of the largest."""
    sizes = np.bincount(labels)
    enough = [k for k in range(len(sizes)) if sizes[k] >= max(MIN_WINDOWS, 0.03 * len(labels))] or [int(sizes.argmax())]
    return unit_rows(np.stack([vectors[labels == k].mean(0) for k in enough]))


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
    spans = [
        _merged([c for c, p, s in zip(cells, path, sure, strict=True) if s and p == k]) for k in range(path.max() + 1)
    ]
    spans = sorted((found for found in spans if found), key=lambda found: -sum(end - begin for begin, end in found))
    doubt = _merged([cell for cell, known in zip(cells, sure, strict=True) if not known])
    return tuple(Speaker(number, found) for number, found in enumerate(spans, 1)), doubt


def _merged(cells: Spans) -> tuple[tuple[int, int], ...]:
    spans: list[list[int]] = []
    for begin, end in cells:
        if spans and begin == spans[-1][1]:
            spans[-1][1] = end
        else:
            spans.append([begin, end])
    return tuple((begin, end) for begin, end in spans)
