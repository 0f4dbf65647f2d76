"""``cameo weights`` and what ``cameo doctor`` says of encoders."""

from __future__ import annotations

from pathlib import Path

import pytest

from enroll.encoders import registry


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMEO_WEIGHTS", str(tmp_path / "weights"))
    for name in ("HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.delenv("CAMEO_LICENCE", raising=False)
    return tmp_path / "weights"


def test_the_list_names_every_space_with_licence_and_size(cameo) -> None:
    rows = {row["space"]: row for row in cameo("weights", "--json").json["weights"]}
    assert set(rows) == set(registry.spaces())
    assert rows["ecapa-192"]["commercial"] and rows["ecapa-192"]["bytes"] == 83_316_686
    assert all(len(row["sha256"]) == 64 for row in rows.values() if row["sha256"])
    assert {name for name, row in rows.items() if row["url"] and not row["sha256"]} == {
        *("facenet-casia-512", "reid-cheetah_l-256"),
    }
    shown = cameo("weights").out
    assert all(space in shown for space in registry.spaces()) and "289 MB" in shown


def test_licence_size_and_source_are_shown_and_nothing_is_fetched_unaccepted(cameo, weights: Path) -> None:
    ran = cameo("weights", "get", "arcface-buffalo_l-512", "--json")
    assert ran.status == 4 and ran.error["code"] == "licence_not_accepted"
    for part in ("289 MB", "buffalo_l.zip", "non-commercial research only"):
        assert part in ran.err
    assert "--accept-licence" in ran.error["hint"]
    assert not weights.exists()


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("weights", "get", "arcface"), 3, "bad_input"),
        (("weights", "get"), 2, "usage"),
        (("weights", "fetch", "arcface"), 2, "usage"),
        (("weights", "get", "ecapa-192", "--accept-licence", "--from", "http://127.0.0.1:1"), 5, "download_failed"),
        (("weights", "get", "facenet-casia-512", "--accept-licence", "--from", "http://x.org"), 3, "bad_input"),
    ],
)
def test_refusals(cameo, words: tuple[str, ...], status: int, code: str) -> None:
    ran = cameo(*words, "--json")
    assert (ran.status, ran.error["code"]) == (status, code)
    assert len(cameo(*words).err.strip().splitlines()) <= 3


def test_what_is_here_is_not_fetched_again(cameo) -> None:
    ran = cameo("weights", "get", "ge2e-256", "--json")
    assert ran.status == 0 and ran.json["new"] is False and ran.json["standing"] == "published"


def test_doctor_says_why_weights_that_are_here_are_not_used(
    cameo, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights / "arcface-buffalo_l-512" / "w600k_r50.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the published file")
    rows = {row["space"]: row for row in cameo("doctor", "--json").json["encoders"]}
    arcface = rows["arcface-buffalo_l-512"]
    assert (arcface["present"], arcface["used"], arcface["checksum"]) == (True, False, "changed")
    assert "CAMEO_LICENCE=any" in arcface["why_not"]
    assert rows["dlib-resnet-128"]["used"] and rows["dlib-resnet-128"]["checksum"] == "published"
    assert "arcface-buffalo_l-512 is here and not used" in cameo("doctor").out
    monkeypatch.setenv("CAMEO_LICENCE", "any")
    rows = {row["space"]: row for row in cameo("doctor", "--json").json["encoders"]}
    assert rows["arcface-buffalo_l-512"]["used"]
