"""The same clip twice, by the command line: noticed, barred, and let in again by the certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from enroll.consent import ConsentRecord

CLIP = Path(__file__).resolve().parents[3] / "examples" / "data" / "ada.mp4"


@pytest.fixture
def consent(cameo, tmp_path: Path):
    def consent(handle: str) -> Path:
        path = tmp_path / f"{handle}.json"
        cameo("consent", "new", "--name", handle.title(), "--handle", handle, "--scope", "face", "-o", path)
        assert cameo("consent", "attest", path, "--by", "the tests").status == 0
        assert ConsentRecord.load(path).handle == handle
        return path

    return consent


def test_one_person_is_not_enrolled_twice(cameo, consent, vault_bytes, tmp_path: Path) -> None:
    assert cameo("enroll", CLIP, "--consent", consent("ada"), "--json").status == 0
    before = vault_bytes()
    ran = cameo("enroll", CLIP, "--consent", consent("grace"), "--json")
    assert (ran.status, ran.error["code"]) == (4, "already_enrolled")
    assert "@ada" in ran.error["message"] and "--again" in ran.error["hint"]
    assert vault_bytes() == before

    certificate = tmp_path / "certificate.json"
    ran = cameo("revoke", "ada", "--never-again", "-o", certificate, "--json")
    assert ran.json["kept"]["sketches"] == 1
    ran = cameo("enroll", CLIP, "--consent", consent("eve"), "--again", "--json")
    assert (ran.status, ran.error["code"]) == (4, "enrollment_barred")
    assert "cameo unbar" in ran.error["hint"]

    assert cameo("unbar", "nonsense", "--json").error["code"] == "unknown_handle"
    assert cameo("unbar", certificate, "--json").status == 0
    assert cameo("unbar", certificate).err.startswith("error: no bar hangs on certificate")
    assert cameo("enroll", CLIP, "--consent", consent("mary"), "--json").status == 0
    assert cameo("enroll", CLIP, "--consent", consent("twin"), "--again", "--json").status == 0
    assert cameo("log", "verify").status == 0


def test_what_is_kept_is_said_to_a_person_too(cameo, enrolled) -> None:
    enrolled("ada")
    assert "Kept, to refuse a new enrollment: 2 sketches" in cameo("revoke", "ada", "--never-again").out
