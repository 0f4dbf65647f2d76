"""A grant from one home to another, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

from cameo.studio import Studio
from enroll.signature import thumbprint


def test_a_user_of_another_home(cameo, enrolled, tmp_path: Path, monkeypatch) -> None:
    enrolled("ada")
    monkeypatch.setenv("CAMEO_PASSPHRASE", "correct horse battery staple")
    issuer = cameo("export", "ada", "-o", tmp_path / "ada.cameo", "--json").json["issuer"]
    cameo("status", "publish", "-o", tmp_path / "list.json")
    here = Path(Studio().home)

    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "there"))
    took = cameo("import", tmp_path / "ada.cameo", "--trust", issuer, "--status", tmp_path / "list.json", "--json")
    assert took.status == 0
    assert cameo("allow", "ada", "--user", "carol", "--json").error["code"] == "cameo_permission_denied"
    audience = thumbprint(Studio().vault.operator)

    monkeypatch.setenv("CAMEO_HOME", str(here))
    grant = tmp_path / "grant.json"
    ask = ("grant", "issue", "@ada", "--user", "carol", "--for", audience, "-o", grant, "--scenes", "2")
    refused = cameo(*ask, "--json")
    assert (refused.status, refused.error["code"]) == (4, "cameo_permission_denied") and not grant.exists()
    cameo("allow", "ada", "--user", "carol")
    assert "cameo grant accept grant.json" in cameo(*ask).out
    assert cameo("grant", "issue", "ada", "--user", "carol", "--for", "nowhere", "--json").error["code"] == "usage"

    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "there"))
    shown = cameo("grant", "show", grant)
    assert "user:carol may do all they consented to with @ada until" in shown.out and "2 scenes" in shown.out
    assert issuer in shown.out
    assert cameo("grant", "accept", grant, "--json").json["grants"] == ["owner", "user:carol"]
    assert cameo("may", "ada", "--user", "carol", "--json").json["scenes_left"] == 2

    more = json.loads(grant.read_text()) | {"scenes": 200}
    (tmp_path / "more.json").write_text(json.dumps(more))
    for command in ("show", "accept"):
        refused = cameo("grant", command, tmp_path / "more.json", "--json")
        assert (refused.status, refused.error["code"]) == (3, "grant_invalid")
    assert cameo("grant", "accept", tmp_path / "nothing.json", "--json").error["code"] == "grant_invalid"
