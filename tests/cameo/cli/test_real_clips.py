"""The whole way by the command line, on clips of people who exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from enroll.consent import ConsentRecord

CLIPS = ("grid_s31_bgiq6p.mpg", "grid_x_br_brbk7n.mpg", "latentsync_demo1.mp4")


@pytest.mark.parametrize("name", CLIPS)
def test_enrolled_generated_checked_revoked(cameo, shared: Path, wide_model: Path, tmp_path: Path, name: str) -> None:
    consent, scene, report = tmp_path / "consent.json", tmp_path / "scene.mp4", tmp_path / "report.html"
    assert cameo("consent", "new", "--name", "Someone", "--handle", "ada", "-o", consent).status == 0
    assert cameo("consent", "attest", consent, "--by", "the tests").status == 0
    consent_id = ConsentRecord.load(consent).consent_id

    ran = cameo("enroll", shared / "clips" / name, "--consent", consent, "--report", report, "--json")
    assert (ran.status, ran.err) == (0, ""), ran.out
    assert set(ran.json) == {
        "handle",
        "identity_id",
        "embeddings",
        "coverage",
        "consent",
        "challenge",
        "subject",
        "voice",
    }
    assert ran.json["consent"]["id"] == consent_id
    assert {"dlib-resnet-128", "appearance", "ge2e-256"} <= set(ran.json["embeddings"])
    assert report.stat().st_size > 20_000

    words = ("generate", '@ada says "hello" by the sea', "-o", scene, "--model", wide_model, "--json")
    ran = cameo(*words)
    assert (ran.status, ran.err) == (0, ""), ran.out
    (role,) = cameo("check", scene, "--json").json["cast"]
    assert role == {"handle": "ada", "consent_id": consent_id, "status": "in_force"}

    assert cameo("revoke", "ada", "--json").json["destroyed"]["keys"] == 1
    ran = cameo(*words)
    assert (ran.status, ran.error["code"]) == (4, "cameo_revoked")
    (role,) = cameo("check", scene, "--json").json["cast"]
    assert role["status"] == "revoked"
