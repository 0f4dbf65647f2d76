"""Scenes in the vault: written down, found again, told, forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.orm import Session

from cameo.errors import Revoked, StoreDamaged, UsageError
from cameo.vault.core import Core, seconds, storable
from cameo.vault.entries import History, SceneDetail, SceneRecord, SceneRole
from cameo.vault.grants import principal, spend
from cameo.vault.history import leases_on
from cameo.vault.ledger import Owner
from cameo.vault.people import moment
from cameo.vault.scenes import add_scene, forget_scene, latest_scene, read_detail, scenes_with, uses_of
from cameo.vault.schema import IdentityRow, Scene
from enroll.consent import Use

if TYPE_CHECKING:
    from cameo.marks.fingerprint import Fingerprint
    from cameo.marks.watermarks import Said

__all__ = ["Filming"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Filming(Core):
    """The part of a vault that knows its scenes."""

    def record_scene(
        self,
        *,
        sha256: str,
        path: str | Path,
        identities: Sequence[str],
        user: str,
        prompt: str,
        model: str,
        seed: int | None = None,
        purpose: Use = "generate",
        fingerprint: Fingerprint | None = None,
    ) -> SceneRecord:
        """Write down a scene that was made.

        Args:
            sha256: hex digest of the finished file.
            identities: the ``identity_id`` of each lease, in the order of the prompt.
            fingerprint: by which a copy of it will be known.

        Raises:
            Revoked, Suspended, PermissionDenied: someone in it left, paused, or denied it, while it was made, or the
                last scene of their grant was made meanwhile. The caller destroys the file.
        """
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"a scene is named by its SHA-256 in hex, got {sha256[:80]!r}")
        principal(user)
        detail = SceneDetail(
            path=storable(str(path)), user=user, prompt=storable(prompt), seed=seed, model=model, purpose=purpose
        )
        at = seconds(self._clock())
        with self._database.transaction() as session:
            owners = [self._owner_in_scene(session, identity_id) for identity_id in dict.fromkeys(identities)]
            if not owners:
                raise UsageError("a scene has at least one person")
            for owner in owners:
                handle = self._people.summary(session.get_one(IdentityRow, owner.identity_id), owner).handle
                permitted = self._permit(session, handle, user, purpose, None)
                spend(session, self._secrets.master, owner, permitted.terms)
            scene = add_scene(session, owners, sha256, detail, at=at)
            if fingerprint is not None:
                self._likenesses.remember(session, scene, fingerprint)
            for owner in owners:
                self._ledger.append(session, "scene", {"sha256": sha256, "user": user}, at=at, owner=owner)
            return self._read_scene(session, sha256)

    def find_scene(self, sha256: str) -> SceneRecord | None:
        """The scene with this digest and how everyone in it stands now; None when it was not made here."""
        if not _SHA256.fullmatch(sha256):
            return None
        with self._reading() as session:
            return self._read_scene(session, sha256) if latest_scene(session, sha256) else None

    def find_like(self, asked: Fingerprint) -> SceneRecord | None:
        """The scene of which a file looks and sounds like a copy; None when it is none of this vault's."""
        with self._reading() as session:
            scene = self._likenesses.find(session, asked)
            return self._scene_record(session, scene) if scene is not None else None

    def watermark_secret(self, content: str) -> bytes:
        """32 bytes for the watermarks of a scene: the same for the same ``content``, a digest of picture and sound, so
        that a seed gives the same scene."""
        return self._secrets.master.tag("watermark", content)

    def find_marked(self, said: Said) -> SceneRecord | None:
        """The scene whose watermarks a file carries; None when they are none of this vault's."""
        with self._reading() as session:
            scene = self._likenesses.find_marked(session, said)
            return self._scene_record(session, scene) if scene is not None else None

    def history(self, handle: str) -> History:
        """Every scene with one living person in it, and every time they were opened.

        Raises:
            Revoked, UnknownHandle: there is nothing left to tell.
        """
        with self._reading() as session:
            owner = self._people.owner(self._people.alive(session, handle))
            scenes = tuple(self._scene_record(session, scene) for scene in scenes_with(session, owner.identity_id))
            return History(scenes=scenes, leases=leases_on(session, owner))

    def forget_scene(self, handle: str, sha256: str) -> None:
        """Destroy what is kept of a scene with this person: prompt, path, user. Its digest stays, so that a copy is
        still known for what it is.

        Raises:
            Revoked, UnknownHandle: there is no such person.
            UsageError: they are in no scene of that digest.
        """
        with self._database.transaction() as session:
            owner = self._people.owner(self._people.alive(session, handle))
            if not forget_scene(session, owner.identity_id, sha256):
                raise UsageError(f"@{handle} is in no scene {sha256[:80]}", hint=f"see: cameo uses {handle}")
            self._ledger.append(session, "unscene", {"sha256": sha256}, at=seconds(self._clock()), owner=owner)
        self._database.compact()

    def scene_cast(self, consent_ids: Iterable[str]) -> tuple[SceneRole, ...]:
        """How the people behind these consents (as a scene's manifest names them) stand now."""
        with self._reading() as session:
            ids = map(storable, consent_ids)
            return tuple(self._people.role(session, consent_id, self._clock()) for consent_id in ids)

    def _owner_in_scene(self, session: Session, identity_id: str) -> Owner:
        row = session.get(IdentityRow, identity_id)
        if row is None:
            raise Revoked(f"identity {identity_id} no longer exists", hint="the scene must be destroyed")
        return self._people.owner(row)

    def _read_scene(self, session: Session, sha256: str) -> SceneRecord:
        scene = latest_scene(session, sha256)
        if scene is None:
            raise StoreDamaged(f"scene {sha256} is missing")
        return self._scene_record(session, scene)

    def _scene_record(self, session: Session, scene: Scene) -> SceneRecord:
        uses = uses_of(session, scene)
        rows = [session.get(IdentityRow, use.identity_id) for use in uses]
        owners = [self._people.owner(row) for row in rows if row is not None]
        return SceneRecord(
            sha256=scene.sha256,
            created=moment(scene.created),
            cast=tuple(self._people.role(session, use.consent_id, self._clock()) for use in uses),
            # Between the destruction of one person's key and the purge, the detail is there and cannot be opened.
            detail=read_detail(scene, owners) if len(owners) == len(uses) else None,
        )
