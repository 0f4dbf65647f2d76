"""What is known of a scene, and how that changes as people leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from cameo.errors import Revoked, UsageError
from cameo.vault import Vault

DIGEST, OTHER = "a1" * 32, "b2" * 32


def record(vault, *identities, sha256=DIGEST, **changes):
    fields = {
        "path": Path("/films/scene.mp4"),
        "user": "bob",
        "prompt": "@ada greets @grace",
        "model": "nano",
        "seed": 7,
    }
    ids = [identity.identity_id for identity in identities]
    return vault.record_scene(**fields | {"sha256": sha256, "identities": ids} | changes)


def test_a_scene_with_somebody_who_left_is_not_recorded(vault, ada, person) -> None:
    grace, consent = person("grace", seed=2, grants=("owner", "user:bob"))
    vault.put(grace, consent)
    vault.revoke("ada")
    with pytest.raises(Revoked):
        record(vault, grace, ada[0])
    assert vault.find_scene(DIGEST) is None
    assert vault.show("grace").uses == 0


def test_bad_words(vault, ada) -> None:
    for changes in ({"identities": []}, {"sha256": "A1" * 32}, {"sha256": "../x"}, {"user": "a b"}):
        with pytest.raises(UsageError):
            record(vault, ada[0], **changes)


def test_a_scene_is_found_with_everything(vault, ada, person, clock) -> None:
    grace, consent = person("grace", seed=2, valid_days=10, grants=("owner", "user:bob"))
    vault.put(grace, consent)
    made = record(vault, grace, ada[0], grace)
    assert Vault(vault.home, clock=clock).find_scene(DIGEST) == made
    assert [(role.handle, role.status) for role in made.cast] == [("grace", "in_force"), ("ada", "in_force")]
    assert made.detail.model_dump() == {
        "path": "/films/scene.mp4",
        "user": "bob",
        "prompt": "@ada greets @grace",
        "seed": 7,
        "model": "nano",
        "purpose": "generate",
    }
    assert vault.show("ada").uses == vault.show("grace").uses == 1
    assert vault.find_scene(OTHER) is None
    clock.advance(days=10)
    assert [role.status for role in vault.find_scene(DIGEST).cast] == ["expired", "in_force"]


def test_when_one_leaves_the_prompt_leaves_with_them(vault, ada, person) -> None:
    grace, consent = person("grace", seed=2, grants=("owner", "user:bob"))
    vault.put(grace, consent)
    record(vault, ada[0], grace)
    record(vault, grace, sha256=OTHER, prompt="@grace alone")
    vault.revoke("ada")
    scene = vault.find_scene(DIGEST)
    assert scene.detail is None
    assert [(role.handle, role.status) for role in scene.cast] == [(None, "revoked"), ("grace", "in_force")]
    assert scene.cast[0].consent_id == ada[1].consent_id
    assert vault.find_scene(OTHER).detail.prompt == "@grace alone"


def test_someone_enrolled_anew_is_not_in_the_old_scenes(vault, ada, person) -> None:
    record(vault, ada[0])
    vault.revoke("ada")
    vault.put(*person("ada", seed=3))
    assert [(role.handle, role.status) for role in vault.find_scene(DIGEST).cast] == [(None, "revoked")]
    assert vault.show("ada").uses == 0


def test_the_same_file_made_twice_is_the_last(vault, ada) -> None:
    record(vault, ada[0], prompt="first")
    record(vault, ada[0], prompt="second")
    assert vault.find_scene(DIGEST).detail.prompt == "second"
    assert vault.show("ada").uses == 2


def test_people_by_the_consent_a_manifest_names(vault, ada, person) -> None:
    _, grace = person("grace", seed=2, grants=("owner", "user:bob"))
    unknown = "00000000-0000-4000-8000-000000000000"
    roles = vault.scene_cast([unknown, ada[1].consent_id, grace.consent_id])
    assert [(role.handle, role.status) for role in roles] == [(None, "unknown"), ("ada", "in_force"), (None, "unknown")]
    vault.revoke("ada")
    assert [role.status for role in vault.scene_cast([ada[1].consent_id])] == ["revoked"]


def test_a_path_that_is_no_utf8(vault, ada) -> None:
    assert record(vault, ada[0], path=Path("/films/\udcff.mp4")).detail.path == "/films/\\udcff.mp4"
