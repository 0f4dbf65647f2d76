"""An encoder that does not describe the same look twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enroll.encoders.base import Card, Encoder
from enroll.looks import Look

__all__ = ["Memo"]


class Memo:
    """Wraps an encoder for as long as one clip is looked at: telling people apart and learning one of them ask for many
    of the same vectors."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        # Keeping the look keeps its id from being given to another.
        self._known: dict[int, tuple[Look, NDArray[np.float32]]] = {}

    @property
    def card(self) -> Card:
        return self._encoder.card

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        """See ``Encoder.encode``."""
        new = [look for look in samples if id(look) not in self._known]
        for look, vector in zip(new, self._encoder.encode(new), strict=True):
            self._known[id(look)] = look, vector
        rows = [self._known[id(look)][1] for look in samples]
        return np.array(rows, np.float32).reshape(len(rows), self.card.dim)
