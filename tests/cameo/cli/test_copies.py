"""A copy and back, by the command line."""

from __future__ import annotations

from pathlib import Path


def test_a_copy_and_back(cameo, enrolled, tmp_path: Path) -> None:
    enrolled("ada")
    enrolled("bob")
    made = cameo("backup", "-o", tmp_path / "copy")
    assert made.status == 0 and "2 people" in made.out and "keys are not in it" in made.out and "keys.tree" in made.out
    assert cameo("backup", "-o", tmp_path / "copy", "--json").error["code"] == "bad_input"
    cameo("revoke", "bob")
    ran = cameo("restore", tmp_path / "copy")
    assert ran.out == "1 person is here; 1 had left since, and is destroyed again.\n"
    assert cameo("may", "bob", "--user", "owner", "--json").json["code"] == "cameo_revoked"
    assert cameo("restore", tmp_path / "copy", "--json").json == {"people": 1, "destroyed": 1}
    assert cameo("log", "verify").status == 0


def test_what_is_no_copy(cameo, enrolled, vault_bytes, tmp_path: Path) -> None:
    enrolled("ada")
    before = vault_bytes()
    assert cameo("restore", tmp_path, "--json").error["code"] == "bad_input"
    (tmp_path / "list.json").write_text("{}")
    ran = cameo("restore", tmp_path, "--status", tmp_path / "list.json", "--json")
    assert ran.error["code"] == "bad_input"
    assert vault_bytes() == before
