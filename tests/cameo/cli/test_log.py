"""``cameo log``: a ledger shown to somebody who has neither the vault nor its key."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.cameo.log import judge


@pytest.fixture
def key(cameo, enrolled) -> str:
    enrolled("ada")
    enrolled("grace")
    cameo("allow", "ada", "--user", "carol")
    return cameo("log", "verify", "--json").json["key"]


@pytest.fixture
def elsewhere(monkeypatch, tmp_path, key):
    """From here on nothing of the vault is at hand."""

    def leave() -> None:
        monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "nowhere"))

    yield leave
    assert not (tmp_path / "nowhere").exists(), "a check makes no vault"


def test_verify_says_what_others_need(cameo, key) -> None:
    answer = cameo("log", "verify", "--json").json
    assert answer.keys() == {"ok", "size", "head", "origin", "key"}
    assert (answer["ok"], answer["size"], len(bytes.fromhex(answer["head"]))) == (True, 3, 32)
    assert answer["key"].startswith(answer["origin"] + "+")
    shown = cameo("log", "verify")
    assert shown.status == 0 and "the ledger is whole: 3 entries" in shown.out and key in shown.out


def test_a_line_is_proved_and_checked_elsewhere(cameo, key, elsewhere, tmp_path) -> None:
    proved = cameo("log", "prove", "@ada", "-o", tmp_path / "ada.tlog-proof", "--json").json
    assert proved == {"path": str(tmp_path / "ada.tlog-proof"), "kind": "line", "seq": 3}
    assert cameo("log", "prove", "--seq", "1", "-o", tmp_path / "first").out.endswith("line 1 is in the ledger\n")
    elsewhere()
    answer = cameo("log", "check", tmp_path / "ada.tlog-proof", "--key", key, "--json").json
    assert (answer["ok"], answer["kind"], answer["size"]) == (True, "line", 3)
    assert [(line["seq"], line["event"]) for line in answer["lines"]] == [(3, "allow")]
    shown = cameo("log", "check", tmp_path / "first", "--key", key)
    assert shown.status == 0 and "line 1, 20" in shown.out and ": put" in shown.out


def test_growth_from_a_checkpoint_that_was_handed_out(cameo, key, elsewhere, tmp_path) -> None:
    cameo("log", "export", "-o", tmp_path / "tiles")
    held = tmp_path / "held"
    held.write_bytes((tmp_path / "tiles" / "checkpoint").read_bytes())
    cameo("deny", "ada", "--user", "carol")
    for since in ("3", held):
        proved = cameo("log", "prove", "--since", since, "-o", tmp_path / "growth", "--json").json
        assert (proved["kind"], proved["since"]) == ("growth", 3)
    elsewhere()
    for words in ((), ("--since", held)):
        answer = cameo("log", "check", tmp_path / "growth", "--key", key, *words, "--json").json
        assert (answer["kind"], answer["since"], answer["size"], answer["lines"]) == ("growth", 3, 4, [])
    held.write_bytes(held.read_bytes().replace(b"\n3\n", b"\n2\n"))
    refused = cameo("log", "check", tmp_path / "growth", "--key", key, "--since", held, "--json")
    assert refused.status == 3 and "was changed" in refused.error["message"]


def test_a_certificate_is_checked_elsewhere(cameo, key, elsewhere, tmp_path) -> None:
    assert cameo("revoke", "ada", "-o", tmp_path / "certificate.json").status == 0
    elsewhere()
    answer = cameo("log", "check", tmp_path / "certificate.json", "--key", key, "--json").json
    assert answer["kind"] == "deletion"
    assert [line["event"] for line in answer["lines"]] == ["revoke", "purged"]
    certificate = json.loads((tmp_path / "certificate.json").read_text())
    assert certificate["format"] == "cameo-deletion/3" and certificate["ledger"]["size"] == answer["size"] == 5
    certificate["reason"] = "another"
    (tmp_path / "certificate.json").write_text(json.dumps(certificate))
    assert (
        "was changed" in cameo("log", "check", tmp_path / "certificate.json", "--key", key, "--json").error["message"]
    )


def test_an_export_is_read_by_another_and_checked_elsewhere(cameo, key, elsewhere, tmp_path) -> None:
    answer = cameo("log", "export", "-o", tmp_path / "tiles", "--json").json
    assert answer.keys() == {"path", "origin", "size", "root", "key"} and answer["key"] == key
    origin, size, _ = judge.read_note((tmp_path / "tiles" / "checkpoint").read_bytes(), key)
    entries = judge.read_entries(tmp_path / "tiles", int(size))
    assert judge.mth(entries).hex() == answer["root"] and origin == answer["origin"]
    assert [json.loads(entry)["event"] for entry in entries] == ["put", "put", "allow"]
    assert key in cameo("log", "export", "-o", tmp_path / "tiles").out
    elsewhere()
    answer = cameo("log", "check", tmp_path / "tiles", "--key", key, "--json").json
    assert (answer["kind"], answer["size"], answer["lines"]) == ("ledger", 3, [])


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("prove",), 2),
        (("prove", "-o", "{}/p"), 2),
        (("prove", "ada", "--seq", "1", "-o", "{}/p"), 2),
        (("prove", "--seq", "0", "-o", "{}/p"), 2),
        (("prove", "--seq", "99", "-o", "{}/p"), 2),
        (("prove", "--since", "99", "-o", "{}/p"), 2),
        (("prove", "--since", "9" * 5000, "-o", "{}/p"), 2),
        (("prove", "--since", "{}/none", "-o", "{}/p"), 3),
        (("prove", "nobody", "-o", "{}/p"), 4),
        (("prove", "ada", "-o", "{}/none/p"), 3),
        (("export",), 2),
        (("export", "-o", "/dev/null"), 3),
        (("check", "{}/none"), 2),
        (("check", "{}/none", "--key", "KEY"), 3),
        (("check", "{}", "--key", "KEY"), 3),
        (("check", "{}/none", "--key", "me+00+AAAA"), 3),
    ],
)
def test_refusals(cameo, key, tmp_path, words, status) -> None:
    (tmp_path / "empty").mkdir()
    filled = [key if word == "KEY" else word.format(tmp_path / "empty") for word in words]
    ran = cameo("log", *filled, "--json")
    assert (ran.status, ran.err) == (status, "") and ran.error["message"] and "\n" not in ran.error["message"]
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_damaged_ledger_is_told(cameo, key, home, tmp_path) -> None:
    with sqlite3.connect(home / "vault.sqlite3") as raw:
        raw.execute("UPDATE ledger SET at = at + 1 WHERE seq = 2")
    for words in (("verify",), ("prove", "--seq", "2", "-o", tmp_path / "p"), ("export", "-o", tmp_path / "tiles")):
        ran = cameo("log", *words, "--json")
        assert (ran.status, ran.error["code"]) == (6, "store_damaged"), words
    assert not (tmp_path / "p").exists() and not (tmp_path / "tiles").exists()
