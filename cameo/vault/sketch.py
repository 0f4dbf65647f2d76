"""Sketches of embeddings: two of one vault tell whether two people are near each other, and nothing else.

Secure binary embeddings with universal quantisation (Boufounos & Rane, "Secure binary embeddings for privacy preserving
nearest neighbors", WIFS 2011; Boufounos, "Universal rate-efficient scalar quantization", 2012). Bit i of a vector x is

    floor((a_i · x + w_i) / step) mod 2        a_i ~ N(0, I), w_i uniform in [0, 2·step)

with a_i and w_i drawn from a key (over two cells, not one as in the paper, so that each bit of any vector is as often
one as zero). The quantiser is not monotone: as two vectors part, the share of bits in which their
sketches differ rises with their distance (about √(2/π)·distance/step) while that is far below ``step``, and beyond
about ``step`` stays at one half, as for unrelated noise. So sketches tell small distances and say nothing of larger
ones, a sketch does not give its vector back, and without the key it is noise: the same person in two vaults looks like
two strangers.
"""

from __future__ import annotations

import math
from hashlib import shake_256
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BITS", "Sketcher", "differing", "expected"]

BITS: Final = 4096
"""Bits of a sketch. The share in which two strangers differ is 0.5 ± 0.0078 (one standard deviation)."""


class Sketcher:
    """Makes the sketches of one embedding space under one key.

    Args:
        key: secret; the same key makes sketches that can be compared.
        space: name of the embedding space.
        dim: length of its vectors.
        step: width of a quantisation cell; distances beyond it cannot be told apart.
    """

    def __init__(self, key: bytes, space: str, dim: int, step: float) -> None:
        from scipy.special import ndtri  # takes a moment to import, and most commands ask for no sketch

        label = f"cameo/1 sketch|{space}|{dim}|".encode()
        stream = shake_256(key + label).digest((dim + 1) * BITS * 4)
        uniform = (np.frombuffer(stream, "<u4").astype(np.float64) + 0.5) / 2.0**32
        self._shift = uniform[:BITS] * 2 * step
        self._directions = ndtri(uniform[BITS:]).reshape(BITS, dim)
        self._step = step

    def __repr__(self) -> str:
        return "Sketcher(…)"

    def sketch(self, vector: NDArray[np.float32]) -> bytes:
        """``BITS`` bits, packed. ``vector``: shape (dim,)."""
        cells = np.floor((self._directions @ vector.astype(np.float64) + self._shift) / self._step)
        return np.packbits(cells.astype(np.int64) & 1 == 1).tobytes()


def differing(sketch: bytes, others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The share of bits in which a sketch differs from each of ``others``, shape (N, BITS / 8); returns (N,)."""
    # Eight bytes at a time; a packed row is a whole number of words.
    words = np.ascontiguousarray(others).view(np.uint64)
    counts = np.bitwise_count(words ^ np.frombuffer(sketch, np.uint64))
    return counts.sum(axis=1, dtype=np.uint32) / BITS


def expected(distance: float, step: float) -> float:
    """The share of bits in which sketches of two vectors at this Euclidean distance differ, on average: 0 to 0.5
    (Boufounos & Rane 2011, proposition 3.1)."""
    odd = np.arange(1, 400, 2)
    terms = np.exp(-((math.pi * odd * distance / (math.sqrt(2) * step)) ** 2)) / (math.pi * odd / 2) ** 2
    return 0.5 - float(terms.sum())
