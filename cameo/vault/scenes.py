"""Scenes: which file, who is in it, and (sealed) what was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cameo.vault.cipher import Context, derive, open_sealed, seal
from cameo.vault.entries import SceneDetail
from cameo.vault.ledger import Owner
from cameo.vault.schema import Scene, SceneUse

__all__ = ["add_scene", "forget_details", "forget_scene", "latest_scene", "read_detail", "scenes_with", "uses_of"]


def add_scene(session: Session, owners: Sequence[Owner], sha256: str, detail: SceneDetail, *, at: int) -> Scene:
    """Write down a scene with these people, in the order of the prompt."""
    sealed = seal(_key(owners), detail.model_dump_json().encode(), _context(owners, sha256))
    scene = Scene(sha256=sha256, created=at, sealed=sealed)
    session.add(scene)
    session.flush()
    for position, owner in enumerate(owners):
        session.add(
            SceneUse(scene_id=scene.id, position=position, identity_id=owner.identity_id, consent_id=owner.consent_id)
        )
    return scene


def latest_scene(session: Session, sha256: str) -> Scene | None:
    """The same seed may have made the same file more than once: the last of them."""
    return session.scalars(select(Scene).where(Scene.sha256 == sha256).order_by(Scene.id.desc())).first()


def scenes_with(session: Session, identity_id: str) -> list[Scene]:
    """Oldest first."""
    theirs = select(SceneUse.scene_id).where(SceneUse.identity_id == identity_id)
    return list(session.scalars(select(Scene).where(Scene.id.in_(theirs)).order_by(Scene.id)))


def uses_of(session: Session, scene: Scene) -> list[SceneUse]:
    return list(session.scalars(select(SceneUse).where(SceneUse.scene_id == scene.id).order_by(SceneUse.position)))


def read_detail(scene: Scene, owners: Sequence[Owner]) -> SceneDetail | None:
    """What was asked for; needs everybody who is in the scene. None when it was destroyed with one of them."""
    if scene.sealed is None:
        return None
    return SceneDetail.model_validate_json(open_sealed(_key(owners), scene.sealed, _context(owners, scene.sha256)))


def forget_details(session: Session, identity_id: str) -> None:
    """Empty what is sealed of every scene this person is in. Without their key it was unreadable already."""
    theirs = select(SceneUse.scene_id).where(SceneUse.identity_id == identity_id)
    session.execute(update(Scene).where(Scene.id.in_(theirs)).values(sealed=None))


def forget_scene(session: Session, identity_id: str, sha256: str) -> bool:
    """Empty what is sealed of every making of one file with this person; whether there was any."""
    scenes = [scene for scene in scenes_with(session, identity_id) if scene.sha256 == sha256]
    for scene in scenes:
        scene.sealed = None
    session.flush()
    return bool(scenes)


def _key(owners: Sequence[Owner]) -> bytes:
    # A prompt names everyone in it, so it must die with the first of them: its key is made of all of theirs.
    return derive([owner.key for owner in owners], "cameo/1 scene")


def _context(owners: Sequence[Owner], sha256: str) -> Context:
    return Context(sha256, ",".join(owner.consent_id for owner in owners), "scene")
