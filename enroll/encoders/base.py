"""What every embedding space has in common: a card, an encoder, and how its weights are found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import platformdirs
from numpy.typing import NDArray

from enroll.errors import WeightsMissing
from enroll.identity import Modality

__all__ = ["Card", "Download", "Encoder", "Known", "Space", "Status", "unit_rows", "weights_folder"]


@dataclass(frozen=True)
class Known:
    """A file whose content is known beforehand.

    Attributes:
        name: of the file.
        sha256: hex digest, as others who hold the file publish it.
        size: bytes.
    """

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Download:
    """Where weights that pip does not bring are fetched.

    Attributes:
        url: of the file or the zip archive; immutable (a release, a revision).
        keep: what stays of it: the ``file`` as it is, one ``member`` of the archive, or the whole ``pack`` unpacked.
        target: path of what stays, within ``$CAMEO_WEIGHTS/<space>``.
        known: content of what is fetched; None where nobody publishes a digest: then it is pinned on first use.
    """

    url: str
    keep: Literal["file", "member", "pack"]
    target: str
    known: Known | None = None


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
        files: what the weights must be, where that is published; see ``checksums``.
        download: how to fetch them; None where pip brings them.
        licence_url: where the licence can be read.
        aliases: other names of the same space: InsightFace ships one recogniser in several packs.
    """

    space: str
    modality: Modality
    dim: int
    unit: bool
    licence: str
    commercial: bool
    source: str
    window: float | None = None
    files: tuple[Known, ...] = ()
    download: Download | None = None
    licence_url: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """A card, and whether the weights are on this machine; ``path`` is None when they are not.

    ``used`` says whether an enrollment takes the space unasked: its weights are here and its licence is one that this
    home works under (see ``registry.default``).
    """

    card: Card
    path: Path | None
    used: bool

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

    @property
    def card(self) -> Card: ...

    def find(self) -> Path | None:
        """The weights on this machine; never downloads."""
        ...

    def files(self, path: Path) -> tuple[Path, ...]:
        """Those files of the weights at ``path`` that decide the vectors; their checksums are verified."""
        ...

    def load(self, path: Path) -> Encoder:
        """Raises ``WeightsMissing`` when what lies at ``path`` is not what the card says."""
        ...

    def __hash__(self) -> int:
        """Frozen, so that each is opened once."""
        ...


def weights_folder(space: str) -> Path:
    """``$CAMEO_WEIGHTS/<space>``, or the like in the user's cache; it need not exist."""
    root = os.environ.get("CAMEO_WEIGHTS")
    return (Path(root).expanduser() if root else platformdirs.user_cache_path("cameo") / "weights") / space


def first_file(*candidates: Path) -> Path | None:
    """The first of them that is a file."""
    return next((path for path in candidates if path.is_file()), None)


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
