"""What the commands answer when all is well, as JSON and to a person; and that the quick ones are quick."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cameo.cli.main import app
from cameo.studio import Studio
from cameo.vault.certificate import Certificate
from enroll.consent import ConsentRecord

ROOT = Path(__file__).resolve().parents[3]


def test_a_consent_is_asked_for_and_vouched_for(cameo, tmp_path: Path) -> None:
    path = tmp_path / "consent.json"
    ran = cameo(
        *("consent", "new", "--name", "Ada", "--handle", "@Ada", "--scope", "face,voice", "--use", "generate,evaluate"),
        *("--grant", "everyone,user:bob", "--valid-days", "10", "--retention-days", "3", "-o", path, "--json"),
    )
    assert ran.status == 0 and ran.err == ""
    assert ran.json["handle"] == "ada" and ran.json["consent"]["assurance"] == "requested"
    assert ran.json["challenge"]["digits"] in ran.json["statement"].replace(" ", "")
    record = ConsentRecord.load(path)
    assert (record.scope, record.uses) == (("face", "voice"), ("generate", "evaluate"))
    assert record.grants == ("everyone", "user:bob")
    assert (record.valid_until - record.created).days == 10
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    ran = cameo("consent", "attest", path, "--by", "Op", "--json")
    assert ran.json["consent"] == {
        "id": record.consent_id,
        "assurance": "attested",
        "expires": json.loads(path.read_text())["valid_until"],
    }
    ConsentRecord.load(path).verify(trusted=Studio().vault.trusted, handle="ada")


def test_the_life_of_a_person(cameo, enrolled, tiny_model: Path, tmp_path: Path) -> None:
    record = enrolled("ada")
    assert [entry["handle"] for entry in cameo("cast", "--json").json["cast"]] == ["ada"]
    assert "@ada" in cameo("cast").out
    allowed = cameo("allow", "ada", "--user", "bob", "--scenes", "1", "--until", "30d", "--json").json
    assert allowed["grants"] == ["owner", "user:bob"]
    assert (allowed["terms"][0]["scenes"], allowed["terms"][0]["made"]) == (1, 0)
    assert cameo("may", "ada", "--user", "bob", "--json").json["scenes_left"] == 1

    scene = tmp_path / "scene.mp4"
    words = ("generate", '@ada says "hello" by the sea', "-o", scene, "--user", "bob", "--seed", "3")
    made = cameo(*words, "--model", tiny_model, "--json")
    assert made.status == 0 and made.err == ""
    assert " ".join(made.json) == "path sha256 seconds width height fps sample_rate cast seed model timings"
    assert (made.json["path"], made.json["cast"], made.json["seed"]) == (str(scene), ["ada"], 3)

    found = cameo("check", scene, "--json").json
    in_force = {"handle": "ada", "consent_id": record.consent_id, "status": "in_force"}
    assert found["cast"] == [in_force]
    assert found["c2pa"]["state"] == "Trusted" and found["mark"] is None
    assert cameo("show", "ada", "--json").json["uses"] == 1
    assert cameo("deny", "ada", "--user", "bob", "--json").json["grants"] == ["owner"]
    assert cameo(*words, "--model", tiny_model, "--json").error["code"] == "cameo_permission_denied"

    ran = cameo("revoke", "@ada", "--reason", "enough", "-o", tmp_path / "certificate.json", "--json")
    assert ran.json["reason"] == "enough" and ran.json["destroyed"]["keys"] == 1
    certificate = Certificate.load(tmp_path / "certificate.json")
    certificate.verify(Studio().vault.trusted)
    assert certificate.certificate_id == ran.json["certificate_id"]

    assert cameo(*words, "--model", tiny_model, "--json").error["code"] == "cameo_revoked"
    assert cameo("check", scene, "--json").json["cast"] == [in_force | {"handle": None, "status": "revoked"}]
    assert cameo("cast", "--json").json == {"cast": []}
    assert cameo("show", "ada", "--json").json["status"] == "revoked"
    assert cameo("log", "verify", "--json").json["ok"] is True


def test_what_a_person_sees_has_no_escape_sequences_from_others(cameo, enrolled) -> None:
    enrolled("ada")
    ran = cameo("show", "\x1b[31mada")
    assert ran.status == 4 and "\x1b" not in ran.err


def test_a_made_up_clip(cameo, tmp_path: Path) -> None:
    words = ("synth", "--seed", "3", "--seconds", "0.5", "--size", "64", "--truth", tmp_path / "truth.json")
    ran = cameo(*words, "-o", tmp_path / "a.mp4", "--json")
    assert ran.status == 0, ran.out
    assert (ran.json["width"], ran.json["height"]) == (64, 64)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert [person["person"] for person in truth["cast"]] == [3]
    cameo(*words, "-o", tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_doctor_tells_what_is_here(cameo, home: Path) -> None:
    ran = cameo("doctor", "--json")
    assert ran.status == 0 and ran.err == ""
    assert ran.json["codecs"] == {"h264": True, "aac": True}
    encoders = {row["space"]: row for row in ran.json["encoders"]}
    assert encoders["dlib-resnet-128"]["present"] and encoders["ge2e-256"]["present"]
    assert all(row["licence"] and row["source"] and isinstance(row["commercial"], bool) for row in encoders.values())
    assert {row["name"] for row in ran.json["models"]} >= {"nano"}
    # It looks and does not touch: a home that was not there is not made.
    assert not home.exists()
    shown = cameo("doctor").out
    assert all(space in shown for space in encoders)


def _commands() -> set[str]:
    root = typer.main.get_command(app)
    names = set()
    for name, command in root.commands.items():
        inner = getattr(command, "commands", {})
        names |= {f"{name} {sub}" for sub in inner} if inner else {name}
    return names


def test_every_command_has_help_that_says_what_it_does(cameo) -> None:
    for command in sorted(_commands()):
        ran = cameo(*command.split(), "--help")
        assert ran.status == 0 and ran.err == ""
        assert "Usage: cameo " + command in ran.out
        assert len(ran.out.splitlines()) > 5
    assert cameo("--help").out == cameo().out


def test_the_readme_lists_the_commands_there_are() -> None:
    """Its table: ``| `cameo enroll …` · `cameo show …` | … |``, and `` `cameo consent new` · `attest` `` for short."""
    listed = set()
    for cell in re.findall(r"^\| (`cameo [^|]*)\|", (ROOT / "README.md").read_text(), re.MULTILINE):
        group = ""
        for words in (code.split() for code in re.findall(r"`([^`]+)`", cell)):
            if words[0] == "cameo":
                listed.add(" ".join(words[1:3]) if " ".join(words[1:3]) in _commands() else words[1])
                group = words[1]
            else:
                listed.add(f"{group} {words[0]}")
    assert listed == _commands()


@pytest.mark.parametrize("words", [["--help"], ["cast"], ["generate", "--help"]])
def test_quick_commands_open_no_model_library(words: list[str], home: Path) -> None:
    """What makes them slow is what they import, and that can be counted on any machine."""
    code = (
        "import sys; from cameo.cli.main import run; run(sys.argv[1:]); "
        "print(sorted({'torch', 'diffusers', 'transformers', 'dlib', 'cv2', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, env=os.environ
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_as_a_process_of_its_own(home: Path) -> None:
    """Exit statuses and streams as a shell sees them."""

    def shell(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "cameo", *words], capture_output=True, text=True, cwd=ROOT)

    done = shell("cast", "--json")
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"cast": []}, "")
    done = shell("show", "ada")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == "error: nobody is enrolled as @ada. cameo cast shows who is\n"
    assert shell("bogus").returncode == 2
