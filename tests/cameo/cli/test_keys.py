"""By what others know this home, and a certificate of its own, by the command line."""

from __future__ import annotations

import stat
from pathlib import Path

from cameo.studio import Studio
from tests.cameo.marks.authorities import Issuer, key_pem, new_key


def test_a_certificate_from_request_to_signature(cameo, tmp_path: Path) -> None:
    first = cameo("keys", "--json").json
    assert first["signer"]["development"] and first["trusted"] == []
    assert first["operator"] in cameo("keys").out and "development authority" in cameo("keys").out
    request, chain = tmp_path / "request.pem", tmp_path / "chain.pem"
    assert cameo("keys", "install", request, "--json").error["code"] == "signer_invalid"
    cameo("keys", "request", "--name", "Studio North", "-o", request)
    assert "cameo keys request" not in cameo("keys").out
    chain.write_bytes(Issuer("Test authority", below=Issuer()).answer(request.read_text()))
    installed = cameo("keys", "install", chain).out
    assert "CN=Studio North" in installed and "es256" in installed
    then = cameo("keys", "--json").json
    assert not then["signer"]["development"] and len(then["trusted"]) == 1
    cameo("keys", "root", "-o", tmp_path / "root.pem")
    assert (tmp_path / "root.pem").read_text() == Studio().signer.authority.root
    assert cameo("keys", "develop", "--json").json["signer"]["development"]
    assert len(cameo("keys", "--json").json["trusted"]) == 1  # what was signed with it stays trusted


def test_one_home_trusts_another(cameo, tmp_path: Path, monkeypatch) -> None:
    cameo("keys", "root", "-o", tmp_path / "root.pem")
    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "there"))
    sha = cameo("keys", "trust", tmp_path / "root.pem", "--json").json["sha256"]
    assert [one["sha256"] for one in cameo("keys", "--json").json["trusted"]] == [sha]
    assert cameo("keys", "distrust", "00ff", "--json").error["code"] == "signer_invalid"
    assert cameo("keys", "distrust", sha[:12]).status == 0
    assert cameo("keys", "--json").json["trusted"] == []
    for wrong in ("nothing.pem", "."):
        assert cameo("keys", "trust", tmp_path / wrong, "--json").error["code"] == "signer_invalid"


def test_a_key_of_its_own_file(cameo, tmp_path: Path) -> None:
    key = new_key("ed25519")
    (tmp_path / "key.pem").write_bytes(key_pem(key))
    (tmp_path / "chain.pem").write_bytes(Issuer().leaf("Studio", key.public_key()))
    ran = cameo("keys", "install", tmp_path / "chain.pem", "--key", tmp_path / "key.pem", "--json")
    assert ran.json["signer"]["algorithm"] == "ed25519"
    assert stat.S_IMODE((Path(Studio().home) / "signer.sealed").stat().st_mode) == 0o600
