"""What every embedding space has in common: a card, an encoder, and how its weights are found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from enroll.errors import WeightsMissing
from enroll.identity import Modality

__all__ = ["Card", "Encoder", "Space", "Status", "unit_rows", "weights_folder"]


@dataclass(frozen=True)
class Card:
    """What is known of an embedding space without opening it.

    Attributes:
        space: its name; two encoders with one name give vectors that may be compared.
        modality: what it describes.
        dim: length of a vector.
        unit: whether vectors have unit length.
        licence: of the weights, with a word on their training data where that matters.
        commercial: whether that licence allows commercial use.
        source: where the weights come from, and how to get them when they are absent.
        window: for a voice, the seconds of speech one vector is made from; None otherwise.
    """

    space: str
    modality: Modality
    dim: int
    unit: bool
    licence: str
    commercial: bool
    source: str
    window: float | None = None


@dataclass(frozen=True)
class Status:
    """A card, and whether the weights are on this machine; ``path`` is None when they are not."""

    card: Card
    path: Path | None

    @property
    def present(self) -> bool:
        return self.path is not None


class Encoder(Protocol):
    """Maps samples of one modality to vectors of one space.

    A face or body encoder takes ``Look``s; a voice encoder takes mono float32 at 16 kHz, shape (N,), each about
    ``card.window`` seconds long. THE SAME SAMPLES GIVE THE SAME VECTORS, whatever else is in the batch.
    """

    @property
    def card(self) -> Card: ...

    def encode(self, samples: Sequence[Any]) -> NDArray[np.float32]:
        """Shape (len(samples), card.dim), float32, finite."""
        ...


class Space(Protocol):
    """What a file of this folder offers to the registry: its card, where its weights are, and how they are opened."""

    card: Card

    def find(self) -> Path | None:
        """The weights on this machine; never downloads."""
        ...

    def load(self, path: Path) -> Encoder:
        """Raises ``WeightsMissing`` when what lies at ``path`` is not what the card says."""
        ...


def weights_folder(space: str) -> Path | None:
    """``$CAMEO_WEIGHTS/<space>``, when that is a folder."""
    root = os.environ.get("CAMEO_WEIGHTS")
    folder = Path(root).expanduser() / space if root else None
    return folder if folder is not None and folder.is_dir() else None


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row of (N, D) scaled to unit length; a row of zeros stays as it is."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norm, 1e-12)).astype(np.float32)


def damaged(space: str, path: Path, error: Exception) -> WeightsMissing:
    """The refusal for a file that is there and cannot serve."""
    return WeightsMissing(
        f"the weights of {space} at {path} cannot be used: {type(error).__name__}",
        hint="delete them and get them again",
    )
