"""``cameo suspend``, ``resume``, ``status publish`` and ``status check``, as a person and a program see them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from cameo.studio import Studio


def test_suspended_and_back(cameo, enrolled, tiny_model: Path, tmp_path: Path) -> None:
    enrolled("ada")
    index = cameo("show", "ada", "--json").json["status_index"]
    words = ("generate", "@ada", "-o", tmp_path / "scene.mp4", "--model", tiny_model, "--json")
    assert cameo(*words).status == 0

    ran = cameo("suspend", "@Ada", "--reason", "on leave", "--json")
    assert (ran.status, ran.json) == (0, {"handle": "ada", "status": "suspended", "status_index": index})
    assert cameo("show", "ada").out.startswith("@ada: suspended 2")
    assert "suspended" in cameo("cast").out
    assert cameo("check", tmp_path / "scene.mp4", "--json").json["cast"][0]["status"] == "suspended"
    ran = cameo(*words)
    assert (ran.status, ran.error["code"]) == (4, "cameo_suspended")
    assert ran.error["hint"] == "when they agree to go on: cameo resume ada"

    assert cameo("resume", "ada").out == "@ada is active.\n"
    assert cameo(*words).status == 0
    assert cameo("log", "verify").status == 0


def test_a_list_is_published_and_checked(cameo, enrolled, studio: Studio, tmp_path: Path) -> None:
    index = {}
    for handle in ("ada", "bob", "eve"):
        enrolled(handle)
        index[handle] = studio.show(handle).status_index
    studio.revoke("bob")
    studio.suspend("eve")
    path = tmp_path / "status.json"
    ran = cameo("status", "publish", "-o", path, "--max-age-hours", "2", "--json")
    assert ran.status == 0 and ran.err == ""
    assert ran.json["bytes"] == path.stat().st_size and stat.S_IMODE(path.stat().st_mode) == 0o600
    said = {name: ran.json[name] for name in ("epoch", "entries", "revoked", "suspended")}
    assert said == {"epoch": 2, "entries": 131_072, "revoked": 1, "suspended": 1}
    assert ran.json["issuer"] in studio.vault.trusted

    for handle, standing in [("ada", "valid"), ("bob", "revoked"), ("eve", "suspended")]:
        ran = cameo("status", "check", path, "--index", str(index[handle]), "--json")
        assert (ran.status, ran.json["status"], ran.json["index"]) == (0, standing, index[handle])
    shown = cameo("status", "check", path, "--index", str(index["bob"])).out.splitlines()
    assert [line.split()[0] for line in shown] == ["signature", "epoch", "age", "index"]
    assert shown[-1].endswith("is revoked")
    assert "status" not in cameo("status", "check", path, "--json").json


def test_another_home_relies_on_it(cameo, enrolled, studio: Studio, tmp_path: Path, monkeypatch) -> None:
    enrolled("ada")
    index = str(studio.show("ada").status_index)
    issuer = cameo("status", "publish", "-o", tmp_path / "old.json", "--json").json["issuer"]
    studio.revoke("ada")
    cameo("status", "publish", "-o", tmp_path / "new.json")

    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "elsewhere"))
    assert cameo("status", "check", tmp_path / "old.json", "--json").error["code"] == "status_list_invalid"
    trusting = ("--trust", issuer, "--index", index, "--json")
    assert cameo("status", "check", tmp_path / "old.json", *trusting).json["status"] == "valid"
    assert cameo("status", "check", tmp_path / "new.json", *trusting).json["status"] == "revoked"
    assert cameo("status", "check", tmp_path / "old.json", *trusting).error["code"] == "status_list_rolled_back"


def test_a_scene_says_where_its_people_are_looked_up(
    cameo, enrolled, studio: Studio, tiny_model, tmp_path: Path
) -> None:
    from cameo.marks import read

    enrolled("ada")
    cameo("generate", "@ada", "-o", tmp_path / "scene.mp4", "--model", tiny_model)
    published = cameo("status", "publish", "-o", tmp_path / "list.json")
    assert published.status == 0
    entry = read(tmp_path / "scene.mp4").cast.people[0].status
    assert entry.list == json.loads((tmp_path / "list.json").read_text())["id"]
    assert entry.index == studio.show("ada").status_index
    studio.revoke("ada")
    cameo("status", "publish", "-o", tmp_path / "list.json")
    checked = cameo("status", "check", tmp_path / "list.json", "--index", str(entry.index), "--json")
    assert checked.json["status"] == "revoked"
    assert cameo("check", tmp_path / "scene.mp4", "--json").json["cast"][0]["status"] == "revoked"
