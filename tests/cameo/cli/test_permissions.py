"""What a person lets others do with them, by the command line; and what they see of it."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_may_answers_and_makes_nothing(cameo, enrolled, vault_bytes) -> None:
    enrolled("ada")
    before = vault_bytes()
    yes, no = cameo("may", "@Ada"), cameo("may", "ada", "--user", "bob")
    assert (yes.status, no.status) == (0, 4)
    assert yes.out.startswith("yes: owner may generate with @ada until 20")
    assert no.out == "no: @ada has not allowed bob (their owner can: cameo allow ada --user bob)\n" and no.err == ""
    told = cameo("may", "ada", "--user", "bob", "--json")
    assert (told.status, told.json["allowed"], told.json["code"]) == (4, False, "cameo_permission_denied")
    assert cameo("may", "nobody", "--user", "bob", "--json").json["code"] == "unknown_handle"
    assert vault_bytes() == before


def test_a_grant_with_limits_is_shown_with_them(cameo, enrolled) -> None:
    enrolled("ada")
    ran = cameo("allow", "ada", "--user", "bob", "--use", "generate", "--scenes", "3", "--until", "30d")
    assert "user:bob: generate, 0 of 3 scenes made, until 20" in ran.out
    assert "user:bob: generate, 0 of 3 scenes made" in cameo("show", "ada").out
    assert "user:carol: no" in cameo("deny", "ada", "--user", "carol").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--until", "tomorrow"), "no day"),
        (("--until", "2020-01-01"), "does not lie within the consent"),
        (("--until", "9999d"), "does not lie within the consent"),
        (("--use", "personalize"), "not to personalize"),
        (("--use", "sell"), "no use"),
        (("--scenes", "0"), "--scenes"),
    ],
)
def test_limits_that_are_none(cameo, enrolled, vault_bytes, words: tuple[str, ...], says: str) -> None:
    enrolled("ada")
    before = vault_bytes()
    ran = cameo("allow", "ada", "--user", "bob", *words, "--json")
    assert (ran.status, ran.error["code"]) == (2, "usage") and says in ran.error["message"]
    assert vault_bytes() == before


def test_a_rule_stops_a_scene(cameo, enrolled, tmp_path: Path) -> None:
    enrolled("ada")
    assert cameo("forbid", "ada", "No Alcohol").out == "@ada, never: alcohol\n"
    assert "never  alcohol" in cameo("show", "ada").out
    words = ("generate", "@ada with a glass of wine", "-o", tmp_path / "a.mp4", "--model", "no model")
    ran = cameo(*words, "--json")
    assert (ran.status, ran.error["code"]) == (4, "rule_broken") and "wine" not in ran.out
    assert cameo("may", "ada", "--user", "owner", "--prompt", "@ada drinks gin", "--json").json["code"] == "rule_broken"
    assert cameo("forbid", "ada", "alcohol", "--lift").out == "@ada, never: nothing is forbidden\n"
    assert cameo(*words, "--json").error["code"] == "weights_missing"
    assert cameo("forbid", "ada", "alcohol", "--lift", "--json").error["code"] == "usage"


def test_a_person_sees_what_was_made_and_deletes_it(cameo, enrolled, tiny_model: Path, tmp_path: Path) -> None:
    enrolled("ada")
    assert cameo("uses", "ada").out == "@ada was never opened.\n"
    prompts = {name: f'@ada says "hello" {name}' for name in ("first", "second")}
    made = {
        name: cameo("generate", prompt, "-o", tmp_path / f"{name}.mp4", "--model", tiny_model, "--json").json["sha256"]
        for name, prompt in prompts.items()
    }
    shown = cameo("uses", "ada").out
    assert "first.mp4" in shown and prompts["second"] in shown and "2 scenes; opened 2 times" in shown
    listed = cameo("uses", "ada", "--json").json
    assert [scene["detail"]["prompt"] for scene in listed["scenes"]] == list(prompts.values())
    assert [lease["user"] for lease in listed["leases"]] == ["owner", "owner"]

    gone = cameo("uses", "ada", "--delete", made["first"][:12])
    assert gone.status == 0 and "first.mp4 is deleted" in gone.out
    assert not (tmp_path / "first.mp4").exists()
    assert prompts["first"] not in cameo("uses", "ada").out

    # What lies there now is somebody else's file: it stays.
    (tmp_path / "second.mp4").write_bytes(b"another film")
    kept = cameo("uses", "ada", "--delete", made["second"], "--json").json
    assert kept == {"sha256": made["second"], "path": str(tmp_path / "second.mp4"), "deleted": False}
    assert (tmp_path / "second.mp4").read_bytes() == b"another film"
    for words in ("f" * 64, "zz"):
        assert cameo("uses", "ada", "--delete", words, "--json").error["code"] == "usage"
