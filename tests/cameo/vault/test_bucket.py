"""Ciphertexts on object storage: whole or absent, gone when removed, and clear words when it is not there."""

from __future__ import annotations

import os
import shutil
import sys
from uuid import uuid4

import boto3
import numpy as np
import pytest

from cameo.errors import Revoked, StoreDamaged, StoreUnreachable, UsageError
from cameo.vault import Vault
from cameo.vault.blobs import open_blobs
from cameo.vault.bucket import Bucket
from enroll.consent import ConsentRecord
from tests.cameo.vault.conftest import noise
from tests.objects import ObjectServer


class Store:
    """A bucket as others see it."""

    def __init__(self) -> None:
        self.client = boto3.client("s3")
        self.name = f"cameo-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=self.name)
        self.url = f"s3://{self.name}/vault"

    def keys(self) -> list[str]:
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def people(self) -> list[str]:
        return [key.split("/")[1] for key in self.keys() if key.endswith(".sealed")]

    def contents(self) -> list[bytes]:
        return [self.client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in self.keys()]


@pytest.fixture
def bucket(objects, monkeypatch) -> Store:
    for name, value in objects.variables.items():
        monkeypatch.setenv(name, value)
    store = Store()
    monkeypatch.setenv("CAMEO_BLOBS", store.url)
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def vault(request, bucket, tmp_path, clock, monkeypatch) -> Vault:
    if request.param == "postgresql":
        monkeypatch.setenv("CAMEO_DATABASE", request.getfixturevalue("postgresql").new_database())
    return Vault(tmp_path / "home", clock=clock)


def second_home(vault: Vault, folder) -> Vault:
    folder.mkdir()
    for name in ("master.key", "keys.tree"):
        shutil.copy2(vault.home / name, folder)
    return Vault(folder, clock=vault._clock)


def test_a_life_on_object_storage(vault, bucket, ada, person, scan) -> None:
    identity, _ = ada
    assert bucket.keys() == [f"vault/{identity.identity_id}/identity.sealed"]
    assert not (vault.home / "blobs").exists()
    for content in bucket.contents():
        assert not np.isin(scan.windows(content), scan.fragments(identity)).any()
    with Vault(vault.home).lease("ada", user="bob") as lease:
        assert np.array_equal(scan.fragments(lease.identity), scan.fragments(identity))
    vault.put(*person("grace"))
    certificate = vault.revoke("ada")
    assert certificate.destroyed.blobs == 1
    assert len(bucket.people()) == 1 and identity.identity_id not in bucket.people()
    with pytest.raises(Revoked):
        vault.lease("ada")
    vault.verify_log()


def test_what_is_refused_leaves_nothing(vault, bucket, ada, person) -> None:
    before = bucket.keys()
    for handle in ("ada", "ada"):
        with pytest.raises(Exception, match="@ada already"):
            vault.put(*person(handle, seed=9))
    assert bucket.keys() == before


def test_an_object_that_is_missing_or_was_changed(vault, bucket, ada, person) -> None:
    vault.put(*person("grace"))
    key = f"vault/{ada[0].identity_id}/identity.sealed"
    content = bytearray(bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read())
    content[500] ^= 1
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=bytes(content))
    with pytest.raises(StoreDamaged, match="does not verify"):
        vault.lease("ada")
    bucket.client.delete_object(Bucket=bucket.name, Key=key)
    with pytest.raises(StoreDamaged, match="is missing") as caught:
        vault.lease("ada")
    assert caught.value.hint
    vault.lease("grace").close()
    vault.revoke("ada")


def test_a_killed_put_is_swept_up_once_a_day(vault, bucket, ada) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key=f"vault/{uuid4()}/identity.sealed", Body=b"orphan")
    Vault(vault.home)
    assert len(bucket.people()) == 2, "looked through today already"
    os.utime(vault.home / ".swept", (0, 0))
    Vault(vault.home)
    assert bucket.people() == [ada[0].identity_id]


def test_storage_that_does_not_answer(vault, bucket, ada, person, monkeypatch, tmp_path) -> None:
    """Nothing is half stored, nobody is let in, and whoever wants to leave loses their key at once all the same."""
    vault.put(*person("grace"))
    own = ObjectServer()
    own.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", own.url)
    away = Vault(vault.home, clock=vault._clock)
    size = away.verify_log().size
    for act in (lambda: away.lease("ada"), lambda: away.put(*person("mary"))):
        with pytest.raises(StoreUnreachable, match=rf"s3://{bucket.name}/vault does not answer") as caught:
            act()
        assert (caught.value.exit_status, caught.value.code) == (6, "store_unreachable")
        assert "\n" not in caught.value.message and "nobody-knows" not in str(caught.value)
    assert away.verify_log().size == size and [entry.handle for entry in away.cast()] == ["ada", "grace"]
    with pytest.raises(StoreUnreachable):
        away.revoke("ada")
    assert away.may("ada").code == "cameo_revoked", "not acknowledged, yet nobody gets in any more"
    monkeypatch.undo()


