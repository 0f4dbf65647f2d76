"""enroll(): the consent comes first, its scope decides, and bad clips are refused for the right reason."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from joserfc.jwk import OKPKey

from enroll import ConsentRecord, enroll
from enroll.clip import Clip
from enroll.errors import BadInput, ConsentExpired, ConsentInvalid, FaceTooSmall, NoFace, NoSpeech, WeightsMissing
from enroll.identity import Identity
from tests.enroll.conftest import MakeConsent, noise, write_clip


@pytest.fixture(scope="module")
def grid(shared: Path) -> Path:
    return shared / "clips" / "grid_s31_bgix8n.mpg"


@pytest.fixture(scope="module")
def ada(grid: Path, consent: MakeConsent) -> Identity:
    return enroll(grid, consent())


def test_unsigned_request_is_refused_before_the_clip_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConsentInvalid):
        enroll(tmp_path / "nobody.mp4", ConsentRecord.new(name="Ada", handle="ada"))


def test_expired(tmp_path: Path, consent: MakeConsent) -> None:
    with pytest.raises(ConsentExpired):
        enroll(tmp_path / "nobody.mp4", consent(), now=datetime.now(UTC) + timedelta(days=4000))


def test_for_another_handle(tmp_path: Path, consent: MakeConsent) -> None:
    with pytest.raises(ConsentInvalid, match="@ada"):
        enroll(tmp_path / "nobody.mp4", consent(), handle="bob")


def test_signed_by_a_stranger(tmp_path: Path, consent: MakeConsent) -> None:
    with pytest.raises(ConsentInvalid, match="trusts"):
        enroll(tmp_path / "nobody.mp4", consent(), trusted={OKPKey.generate_key("Ed25519").thumbprint()})


def test_an_encoder_that_is_not_there(tmp_path: Path, consent: MakeConsent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match="arcface"):
        enroll(tmp_path / "nobody.mp4", consent("face"), encoders=["arcface-buffalo_l-512"])


def test_encoders_that_leave_a_modality_out(tmp_path: Path, consent: MakeConsent) -> None:
    with pytest.raises(BadInput, match="covers the body"):
        enroll(tmp_path / "nobody.mp4", consent("face", "body"), encoders=["dlib-resnet-128"])


def test_black(tmp_path: Path, consent: MakeConsent) -> None:
    path = write_clip(tmp_path / "night.mp4", [np.zeros((240, 320, 3), np.uint8)] * 20)
    with pytest.raises(NoFace, match=r"night\.mp4 is black"):
        enroll(path, consent())


def test_no_face(tmp_path: Path, consent: MakeConsent) -> None:
    with pytest.raises(NoFace, match="no face"):
        enroll(write_clip(tmp_path / "snow.mp4", noise(20)), consent())


@pytest.mark.parametrize("shrink", [0.18, 0.13], ids=["seen at once", "seen at the second look"])
def test_face_too_small(grid: Path, tmp_path: Path, consent: MakeConsent, shrink: float) -> None:
    """The talker, shrunk and set in the middle of a wide picture: 160 px · shrink high."""
    frames = []
    for frame in Clip.open(grid).frames(10):
        small = cv2.resize(frame.pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        wide = np.full((360, 480, 3), 90, np.uint8)
        wide[100 : 100 + small.shape[0], 200 : 200 + small.shape[1]] = small
        frames.append(wide)
    with pytest.raises(FaceTooSmall, match=r"\d\d pixels high; at least 32"):
        enroll(write_clip(tmp_path / "far.mp4", frames), consent())


def test_without_sound(grid: Path, tmp_path: Path, consent: MakeConsent) -> None:
    path = write_clip(tmp_path / "mute.mp4", [frame.pixels for frame in Clip.open(grid).frames(10)])
    with pytest.raises(NoSpeech, match="no sound") as caught:
        enroll(path, consent())
    assert "without voice" in caught.value.hint


def test_everything_a_consent_allows(ada: Identity, grid: Path) -> None:
    assert set(ada.of("face")) >= {"dlib-resnet-128"}
    assert set(ada.of("body")) >= {"appearance"}
    assert set(ada.of("voice")) >= {"ge2e-256"}
    assert 2 <= len(ada.crops_of("head")) <= 4
    assert 1 <= len(ada.crops_of("body")) <= 2
    assert ada.speech is not None
    assert 1 < ada.speech.seconds < 3
    assert ada.handle == "ada"
    assert ada.clip_sha256 == Clip.open(grid).sha256
    for embedding in ada.embeddings.values():
        assert embedding.views
        assert np.isfinite(embedding.vector).all()
        assert 0 < embedding.quality <= 1
        assert all(0 <= view.second <= 3 for view in embedding.views)


def test_coverage_says_what_is_missing(ada: Identity) -> None:
    seen = ada.coverage
    assert seen.face_frames >= 7
    assert 130 < seen.face_px < 190
    assert seen.yaw is not None
    assert -15 < seen.yaw[0] <= seen.yaw[1] < 15
    assert any(sentence.startswith("2 s of speech; 5 s or more") for sentence in seen.advice)
    assert any("turn further left and right" in sentence for sentence in seen.advice)


def test_survives_its_bytes(ada: Identity) -> None:
    again = Identity.from_bytes(ada.to_bytes())
    assert again.coverage == ada.coverage
    assert all(np.array_equal(again.embeddings[s].vector, e.vector) for s, e in ada.embeddings.items())


def test_the_first_head_crop_is_the_most_frontal_good_one(ada: Identity) -> None:
    crops = ada.crops_of("head")
    assert abs(crops[0].pose.yaw) <= min(abs(crop.pose.yaw) for crop in crops) + 3
    assert all(crop.pixels.shape == (128, 128, 3) and crop.pixels.dtype == np.uint8 for crop in crops)
    assert len({crop.second for crop in crops}) == len(crops)


def test_the_same_clip_gives_the_same_person(ada: Identity, grid: Path, consent: MakeConsent) -> None:
    again = enroll(grid, consent())
    assert again.identity_id != ada.identity_id
    for space, embedding in ada.embeddings.items():
        assert np.allclose(again.embeddings[space].vector, embedding.vector, atol=1e-4), space


def test_scope_without_face_or_voice_learns_neither(ada: Identity, grid: Path, consent: MakeConsent) -> None:
    body = enroll(grid, consent("body"))
    assert {embedding.modality for embedding in body.embeddings.values()} == {"body"}
    assert body.speech is None
    assert not body.crops_of("head")
    assert body.coverage.speech_seconds == 0
    # The face, which a body crop has at (48 … 80, 24 … 56), is gone; the shirt is not.
    hidden, shown = body.crops_of("body")[0].pixels, ada.crops_of("body")[0].pixels
    assert np.ptp(hidden[34:48, 58:70], axis=(0, 1)).max() <= 2
    assert np.ptp(shown[34:48, 58:70], axis=(0, 1)).min() > 40
    assert np.array_equal(hidden[80:], shown[80:])


def test_scope_voice_alone_keeps_no_picture(grid: Path, consent: MakeConsent) -> None:
    voice = enroll(grid, consent("voice"))
    assert {embedding.modality for embedding in voice.embeddings.values()} == {"voice"}
    assert voice.crops == ()
    assert voice.speech is not None


def test_progress_climbs_to_one(grid: Path, consent: MakeConsent) -> None:
    told: list[tuple[str, float]] = []
    enroll(grid, consent("face"), progress=lambda stage, share: told.append((stage, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert len(told) > 4


def test_importing_enroll_is_quick() -> None:
    code = "import enroll, sys; print([m for m in ('torch', 'dlib', 'cv2', 'av', 'speechbrain') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
