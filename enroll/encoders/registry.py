"""All embedding spaces by name: which are on this machine, and their encoders, each opened once."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from enroll.encoders import appearance, arcface, checksums, dlib_resnet, ecapa, facenet, ge2e, reid
from enroll.encoders.base import Card, Encoder, Space, Status
from enroll.errors import BadInput, WeightsMissing
from enroll.identity import Modality

__all__ = ["available", "default", "find", "get", "spaces", "status"]

# Within a modality, the ones that work offline come first.
_SPACES: dict[str, Space] = {
    space.card.space: space
    for module in (dlib_resnet, arcface, facenet, appearance, reid, ge2e, ecapa)
    for space in module.SPACES
}


def spaces() -> tuple[str, ...]:
    """Every space this version knows, present or not."""
    return tuple(_SPACES)


def status() -> tuple[Status, ...]:
    """For every space: its card, where its weights are, and whether an enrollment uses it unasked."""
    any_licence = _any_licence()
    found = ((space.card, space.find()) for space in _SPACES.values())
    return tuple(Status(card, path, path is not None and _allowed(card, any_licence)) for card, path in found)


def available(modality: Modality | None = None) -> tuple[str, ...]:
    """Names of the spaces whose weights are on this machine, whatever their licence."""
    return tuple(s.card.space for s in status() if s.present and modality in (None, s.card.modality))


def default(modality: Modality) -> tuple[str, ...]:
    """Names of the spaces an enrollment uses when none are asked for: those that are available and whose licence allows
    commercial use; with ``$CAMEO_LICENCE=any``, all that are available.

    That weights lie on a machine does not say for which purpose; who may use the others says so.

    Raises:
        BadInput: ``$CAMEO_LICENCE`` is neither ``commercial`` nor ``any``.
    """
    return tuple(s.card.space for s in status() if s.used and s.card.modality == modality)


def find(name: str) -> Space:
    """The space of this name, or of which this is an alias.

    Raises:
        BadInput: there is none.
    """
    if name in _SPACES:
        return _SPACES[name]
    for space in _SPACES.values():
        if name in space.card.aliases:
            return space
    raise BadInput(f"there is no embedding space {name[:80]!r}", hint=f"one of {', '.join(_SPACES)}")


def get(space: str) -> Encoder:
    """The encoder of a space, its weights held to their checksums.

    Raises:
        BadInput: there is no such space.
        WeightsMissing: its weights are not on this machine, or are damaged; the hint says how to get them.
        WeightsChanged: they are not the published ones, or not those of their first use.
    """
    found = find(space)
    path = found.find()
    if path is None:
        raise WeightsMissing(
            f"the weights of {found.card.space} are not on this machine", hint=f"to get them: {found.card.source}"
        )
    return _load(found, path)


@lru_cache(maxsize=16)
def _load(space: Space, path: Path) -> Encoder:
    checksums.verify(space, path)
    encoder = space.load(path)
    checksums.pin(space, path)
    return encoder


def _allowed(card: Card, any_licence: bool) -> bool:
    return card.commercial or any_licence


def _any_licence() -> bool:
    wish = os.environ.get("CAMEO_LICENCE", "")
    if wish not in ("", "commercial", "any"):
        raise BadInput(f"CAMEO_LICENCE is {wish[:40]!r}", hint="set it to commercial or any, or leave it unset")
    return wish == "any"
