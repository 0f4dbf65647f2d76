"""Is somebody here already, under another handle; or did they leave and ask not to be enrolled again?

A living person's sketches go with their key. Those of a person who asked for it stay, marked as a bar, and serve this
one question until the bar is lifted. What a sketch can tell, see ``sketch``; it is sealed under the master key besides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.errors import StoreDamaged
from cameo.vault.cipher import Context
from cameo.vault.keys import MasterKey
from cameo.vault.schema import Sketch
from cameo.vault.sketch import BITS, Sketcher, differing
from enroll.identity import Embedding, Identity

__all__ = ["GUARDS", "Duplicates", "Guard", "Match", "with_guard"]


@dataclass(frozen=True)
class Guard:
    """How one embedding space tells people apart.

    Attributes:
        step: of the sketches, in the units of the space.
        most: greatest share of differing bits at which two are taken for one person.
    """

    step: float
    most: float


GUARDS: Final[Mapping[str, Guard]] = MappingProxyType(
    {
        "dlib-resnet-128": Guard(step=0.75, most=0.42),
        "ge2e-256": Guard(step=1.0, most=0.42),
    }
)
"""The spaces in which people are recognised: the face's; the voice's for those whose consent leaves the face out."""


_BY_MODALITY: Final = {"face": "dlib-resnet-128", "voice": "ge2e-256"}


@dataclass(frozen=True)
class Match:
    """Somebody who looks, or sounds, like the person asked for.

    Attributes:
        identity_id: theirs; of a bar, that of the deletion certificate.
        barred: they left and asked not to be enrolled again.
        share: of the bits that differ, 0 to 0.5.
    """

    identity_id: str
    barred: bool
    share: float


class Duplicates:
    """The sketches of one vault, read and written inside the caller's transaction."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        self._sketchers: dict[tuple[str, int], Sketcher] = {}

    def find(self, session: Session, identity: Identity) -> tuple[Match, ...]:
        """Who here is taken for this person, nearest first; empty when nobody is.

        Raises:
            StoreDamaged: a sketch does not open.
        """
        # Whoever shows a face is told by it alone: a face errs far less often than a voice.
        found = [
            Match(row.identity_id, bool(row.barred), float(share))
            for embedding in _guarded(identity)[:1]
            for row, share in self._compare(session, embedding)
            if share <= GUARDS[embedding.space].most
        ]
        return tuple(sorted(found, key=lambda match: match.share))

    def remember(self, session: Session, identity: Identity) -> None:
        """Add the sketches of a person who comes in."""
        for embedding in _guarded(identity):
            session.add(
                Sketch(
                    identity_id=identity.identity_id,
                    tag=self._master.tag("sketch", embedding.space),
                    barred=0,
                    sealed=self._master.seal(self._sketch(embedding), _context(identity.identity_id)),
                )
            )

    def knows(self, session: Session, identity_id: str) -> bool:
        """Whether a person, or the bar they left behind, would be recognised."""
        return session.scalars(select(Sketch).where(Sketch.identity_id == identity_id)).first() is not None

    def _compare(self, session: Session, embedding: Embedding) -> Iterator[tuple[Sketch, np.float64]]:
        tag = self._master.tag("sketch", embedding.space)
        rows = session.scalars(select(Sketch).where(Sketch.tag == tag)).all()
        opened = b"".join(self._open(row) for row in rows)
        others = np.frombuffer(opened, np.uint8).reshape(len(rows), BITS // 8)
        return zip(rows, differing(self._sketch(embedding), others), strict=True)

    def _sketch(self, embedding: Embedding) -> bytes:
        key = (embedding.space, embedding.dim)
        if key not in self._sketchers:
            self._sketchers[key] = self._master.sketcher(*key, step=GUARDS[embedding.space].step)
        return self._sketchers[key].sketch(embedding.vector)

    def _open(self, row: Sketch) -> bytes:
        sketch = self._master.open(row.sealed, _context(row.identity_id))
        if len(sketch) != BITS // 8:
            raise StoreDamaged(
                f"the sketch of identity {row.identity_id} has {len(sketch)} bytes, expected {BITS // 8}"
            )
        return sketch


def with_guard(encoders: Sequence[str] | None, scope: Collection[str]) -> tuple[str, ...] | None:
    """The encoders asked for, and the one a person of this scope is recognised by: who chooses encoders does not choose
    whether a bar holds. None stays None, for the default set has it."""
    if encoders is None:
        return None
    guard = next((space for modality, space in _BY_MODALITY.items() if modality in scope), None)
    return tuple(dict.fromkeys((*encoders, *((guard,) if guard else ()))))


def _guarded(identity: Identity) -> tuple[Embedding, ...]:
    """The embeddings a person is recognised by."""
    return tuple(identity.embeddings[space] for space in GUARDS if space in identity.embeddings)


def _context(identity_id: str) -> Context:
    # Not the consent's: a bar outlives it.
    return Context(identity_id, "", "sketch")
