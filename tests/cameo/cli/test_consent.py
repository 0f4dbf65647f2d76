"""The person's part: a key of their own, what they agree to, what they take home."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from cameo.studio import Studio
from enroll.consent import ConsentRecord
from enroll.receipt import Receipt


def test_a_person_signs_with_their_own_key(cameo, tmp_path: Path) -> None:
    request, key = tmp_path / "consent.json", tmp_path / "ada.json"
    asked = cameo(
        *("consent", "new", "--name", "Ada", "--handle", "ada", "--controller", "Studio North <privacy@north.example>"),
        *("--jurisdiction", "NO", "--never", "no alcohol,weapons", "--scenes", "2", "--recipient", "Film Fund"),
        *("-o", request, "--json"),
    )
    assert asked.status == 0 and "never with alcohol, never with weapons" in asked.json["statement"]
    made = cameo("consent", "key", "-o", key, "--json").json
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    signed = cameo("consent", "sign", request, "--key", key, "--json").json
    assert signed["subject_key"] == made["thumbprint"]
    assert cameo("consent", "attest", request, "--by", "Op").status == 0
    record = ConsentRecord.load(request)
    record.verify(trusted=Studio().vault.trusted)
    assert record.subject_key == made["thumbprint"] and record.processing is not None
    assert record.processing.controller.contact == "privacy@north.example"
    assert (record.processing.forbidden, record.processing.scenes) == (("alcohol", "weapons"), 2)
    again = cameo("consent", "sign", request, "--key", key, "--json")
    assert (again.status, again.error["code"]) == (3, "consent_invalid")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kty": "oct", "k": "AAAA"}', '{"kty":"OKP","crv":"X25519"}'])
def test_keys_that_are_none(cameo, tmp_path: Path, content: str) -> None:
    cameo("consent", "new", "--name", "Ada", "--handle", "ada", "-o", tmp_path / "c.json")
    before = (tmp_path / "c.json").read_bytes()
    (tmp_path / "k.json").write_text(content)
    ran = cameo("consent", "sign", tmp_path / "c.json", "--key", tmp_path / "k.json", "--json")
    assert (ran.status, ran.error["code"]) == (3, "bad_input") and "no Ed25519 private key" in ran.error["message"]
    assert (tmp_path / "c.json").read_bytes() == before


def test_a_public_key_does_not_sign(cameo, tmp_path: Path) -> None:
    cameo("consent", "new", "--name", "Ada", "--handle", "ada", "-o", tmp_path / "c.json")
    cameo("consent", "key", "-o", tmp_path / "k.json")
    fields = json.loads((tmp_path / "k.json").read_text())
    (tmp_path / "k.json").write_text(json.dumps({k: v for k, v in fields.items() if k != "d"}))
    assert cameo("consent", "sign", tmp_path / "c.json", "--key", tmp_path / "k.json").status == 3


@pytest.mark.parametrize(
    "words", [("--controller", "Studio"), ("--jurisdiction", "Norway"), ("--never", "no"), ("--recipient", "a\nb")]
)
def test_terms_that_are_none(cameo, tmp_path: Path, words: tuple[str, str]) -> None:
    ran = cameo("consent", "new", "--name", "Ada", "--handle", "ada", *words, "-o", tmp_path / "c.json", "--json")
    assert (ran.status, ran.error["code"]) == (2, "usage")
    assert not (tmp_path / "c.json").exists()


def test_a_receipt_to_take_home(cameo, enrolled, tmp_path: Path) -> None:
    record = enrolled("ada")
    ran = cameo("consent", "receipt", "@ada", "-o", tmp_path / "r.json")
    assert ran.status == 0 and record.consent_id in ran.out
    found = Receipt.load(tmp_path / "r.json")
    found.verify(Studio().vault.trusted)
    assert found.metadata.status_index == Studio().show("ada").status_index
    assert stat.S_IMODE((tmp_path / "r.json").stat().st_mode) == 0o600
    assert cameo("consent", "receipt", "bob", "-o", tmp_path / "b.json", "--json").error["code"] == "unknown_handle"
