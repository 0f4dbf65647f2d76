"""C2PA: what a scene says of itself, what an attacker can do to it, and what a stranger learns from it."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from uuid import uuid4

import c2pa
import numpy as np
import pytest

from cameo.marks import Authority, StatusEntry, cast_assertion, embed, read
from cameo.scene import write_scene

ADA, BOB = str(uuid4()), str(uuid4())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.derive(os.urandom(32))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    frames = np.random.default_rng(0).integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
    write_scene(path, frames, np.zeros(8000, np.float32), 12.0, 16_000)
    return path


@pytest.fixture
def marked(plain: Path, authority: Authority, tmp_path: Path) -> Path:
    cast = cast_assertion({ADA: "consent-1"}, model="nano", seed=7)
    embed(plain, tmp_path / "marked.mp4", cast, authority, version="0.1.0")
    return tmp_path / "marked.mp4"


def test_a_changed_scene_is_found(marked: Path, authority: Authority) -> None:
    whole = marked.read_bytes()
    body = whole.index(b"mdat")
    for place in random.Random(0).sample(range(body, len(whole)), 20):
        changed = bytearray(whole)
        changed[place] ^= 1
        marked.write_bytes(changed)
        manifest = read(marked, trusted=(authority.root,))
        assert manifest.state == "Invalid"
        assert "assertion.bmffHash.mismatch" in manifest.problems


def test_a_changed_statement_is_found(marked: Path, authority: Authority) -> None:
    changed = marked.read_bytes().replace(b"consent-1", b"consent-2")
    marked.write_bytes(changed)
    manifest = read(marked, trusted=(authority.root,))
    assert manifest.state == "Invalid"
    assert "assertion.hashedURI.mismatch" in manifest.problems


def test_a_shortened_scene_is_found(marked: Path, authority: Authority) -> None:
    marked.write_bytes(marked.read_bytes()[:-500])
    assert read(marked, trusted=(authority.root,)).state == "Invalid"


def test_a_stranger_signing_in_our_name_is_not_trusted(plain: Path, authority: Authority, tmp_path: Path) -> None:
    cast = cast_assertion({ADA: "consent-1"}, model="nano", seed=7)
    embed(plain, tmp_path / "forged.mp4", cast, Authority.derive(os.urandom(32)), version="0.1.0")
    manifest = read(tmp_path / "forged.mp4", trusted=(authority.root,))
    assert manifest.state == "Valid"
    assert manifest.problems == ("signingCredential.untrusted",)


def test_no_manifest_and_no_video(plain: Path, tmp_path: Path) -> None:
    assert read(plain).state == "absent"
    (tmp_path / "note.mp4").write_bytes(b"not a film")
    assert read(tmp_path / "note.mp4").state == "Invalid"


def test_says_what_made_the_scene_and_of_whom(marked: Path, authority: Authority) -> None:
    manifest = read(marked, trusted=(authority.root,))
    assert (manifest.state, manifest.problems) == ("Trusted", ())
    assert (manifest.signer, manifest.generator) == ("Cameo scene signer", "Cameo 0.1.0")
    assert manifest.cast is not None
    assert (manifest.cast.model, manifest.cast.seed) == ("nano", 7)
    person = manifest.cast.is_of(ADA)
    assert person is not None and person.consent_id == "consent-1"
    assert manifest.cast.is_of(BOB) is None


def test_says_where_each_is_looked_up(plain: Path, authority: Authority, tmp_path: Path) -> None:
    cast = cast_assertion(
        {ADA: "consent-1", BOB: "consent-2"},
        model="nano",
        seed=7,
        statuses={ADA: StatusEntry(index=94567, list="urn:x")},
    )
    embed(plain, tmp_path / "marked.mp4", cast, authority, version="0.1.0")
    found = read(tmp_path / "marked.mp4", trusted=(authority.root,)).cast
    assert found is not None
    ada, bob = found.is_of(ADA), found.is_of(BOB)
    assert ada is not None and ada.status == StatusEntry(index=94567, list="urn:x")
    assert bob is not None and bob.status is None


def test_a_scene_of_before_there_was_a_status_list(plain: Path, authority: Authority, tmp_path: Path) -> None:
    cast = cast_assertion({ADA: "consent-1"}, model="nano", seed=7).model_copy(update={"version": 1})
    embed(plain, tmp_path / "marked.mp4", cast, authority, version="0.1.0")
    found = read(tmp_path / "marked.mp4", trusted=(authority.root,))
    assert found.state == "Trusted" and found.cast == cast


def test_whoever_holds_the_receipt_sees_whose_consent_it_was(plain: Path, authority: Authority, tmp_path: Path) -> None:
    digest, other = "ab" * 32, "cd" * 32
    cast = cast_assertion(
        {ADA: "consent-1", BOB: "consent-2"},
        model="nano",
        seed=7,
        consents={ADA: digest},
        adapter=digest,
        loras=[other],
    )
    embed(plain, tmp_path / "marked.mp4", cast, authority, version="0.1.0")
    found = read(tmp_path / "marked.mp4", trusted=(authority.root,)).cast
    assert found is not None and found.under(digest) == found.is_of(ADA) and found.under(other) is None
    assert (found.adapter, found.loras) == (digest, (other,))
    salted = hashlib.sha256(bytes.fromhex(found.salt) + digest.encode()).hexdigest()
    assert found.people[0].consent_hash == salted, "as anybody would compute it"
    again = cast_assertion({ADA: "consent-1"}, model="nano", seed=7, consents={ADA: digest})
    assert again.people[0].consent_hash != salted, "two scenes share no hash"


def test_another_reader_finds_it_too(marked: Path) -> None:
    """The library's own view, without ours: a created action of the right source type."""
    with marked.open("rb") as file, c2pa.Context() as context:
        text = c2pa.Reader("video/mp4", file, context=context).json()
    assert "c2pa.created" in text and "digitalsourcetype/trainedAlgorithmicMedia" in text


def test_two_scenes_of_one_person_cannot_be_joined_by_their_ids() -> None:
    first, second = (cast_assertion({ADA: "c"}, model="nano", seed=0) for _ in range(2))
    assert first.people[0].cameo_id != second.people[0].cameo_id
    assert first.is_of(ADA) and second.is_of(ADA)
    assert ADA not in first.model_dump_json()


def test_the_same_operator_has_the_same_authority_and_no_other_has(authority: Authority) -> None:
    assert Authority.derive(bytes(32)) == Authority.derive(bytes(32))
    first, second = Authority.derive(bytes(32)), Authority.derive(bytes(31) + b"\x01")
    assert len({first.key, second.key, first.leaf, second.leaf, first.root, second.root}) == 6


def test_the_authority_keeps_its_key_to_itself(authority: Authority) -> None:
    assert "PRIVATE" not in repr(authority) + str(authority)
    assert "PRIVATE" not in authority.chain
