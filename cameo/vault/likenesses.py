"""What scenes look and sound like, at rest: found again when nothing else tells where a file is from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from cameo.vault.cipher import Context
from cameo.vault.keys import MasterKey
from cameo.vault.schema import FingerprintRow, Scene

if TYPE_CHECKING:
    from cameo.marks.fingerprint import Fingerprint
    from cameo.marks.watermarks import Said

__all__ = ["Likenesses"]


class Likenesses:
    """The fingerprints of one vault; opened once and kept in memory, some kilobytes a scene."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        self._open: dict[int, Fingerprint] = {}

    def remember(self, session: Session, scene: Scene, fingerprint: Fingerprint) -> None:
        """Write one down with its scene."""
        sealed = self._master.seal(fingerprint.to_bytes(), _context(scene))
        session.add(FingerprintRow(scene_id=scene.id, sealed=sealed))
        session.flush()

    def find(self, session: Session, asked: Fingerprint) -> Scene | None:
        """The scene a file is a copy of: of those it may be, the one whose picture is nearest.

        Raises:
            StoreDamaged: a fingerprint does not open.
        """
        found = [
            (kept.picture_distance(asked), scene_id) for scene_id, kept in self._all(session) if kept.matches(asked)
        ]
        return session.get(Scene, min(found)[1]) if found else None

    def find_marked(self, session: Session, said: Said) -> Scene | None:
        """The scene whose watermarks a file carries.

        Args:
            said: see ``cameo.marks.watermarks.read``.

        Raises:
            StoreDamaged: a fingerprint does not open.
        """
        from cameo.marks.watermarks import CHANCE, chance_that

        marked = [(scene_id, kept.secret) for scene_id, kept in self._all(session) if kept.secret]
        found = [(chance_that(said, secret), scene_id) for scene_id, secret in marked]
        # Asked of every scene, chance has so many tries.
        return session.get(Scene, min(found)[1]) if found and min(found)[0] * len(found) < CHANCE else None

    def _all(self, session: Session) -> Iterator[tuple[int, Fingerprint]]:
        # Late: what reads pictures takes long to import, and most who open a vault ask nothing of this.
        from cameo.marks.fingerprint import Fingerprint

        for scene, row in session.execute(select(Scene, FingerprintRow).join(FingerprintRow)):
            if scene.id not in self._open:
                self._open[scene.id] = Fingerprint.from_bytes(self._master.open(row.sealed, _context(scene)))
            yield scene.id, self._open[scene.id]


def _context(scene: Scene) -> Context:
    return Context(scene.sha256, str(scene.id), "fingerprint")