def test_no_bucket_no_credentials_no_right(objects, bucket, monkeypatch, tmp_path) -> None:
    key = f"{uuid4()}/identity"
    nowhere = Bucket(f"s3://no-such-{uuid4().hex[:8]}/vault")
    for act in (lambda: nowhere.read(key), lambda: nowhere.write(key, b"x"), nowhere.names, nowhere.standing):
        with pytest.raises(StoreUnreachable, match="there is no s3://no-such-"):
            act()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreUnreachable, match="does not let this machine in"):
        Bucket(bucket.url).write(key, b"x")
    assert bucket.keys() == []


def test_urls_that_are_none(tmp_path, monkeypatch) -> None:
    for url in ("bucket/prefix", "s3://", "://bucket", "s 3://bucket"):
        monkeypatch.setenv("CAMEO_BLOBS", url)
        with pytest.raises(UsageError, match="no URL of object storage"):
            Vault(tmp_path / "home")
    monkeypatch.setenv("CAMEO_BLOBS", "nosuchthing://bucket/prefix")
    with pytest.raises((UsageError, StoreUnreachable)):
        Vault(tmp_path / "home")
    assert Bucket("s3://key:secret@bucket/vault").where == "s3://bucket/vault"


def test_without_the_driver_it_says_what_to_install(bucket, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    registry = sys.modules["fsspec.registry"]
    for scheme in ("s3", "s3a"):  # which fsspec remembers from the tests before
        monkeypatch.delitem(registry._registry, scheme, raising=False)
    with pytest.raises(UsageError, match="not installed") as caught:
        Bucket(bucket.url).names()
    assert caught.value.hint == "pip install 'cameo-kit[s3]'"


def test_a_file_system_is_not_shared_over_a_fork(vault, ada) -> None:
    vault.lease("ada").close()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            vault.lease("ada").close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    vault.lease("ada").close()


def test_a_copy_and_back(vault, bucket, ada, person, clock, tmp_path) -> None:
    vault.put(*person("grace"))
    vault.backup(tmp_path / "copy")
    copied = sorted(path.name for path in (tmp_path / "copy" / "blobs").iterdir())
    assert copied == sorted(bucket.people())
    vault.revoke("ada")
    vault.put(*person("mary"))
    again = Vault.restore(tmp_path / "copy", vault.home, clock=clock)
    assert [entry.handle for entry in again.cast()] == ["grace"]
    assert bucket.people() == [again.show("grace").identity_id]
    again.lease("grace").close()
    again.verify_log()


def test_a_copy_put_back_elsewhere_is_held_to_the_newest_list(bucket, postgresql, clock, tmp_path, monkeypatch) -> None:
    """Two homes, one vault. What the one revoked, the other must not bring back: the list lies with the ciphertexts."""
    monkeypatch.setenv("CAMEO_DATABASE", postgresql.new_database())
    one = Vault(tmp_path / "home", clock=clock)
    for seed, handle in enumerate(("ada", "grace")):
        record = ConsentRecord.new(name="A", handle=handle, now=clock()).attest(by="x", key=one.operator, now=clock())
        one.put(noise(seed, record), record)
    two = second_home(one, tmp_path / "two")
    two.backup(tmp_path / "copy")
    one.revoke("ada")
    again = Vault.restore(tmp_path / "copy", tmp_path / "two", clock=clock)
    assert [entry.handle for entry in again.cast()] == ["grace"]
    assert one.may("ada").code == again.may("ada").code == "cameo_revoked"
    assert len(bucket.people()) == 1


def test_any_url_of_fsspec(tmp_path) -> None:
    blobs, identity_id = open_blobs("memory://vault", tmp_path), str(uuid4())
    blobs.write(identity_id, "identity", b"sealed")
    assert blobs.owners() == {identity_id} and blobs.count(identity_id) == 1
    assert blobs.read(identity_id, "identity") == b"sealed"
    blobs.remove(identity_id)
    blobs.remove(identity_id)
    assert blobs.owners() == set() and not blobs.anybody()
    with pytest.raises(StoreDamaged):
        blobs.read(identity_id, "identity")
