"""A person to another home and back into scenes there, by the command line."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cameo.studio import Studio

WORDS = "correct horse battery staple\n"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "words").write_text(WORDS)
    return tmp_path / "words"


def test_from_one_home_to_another(cameo, enrolled, words: Path, tmp_path: Path, monkeypatch) -> None:
    enrolled("ada", grants=("owner", "user:bob"))
    sent = cameo("export", "@ada", "-o", tmp_path / "ada.cameo", "--passphrase-file", words, "--json")
    assert sent.status == 0 and sent.json["bytes"] == (tmp_path / "ada.cameo").stat().st_size
    assert stat.S_IMODE((tmp_path / "ada.cameo").stat().st_mode) == 0o600
    cameo("status", "publish", "-o", tmp_path / "list.json")
    here = Path(Studio().home)

    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "there"))
    take = ("import", tmp_path / "ada.cameo", "--passphrase-file", words)
    assert cameo(*take, "--json").error["code"] == "package_invalid"
    trusting = (*take, "--trust", sent.json["issuer"])
    assert cameo(*trusting, "--json").error["code"] == "status_list_not_in_force"
    ran = cameo(*trusting, "--status", tmp_path / "list.json", "--json")
    assert (ran.status, ran.json["grants"]) == (0, ["owner", "user:bob"])
    assert cameo("may", "ada", "--user", "bob").status == 0
    assert cameo(*trusting, "--json").error["code"] == "handle_taken"

    monkeypatch.setenv("CAMEO_HOME", str(here))
    cameo("revoke", "ada")
    cameo("status", "publish", "-o", tmp_path / "list.json")
    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "there"))
    assert cameo("status", "check", tmp_path / "list.json").status == 0
    assert cameo("may", "ada", "--user", "bob", "--json").json["code"] == "cameo_revoked"
    assert cameo("cast", "--json").json == {"cast": []}


def test_the_passphrase_comes_from_somewhere(cameo, enrolled, tmp_path: Path, monkeypatch) -> None:
    enrolled("ada")
    out = ("export", "ada", "-o", tmp_path / "ada.cameo")
    assert cameo(*out, "--json").error["code"] == "usage"
    assert cameo(*out, "--passphrase-file", tmp_path / "none", "--json").error["code"] == "bad_input"
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\n")
    assert cameo(*out, "--passphrase-file", tmp_path / "bytes", "--json").error["code"] == "bad_input"
    (tmp_path / "short").write_text("short\n")
    assert cameo(*out, "--passphrase-file", tmp_path / "short", "--json").error["code"] == "package_invalid"
    assert not (tmp_path / "ada.cameo").exists()
    monkeypatch.setenv("CAMEO_PASSPHRASE", WORDS.strip())
    assert cameo(*out).status == 0
    assert cameo("import", tmp_path / "nothing.cameo", "--json").error["code"] == "bad_input"
