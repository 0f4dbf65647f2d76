"""``cameo personalize``, ``doctor --model`` and who may be in one scene: what is refused, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from cameo import backbones


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "load", lambda *_, **__: pytest.fail("a model was loaded"))


def test_who_is_not_here_or_did_not_agree_is_not_personalized(cameo, enrolled, vault_bytes) -> None:
    enrolled("ada")
    assert cameo("personalize", "nobody", "--json").error["code"] == "unknown_handle"
    before = vault_bytes()
    ran = cameo("personalize", "@Ada", "--json")
    assert (ran.status, ran.error["code"]) == (4, "cameo_permission_denied")
    assert "not to personalize" in ran.error["message"]
    assert not [name for name in vault_bytes() if "lora" in name] and before.keys() == vault_bytes().keys()


@pytest.mark.parametrize(
    ("option", "value"), [("--minutes", "0"), ("--minutes", "500"), ("--rank", "0"), ("--seed", "-1")]
)
def test_numbers_that_cannot_be(cameo, enrolled, option: str, value: str) -> None:
    enrolled("ada", uses=("generate", "personalize"))
    assert cameo("personalize", "ada", option, value, "--json").error["code"] == "usage"


def test_an_adapter_without_a_clip_to_learn_from_and_a_clip_that_is_none(cameo, enrolled, tmp_path: Path) -> None:
    enrolled("ada", uses=("generate", "personalize"))
    assert cameo("personalize", "ada", "--adapter", "mine", "--json").error["code"] == "usage"
    assert cameo("personalize", "ada", "--trust-voice", "--json").error["code"] == "usage"
    ran = cameo("personalize", "ada", "--clip", tmp_path / "none.mp4", "--json")
    assert ran.status == 3 and "none.mp4" in ran.error["message"]


def test_too_many_people_or_two_in_one_place_are_refused(cameo, enrolled, tmp_path: Path) -> None:
    handles = ["ada", "bo", "cy", "di", "ed"]
    for handle in handles:
        enrolled(handle)
    everybody = " and ".join(f"@{handle}" for handle in handles)
    for words in (
        (f"{everybody} wave",),
        ("@ada and @bo wave", "--region", "ada=0,0,0.5,1", "--region", "bo=0,0,0.5,1"),
        ("@ada and @bo wave", "--region", "cy=0,0,0.5,1"),
        ("@ada waves", "--region", "ada=0,0,2,1"),
        ("@ada waves", "--speaks", "ada=0-1"),
    ):
        ran = cameo("generate", *words, "-o", tmp_path / "a.mp4", "--json")
        assert (ran.status, ran.error["code"]) == (3, "bad_input"), words
    ran = cameo("generate", "@ada waves", "--region", "ada", "-o", tmp_path / "a.mp4", "--json")
    assert (ran.status, ran.error["code"]) == (2, "usage")
    assert not (tmp_path / "a.mp4").exists()


def test_a_generator_is_looked_at_and_not_loaded(cameo) -> None:
    told = cameo("doctor", "--model", "nano", "--json")
    assert (told.status, told.json["offload"], told.json["download_bytes"]) == (0, "none", 0)
    assert told.json["licence"]["name"] == "Apache-2.0"
    shown = cameo("doctor", "--model", "nano").out
    assert "transformer" in shown and "free" in shown and "as it is" in shown


def test_a_generator_that_is_not_here(cameo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cameo.backbones.preflight.HfApi", lambda: type("Hub", (), {"model_info": _silent})())
    told = cameo("doctor", "--model", "Lightricks/LTX-2.5", "--json")
    assert (told.status, told.json["path"], told.json["download_bytes"]) == (5, None, None)
    assert "Attachment A" in told.json["licence"]["says"]


def _silent(*_: object, **__: object) -> None:
    raise OSError("no network")
