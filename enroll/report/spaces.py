"""Which embeddings there are, what made them, and under which licence."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from enroll.encoders import registry
from enroll.encoders.checksums import sha256
from enroll.errors import EnrollError
from enroll.identity import Embedding, Identity

__all__ = ["SpaceRow", "program_version", "space_rows"]


@dataclass(frozen=True)
class SpaceRow:
    """One embedding in words: of what, from how much, how good, and the encoder's licence and weights."""

    name: str
    of: str
    size: str
    behind: str
    quality: float
    spread: str
    licence: str
    weights: str


def space_rows(identity: Identity) -> list[SpaceRow]:
    """A row for every embedding."""
    return [_row(name, embedding) for name, embedding in identity.embeddings.items()]


def program_version() -> str:
    """Of this distribution, as installed."""
    try:
        return version("cameo-kit")
    except PackageNotFoundError:
        return "unknown"


def _row(name: str, embedding: Embedding) -> SpaceRow:
    licence, weights = _card(name)
    return SpaceRow(
        name,
        embedding.modality,
        f"{embedding.dim} numbers",
        f"{embedding.seconds:.1f} s" if embedding.seconds is not None else f"{len(embedding.views)} views",
        embedding.quality,
        f"{embedding.spread:.3f}" if embedding.spread is not None else "–",
        licence,
        weights,
    )


def _card(name: str) -> tuple[str, str]:
    """Licence, and the first digits of the SHA-256 of each file of weights: that is an encoder's version."""
    try:
        space = registry.find(name)
        path = space.find()
        digests = [sha256(file)[:12] for file in (space.files(path) if path is not None else ())]
        return space.card.licence, ", ".join(digests) or "none"
    except (EnrollError, OSError):
        return "unknown", "unknown"
