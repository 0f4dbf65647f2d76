"""All embedding spaces by name: which are on this machine, and their encoders, each opened once."""

from __future__ import annotations

from functools import lru_cache

from enroll.encoders import appearance, arcface, dlib_resnet, ecapa, facenet, ge2e, reid
from enroll.encoders.base import Encoder, Space, Status
from enroll.errors import BadInput, WeightsMissing
from enroll.identity import Modality

__all__ = ["available", "default", "get", "spaces", "status"]

# Within a modality, the ones that work offline come first.
_SPACES: dict[str, Space] = {
    module.SPACE.card.space: module.SPACE for module in (dlib_resnet, arcface, facenet, appearance, reid, ge2e, ecapa)
}


def spaces() -> tuple[str, ...]:
    """Every space this version knows, present or not."""
    return tuple(_SPACES)


def status() -> tuple[Status, ...]:
    """For every space: its card, and where its weights are."""
    return tuple(Status(space.card, space.find()) for space in _SPACES.values())


def available(modality: Modality | None = None) -> tuple[str, ...]:
    """Names of the spaces whose weights are on this machine."""
    return tuple(s.card.space for s in status() if s.present and modality in (None, s.card.modality))


def default(modality: Modality) -> tuple[str, ...]:
    """Names of the spaces an enrollment uses when none are asked for: all that are available."""
    return available(modality)


def get(space: str) -> Encoder:
    """The encoder of a space.

    Raises:
        BadInput: there is no such space.
        WeightsMissing: its weights are not on this machine, or are damaged; the hint says how to get them.
    """
    if space not in _SPACES:
        raise BadInput(f"there is no embedding space {space!r}", hint=f"one of {', '.join(_SPACES)}")
    path = _SPACES[space].find()
    if path is None:
        raise WeightsMissing(f"the weights of {space} are not on this machine", hint=_SPACES[space].card.source)
    return _load(space, str(path))


@lru_cache(maxsize=8)
def _load(space: str, path: str) -> Encoder:
    from pathlib import Path

    return _SPACES[space].load(Path(path))
