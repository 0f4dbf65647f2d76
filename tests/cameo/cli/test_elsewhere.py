"""The command line of a home whose vault is on PostgreSQL and object storage."""

from __future__ import annotations

import json
from uuid import uuid4

import boto3
import pytest

from tests.postgres import PASSWORD


@pytest.fixture
def elsewhere(home, objects, postgresql, monkeypatch) -> str:
    """The name of the database; the bucket is there."""
    for name, value in objects.variables.items():
        monkeypatch.setenv(name, value)
    bucket = f"cameo-{uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    name = postgresql.new_database().partition("@/")[2].partition("?")[0]
    monkeypatch.setenv("CAMEO_DATABASE", postgresql.url_with(name, PASSWORD))
    monkeypatch.setenv("CAMEO_BLOBS", f"s3://{bucket}/vault")
    return name


def test_a_life_elsewhere(elsewhere, cameo, enrolled, home, tmp_path) -> None:
    for handle in ("ada", "bob"):
        enrolled(handle)
    assert sorted(path.name for path in home.iterdir() if not path.name.startswith(".")) == [
        "keys.tree",
        "master.key",
        "places.json",
    ]
    assert cameo("may", "ada", "--user", "owner", "--json").json["allowed"]
    assert cameo("backup", "-o", tmp_path / "copy").status == 0
    assert cameo("revoke", "bob").status == 0
    ran = cameo("restore", tmp_path / "copy")
    assert ran.out == "1 person is here; 1 had left since, and is destroyed again.\n"
    assert cameo("log", "verify").status == 0


def test_doctor_tells_where_it_is(elsewhere, cameo, enrolled, home, monkeypatch) -> None:
    ran = cameo("doctor", "--json")
    assert not home.exists() or not any(home.iterdir()), "asking makes nothing"
    database, blobs = ran.json["database"], ran.json["blobs"]
    assert (database["kind"], database["answers"], database["durable"]) == ("postgresql", True, False)
    assert database["where"].startswith("postgresql://127.0.0.1:") and database["where"].endswith(elsewhere)
    assert (blobs["kind"], blobs["answers"], blobs["versions"]) == ("objects", True, False)
    shown = cameo("doctor").out
    assert "NOT DURABLE: fsync" in shown and f"objects, {blobs['where']}: answers" in shown
    bucket = blobs["where"].split("/")[2]
    on = {"Status": "Enabled"}
    boto3.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration=on)
    assert "KEEPS OLD VERSIONS" in cameo("doctor").out
    for text in (ran.out, shown):
        assert PASSWORD not in text and "nobody-knows" not in text


@pytest.mark.parametrize(
    ("variable", "value", "place", "said"),
    [
        ("CAMEO_DATABASE", "postgresql://cameo:s3cret@127.0.0.1:1/vault", "database", "does not answer"),
        ("CAMEO_DATABASE", "postgresql://cameo:s3cret@", "database", "no URL"),
        ("CAMEO_BLOBS", "s3://no-such-bucket-anywhere/x", "blobs", "there is no s3://no-such-bucket-anywhere/x"),
    ],
)
def test_what_is_not_there_is_one_line(elsewhere, cameo, monkeypatch, variable, value, place, said) -> None:
    monkeypatch.setenv(variable, value)
    ran = cameo("doctor", "--json")
    assert ran.status == 6 and said in ran.json[place]["why_not"] and not ran.json[place]["answers"]
    assert "NOT THERE" in cameo("doctor").out
    if variable == "CAMEO_DATABASE":
        ran = cameo("cast", "--json")
        assert ran.status == (2 if said == "no URL" else 6)
        assert ran.error["code"] == ("usage" if said == "no URL" else "store_unreachable")
        plain = cameo("cast")
        assert plain.out == "" and plain.err.count("\n") == 1 and "s3cret" not in plain.err


def test_a_variable_that_was_forgotten(elsewhere, cameo, enrolled, home, monkeypatch) -> None:
    enrolled("ada")
    monkeypatch.delenv("CAMEO_DATABASE")
    error = cameo("cast", "--json").error
    assert error["code"] == "usage" and "CAMEO_DATABASE is not set" in error["message"]
    assert json.loads((home / "places.json").read_text()).keys() == {"database", "blobs"}
    assert "CAMEO_DATABASE is not set" in cameo("doctor").out
