"""The contract of failure: exit status, JSON code, one clear line, and a vault that is as it was."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import cameo.studio
from cameo.demo import CLIP
from cameo.scene import write_scene
from cameo.studio import Studio
from cameo.vault import Vault
from enroll.consent import ConsentRecord

_CLOCK = re.compile(r"it is [-0-9T:]+Z")
NO_MODEL = ("--model", "a model that is not there")


@pytest.fixture
def people(studio: Studio, enrolled) -> None:
    """Ada is here, bob left."""
    enrolled("ada")
    enrolled("bob", 1)
    studio.revoke("bob")


@pytest.fixture
def refuses(cameo, vault_bytes):
    """Run it for a person and for a program; both must be refused alike and leave the vault as it was."""

    def refuses(status: int, code: str, *words: str | Path) -> dict[str, str]:
        before = vault_bytes()
        plain, machine = cameo(*words), cameo(*words, "--json")
        assert (plain.status, machine.status, machine.error["code"]) == (status, status, code), machine.out
        assert plain.out == "" and machine.err == ""
        assert plain.err.startswith("error: ") and plain.err.count("\n") == 1 and "Traceback" not in plain.err
        # A message may say what time it is, and between the two runs a second may begin.
        assert _CLOCK.sub("", machine.error["message"]) in _CLOCK.sub("", plain.err)
        assert vault_bytes() == before
        return machine.error

    return refuses


@pytest.mark.parametrize(
    "words",
    [
        ("bogus",),
        ("enroll",),
        ("enroll", "clip.mp4"),
        ("generate", "@ada"),
        ("generate", "@ada", "-o", "x.mp4", "--seed", "one"),
        ("generate", "@ada", "-o", "x.mp4", "--seed", "-1"),
        ("generate", "@ada", "-o", "x.mp4", "--seconds", "1000"),
        ("cast", "--no-such-option"),
        ("show",),
        ("consent",),
        ("consent", "new"),
        ("log", "bogus"),
        ("synth", "--seed", "1", "-o", "x.mp4", "--people", "3"),
        ("synth", "--seed", "1", "-o", "x.mp4", "--size", "65"),
        ("train", "no_such_stage"),
        ("evaluate", "../escape"),
        ("allow", "ada"),
        ("allow", "ada", "--user", "no name"),
        ("deny", "ada", "--user", "owner"),
        ("revoke", "ada", "--reason", "x" * 201),
        ("suspend",),
        ("suspend", "ada", "--reason", "x" * 201),
        ("status",),
        ("status", "publish"),
        ("status", "publish", "-o", "x.json", "--max-age-hours", "0"),
        ("status", "publish", "-o", "x.json", "--max-age-hours", "745"),
        ("status", "check"),
        ("status", "check", "x.json", "--index", "-1"),
    ],
)
def test_usage_is_2(refuses, people, words: tuple[str, ...]) -> None:
    refuses(2, "usage", *words)


@pytest.mark.parametrize(
    "prompt", ["a walk by the sea", "", "me@ada.com", '@ada says "hello', "@ada \x00", "@" + "x" * 40]
)
def test_a_prompt_that_cannot_be_read_is_3(refuses, people, tmp_path: Path, prompt: str) -> None:
    refuses(3, "bad_input", "generate", prompt, "-o", tmp_path / "scene.mp4", *NO_MODEL)


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("@zoe waves", "unknown_handle"), ("@bob waves", "cameo_revoked"), ("@BOB waves", "cameo_revoked")],
)
def test_nobody_and_nobody_any_more_is_4(refuses, people, tmp_path: Path, prompt: str, code: str) -> None:
    refuses(4, code, "generate", prompt, "-o", tmp_path / "scene.mp4", *NO_MODEL)
    assert not (tmp_path / "scene.mp4").exists()


def test_one_unknown_among_the_known_is_4(cameo, people, tmp_path: Path) -> None:
    """The lease on ada is in the ledger, as it should be; nothing else happened."""
    ran = cameo("generate", "@ada and @zoe", "-o", tmp_path / "scene.mp4", *NO_MODEL, "--json")
    assert (ran.status, ran.error["code"]) == (4, "unknown_handle")
    assert not (tmp_path / "scene.mp4").exists()


def test_a_user_without_a_grant_is_4(refuses, people, tmp_path: Path) -> None:
    error = refuses(
        4, "cameo_permission_denied", "generate", "@ada", "-o", tmp_path / "x.mp4", "--user", "eve", *NO_MODEL
    )
    assert "cameo allow ada --user eve" in error["hint"]


def test_a_consent_that_ended_after_enrollment_is_4(
    refuses, people, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_year = datetime.now(UTC) + timedelta(days=366)
    monkeypatch.setattr(cameo.studio, "Vault", lambda home, **where: Vault(home, clock=lambda: in_a_year, **where))
    refuses(4, "consent_expired", "generate", "@ada", "-o", tmp_path / "scene.mp4", *NO_MODEL)


def test_a_suspended_person_is_4(refuses, people, studio: Studio, tmp_path: Path) -> None:
    studio.suspend("ada")
    error = refuses(4, "cameo_suspended", "generate", "@ada", "-o", tmp_path / "scene.mp4", *NO_MODEL)
    assert "cameo resume ada" in error["hint"]


@pytest.mark.parametrize(
    "command",
    [("show",), ("revoke",), ("suspend",), ("resume",), ("allow", "--user", "eve"), ("deny", "--user", "eve")],
)
def test_commands_about_nobody_are_4(refuses, people, command: tuple[str, ...]) -> None:
    refuses(4, "unknown_handle", command[0], "zoe", *command[1:])


@pytest.mark.parametrize("command", ["allow", "deny"])
def test_granting_what_was_revoked_is_4(refuses, people, command: str) -> None:
    refuses(4, "cameo_revoked", command, "bob", "--user", "eve")


@pytest.mark.parametrize("command", ["suspend", "resume"])
def test_suspending_what_was_revoked_is_4(refuses, people, command: str) -> None:
    refuses(4, "cameo_revoked", command, "bob")


def test_a_status_list_that_does_not_hold(refuses, people, studio: Studio, tmp_path: Path) -> None:
    def published(name: str, owner: Studio = studio, **age: float) -> Path:
        owner.publish_status(tmp_path / name, age=timedelta(**age or {"hours": 1}))
        return tmp_path / name

    def check(status: int, code: str, path: Path, *words: str) -> None:
        refuses(status, code, "status", "check", path, *words)

    old = published("old.json")
    text = old.read_text()
    for name, content in [
        ("empty", ""),
        ("cut short", text[:-200]),
        ("changed", text.replace('"epoch":1', '"epoch":2')),
        ("unsigned", json.dumps(json.loads(text) | {"signature": None})),
    ]:
        (tmp_path / name).write_text(content)
        check(3, "status_list_invalid", tmp_path / name)
    check(3, "status_list_invalid", tmp_path / "missing.json")
    check(3, "status_list_invalid", published("strange.json", Studio(tmp_path / "other house")))
    check(3, "status_list_invalid", old, "--trust", "A" * 43)

    # Times are whole seconds: one of a single second may be over before it is written.
    brief = published("brief.json", seconds=3)
    time.sleep(3.1)
    check(4, "status_list_not_in_force", brief)

    studio.suspend("ada")
    studio.accept_status(published("new.json"))
    check(4, "status_list_rolled_back", old)
    check(3, "status_list_invalid", tmp_path / "new.json", "--index", "131072")


def test_a_place_that_cannot_be_written_is_3(refuses, people, tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "no" / "file"):
        refuses(3, "bad_input", "generate", "@ada", "-o", out, *NO_MODEL)
        refuses(3, "bad_input", "revoke", "ada", "-o", out)
        refuses(3, "bad_input", "status", "publish", "-o", out)
        refuses(3, "bad_input", "synth", "--seed", "1", "-o", out)
    refuses(3, "consent_invalid", "consent", "new", "--name", "A", "--handle", "a", "-o", tmp_path / "no" / "file")


@pytest.mark.parametrize("name", ["missing.mp4", "note.mp4", "empty.mp4", ".", "new\nline.mp4"])
def test_checking_what_is_no_video_is_3(refuses, people, tmp_path: Path, name: str) -> None:
    (tmp_path / "note.mp4").write_text("not a film")
    (tmp_path / "empty.mp4").touch()
    refuses(3, "bad_input", "check", tmp_path / name)


@pytest.mark.parametrize(
    "words",
    [
        ("--name", "A\nB", "--handle", "ada"),
        ("--name", "", "--handle", "ada"),
        ("--name", "A", "--handle", "1ada"),
        ("--name", "A", "--handle", "a" * 33),
        ("--name", "A", "--handle", "ada", "--scope", "soul"),
        ("--name", "A", "--handle", "ada", "--use", "mischief"),
        ("--name", "A", "--handle", "ada", "--grant", "everybody"),
        ("--name", "A", "--handle", "ada", "--valid-days", "0"),
        ("--name", "A", "--handle", "ada", "--retention-days", "-1"),
    ],
)
def test_a_consent_that_makes_no_sense_is_3(refuses, people, tmp_path: Path, words: tuple[str, ...]) -> None:
    refuses(3, "consent_invalid", "consent", "new", *words, "-o", tmp_path / "consent.json")
    assert not (tmp_path / "consent.json").exists()


def _consent(studio: Studio, path: Path, handle: str = "eve", **terms: object) -> Path:
    studio.attest(studio.new_consent(name="Eve", handle=handle, **terms), by="the tests").save(path)
    return path


def _changed_by_one_character(text: str) -> str:
    """One more digit of a year: a consent of a thousand years, say."""
    at = text.index('"valid_until": "20') + len('"valid_until": "2')
    return text[:at] + "9" + text[at + 1 :]


BAD_CONSENTS = {
    "not there": (lambda studio, path: None, "consent_invalid", 3),
    "a folder": (lambda studio, path: path.mkdir(), "consent_invalid", 3),
    "empty": (lambda studio, path: path.touch(), "consent_invalid", 3),
    "not JSON": (lambda studio, path: path.write_text("I agree"), "consent_invalid", 3),
    "a list": (lambda studio, path: path.write_text("[]"), "consent_invalid", 3),
    "another field": (
        lambda studio, path: path.write_text(json.dumps(json.loads(_consent(studio, path).read_text()) | {"x": 1})),
        "consent_invalid",
        3,
    ),
    "unsigned": (
        lambda studio, path: path.write_text(
            json.dumps(json.loads(_consent(studio, path).read_text()) | {"signature": None})
        ),
        "consent_invalid",
        3,
    ),
    "a request whose half hour is over": (
        lambda studio, path: (
            ConsentRecord.new(name="Eve", handle="eve", now=datetime.now(UTC) - timedelta(minutes=31))
            .sign(studio.vault.operator)
            .save(path)
        ),
        "challenge_failed",
        3,
    ),
    "changed by one character": (
        lambda studio, path: path.write_text(_changed_by_one_character(_consent(studio, path).read_text())),
        "consent_invalid",
        3,
    ),
    "of another house": (
        lambda studio, path: _consent(Studio(path.parent / "other house"), path),
        "consent_invalid",
        3,
    ),
}


@pytest.mark.parametrize("case", BAD_CONSENTS)
def test_a_consent_that_does_not_hold_is_refused_before_the_clip_is_opened(
    refuses, people, studio: Studio, tmp_path: Path, case: str
) -> None:
    make, code, status = BAD_CONSENTS[case]
    make(studio, tmp_path / "consent.json")
    refuses(status, code, "enroll", tmp_path / "no clip.mp4", "--consent", tmp_path / "consent.json")


def test_an_expired_consent_is_4(refuses, people, studio: Studio, tmp_path: Path) -> None:
    from enroll.consent import ConsentRecord

    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    record = ConsentRecord.new(name="Eve", handle="eve", valid_days=1, now=two_days_ago)
    record.attest(by="the tests", key=studio.vault.operator, now=two_days_ago).save(tmp_path / "consent.json")
    refuses(4, "consent_expired", "enroll", tmp_path / "no clip.mp4", "--consent", tmp_path / "consent.json")
    refuses(4, "consent_expired", "consent", "attest", tmp_path / "consent.json", "--by", "the tests")


def test_a_consent_for_another_handle_is_3(refuses, people, studio: Studio, tmp_path: Path) -> None:
    path = _consent(studio, tmp_path / "consent.json")
    refuses(3, "consent_invalid", "enroll", tmp_path / "no clip.mp4", "--consent", path, "--as", "mallory")


def test_a_taken_handle_is_3_and_a_revoked_consent_4(refuses, people, studio: Studio, enrolled, tmp_path: Path) -> None:
    path = _consent(studio, tmp_path / "consent.json", "ada")
    refuses(3, "handle_taken", "enroll", tmp_path / "no clip.mp4", "--consent", path)
    enrolled("carl", 2).save(tmp_path / "carl.json")
    studio.revoke("carl")
    refuses(4, "cameo_revoked", "enroll", tmp_path / "no clip.mp4", "--consent", tmp_path / "carl.json")


def _film(path: Path, frames: np.ndarray, sound: np.ndarray | None = None) -> None:
    tone = 0.1 * np.sin(np.arange(len(frames) * 16_000 // 10) / 8).astype(np.float32)
    write_scene(path, frames, tone if sound is None else sound, 10, 16_000)


BLACK = np.zeros((40, 128, 128, 3), np.uint8)

BAD_CLIPS = {
    "not there": (lambda path: None, "clip_unreadable"),
    "a folder": (lambda path: path.mkdir(), "clip_unreadable"),
    "0 bytes": (lambda path: path.touch(), "clip_unreadable"),
    "text": (lambda path: path.write_text("not a film " * 100), "clip_unreadable"),
    "truncated": (
        lambda path: (_film(path, BLACK), path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])),
        "clip_unreadable",
    ),
    "black": (lambda path: _film(path, BLACK), "no_face"),
}


def _shown(path: Path, arrange: Callable[[np.ndarray], np.ndarray]) -> None:
    """Four seconds of the shipped clip, rearranged picture by picture, with its sound left out."""
    with av.open(str(CLIP)) as source:
        fps = float(source.streams.video[0].average_rate)
        frames = [f.to_ndarray(format="rgb24") for f in islice(source.decode(video=0), round(4 * fps))]
    with av.open(str(path), "w", format="mp4") as target:
        pictures = [arrange(frame) for frame in frames]
        stream = target.add_stream("libx264", rate=round(fps))
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        for picture in pictures:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        target.mux(stream.encode(None))


def _far_away(frame: np.ndarray) -> np.ndarray:
    canvas = np.full((480, 640, 3), 128, np.uint8)
    canvas[220:284, 300:364] = cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA)
    return canvas


BAD_COMPANY = {
    "without sound": (lambda frame: frame, "no_speech", ("face", "voice")),
    "two people": (lambda frame: np.hstack([frame, frame[:, ::-1]]), "several_people", ("face",)),
    "a face too small": (_far_away, "face_too_small", ("face",)),
}


@pytest.mark.parametrize("case", BAD_COMPANY)
def test_a_clip_of_the_wrong_kind_is_3(cameo, vault_bytes, people, studio: Studio, tmp_path: Path, case: str) -> None:
    arrange, code, scope = BAD_COMPANY[case]
    _shown(tmp_path / "clip.mp4", arrange)
    consent = _consent(studio, tmp_path / "consent.json", scope=scope)
    before = vault_bytes()
    ran = cameo("enroll", tmp_path / "clip.mp4", "--consent", consent, "--json")
    assert (ran.status, ran.error["code"], ran.err) == (3, code, ""), ran.out
    assert vault_bytes() == before


def test_a_clip_whose_name_breaks_the_line_is_3(refuses, people, studio: Studio, tmp_path: Path) -> None:
    consent = _consent(studio, tmp_path / "consent.json")
    error = refuses(3, "bad_input", "enroll", tmp_path / "a\nclip.mp4", "--consent", consent)
    assert "\n" not in error["message"]


@pytest.mark.parametrize("case", BAD_CLIPS)
def test_a_clip_that_cannot_serve_is_3(refuses, people, studio: Studio, tmp_path: Path, case: str) -> None:
    make, code = BAD_CLIPS[case]
    clip = tmp_path / "clip.mp4"
    make(clip)
    consent = _consent(studio, tmp_path / "consent.json", scope=("face", "body"))
    report = tmp_path / "report.html"
    error = refuses(3, code, "enroll", clip, "--consent", consent, "--report", report)
    assert "\n" not in error["message"]
    # What could be looked at has a page that says why it was refused; what could not has none.
    assert not report.exists() or report.stat().st_mode & 0o777 == 0o600


def test_a_model_that_is_not_here_is_5(refuses, people, cameo, tmp_path: Path) -> None:
    ran = cameo("generate", "@ada", "-o", tmp_path / "scene.mp4", *NO_MODEL, "--json")
    assert (ran.status, ran.error["code"]) == (5, "weights_missing")
    assert ran.error["hint"]


def test_a_damaged_vault_is_6(cameo, people, home: Path) -> None:
    blob = bytearray((home / "vault.sqlite3").read_bytes())
    blob[:16] = b"SQLite format 4\0"
    (home / "vault.sqlite3").write_bytes(blob)
    ran = cameo("cast", "--json")
    assert (ran.status, ran.error["code"]) == (6, "store_damaged")


def test_a_lost_master_key_is_6(cameo, people, home: Path) -> None:
    (home / "master.key").unlink()
    ran = cameo("log", "verify", "--json")
    assert (ran.status, ran.error["code"]) == (6, "store_damaged")


def test_a_fault_of_ours_is_1_and_says_nothing_it_should_not(cameo, people, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Studio) -> None:
        raise ZeroDivisionError("secret of ada")

    monkeypatch.setattr(Studio, "cast", broken)
    ran = cameo("cast", "--json")
    assert (ran.status, ran.error["code"]) == (1, "internal")
    assert "secret" not in ran.out + ran.err and "Traceback" not in ran.err
    monkeypatch.setenv("CAMEO_DEBUG", "1")
    assert "Traceback" in cameo("cast").err


def test_interrupted_is_130(cameo, people, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Studio) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Studio, "cast", interrupted)
    assert cameo("cast").status == 130
