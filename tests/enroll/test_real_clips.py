"""Every clip of the manifest enrolls, or is refused for the reason the manifest gives. Then: is it the same person?"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enroll import enroll
from enroll.alignment import face_chip
from enroll.clip import Clip
from enroll.encoders import registry
from enroll.errors import EnrollError, NoSpeech
from enroll.identity import Identity
from enroll.looks import spread
from enroll.sightings import watch
from enroll.subject import find_people
from tests.enroll.conftest import MakeConsent

GRID = [
    "grid_s31_bgiq6p.mpg",
    "grid_s31_bgix8n.mpg",
    "grid_s31_bgix9s.mpg",
    "grid_s31_lbig7s.mpg",
    "grid_s31_lbwo3s.mpg",
    "grid_s31_lgbj5a.mpg",
    "grid_s31_lrau5s.mpg",
    "grid_s31_lrbvzp.mpg",
    "grid_s31_lwiu7s.mpg",
    "grid_s31_prwa4n.mpg",
    "grid_s2_pwij3p.mpg",
    "grid_s2_swwp2s.mpg",
    "grid_x_bb_bbaf2n.mpg",
    "grid_x_br_brbk7n.mpg",
    "grid_x_lb_lbbc2a.mpg",
    "grid_x_sb_sbia1a.mpg",
]
ENROLLS = [*GRID, "latentsync_demo1.mp4", "latentsync_demo2.mp4"]
REFUSED = {
    "visualvoice_interview.mp4": ("several_people", "2 people"),
    "facerec_hamilton_cuts.mp4": ("several_people", " people"),
    "facenet_crowd_profiles.mp4": ("several_people", " people"),
    "torchcodec_nasa_13013.mp4": ("no_face", "no face"),
    "sam2_coffee_noface_silent.mp4": ("no_face", "no face"),
    "liveportrait_d13_selfie_noaudio.mp4": ("no_speech", "no sound"),
}


@pytest.fixture(scope="module")
def enrolled() -> dict[str, Identity]:
    """Filled by ``test_enrolls``, in memory, for the comparisons after it."""
    return {}


def learn(name: str, shared: Path, consent: MakeConsent, enrolled: dict[str, Identity]) -> Identity:
    if name not in enrolled:
        # The manifest vouches for the voices: three seconds show that of about half of the mouths.
        enrolled[name] = enroll(shared / "clips" / name, consent(), trust_voice=True)
    return enrolled[name]


def test_the_manifest_says_what_is_tested_here(clip_manifest: dict[str, dict[str, str]]) -> None:
    assert set(clip_manifest) == {*ENROLLS, *REFUSED}
    for name, row in clip_manifest.items():
        assert row["expect"].startswith("enrolls" if name in ENROLLS else REFUSED[name][0])


@pytest.mark.parametrize("name", ENROLLS)
def test_enrolls(
    name: str,
    shared: Path,
    clip_manifest: dict[str, dict[str, str]],
    consent: MakeConsent,
    enrolled: dict[str, Identity],
) -> None:
    identity = learn(name, shared, consent, enrolled)
    assert {"dlib-resnet-128", "appearance", "ge2e-256"} <= set(identity.embeddings)
    assert identity.coverage.face_frames >= 6
    short = any("s of speech; 5 s or more" in sentence for sentence in identity.coverage.advice)
    assert short == ("speech is short" in clip_manifest[name]["expect"])


def test_a_voice_is_learnt_only_where_the_mouth_shows_it(shared: Path, consent: MakeConsent) -> None:
    shown, hidden = (enroll(shared / "clips" / name, consent()) for name in ("grid_s2_swwp2s.mpg", GRID[4]))
    assert "ge2e-256" in shown.embeddings and shown.speech is not None
    assert not hidden.of("voice") and hidden.speech is None
    assert hidden.coverage.speech_seconds == 0
    assert any("The voice is left out" in sentence for sentence in hidden.coverage.advice)
    assert {"dlib-resnet-128", "appearance"} <= set(hidden.embeddings)
    with pytest.raises(NoSpeech, match="could not be seen"):
        enroll(shared / "clips" / GRID[4], consent("voice"))


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name: str, shared: Path, consent: MakeConsent) -> None:
    code, words = REFUSED[name]
    with pytest.raises(EnrollError) as caught:
        enroll(shared / "clips" / name, consent())
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.hint


def test_the_silent_selfie_enrolls_when_no_voice_is_asked_for(shared: Path, consent: MakeConsent) -> None:
    identity = enroll(shared / "clips" / "liveportrait_d13_selfie_noaudio.mp4", consent("face", "body"))
    assert identity.speech is None
    assert not identity.of("voice")
    assert identity.coverage.face_px > 400


def test_a_passing_false_face_is_not_learnt(shared: Path, consent: MakeConsent, enrolled: dict[str, Identity]) -> None:
    """The detector sees a second face in the first half-minute clips; every view must still be the talker's."""
    for name in ("latentsync_demo1.mp4", "latentsync_demo2.mp4"):
        face = learn(name, shared, consent, enrolled).embeddings["dlib-resnet-128"]
        assert max(float(np.linalg.norm(view.vector - face.vector)) for view in face.views) < 0.5


def person(name: str) -> str:
    parts = name.split("_")
    return parts[1] if parts[1] != "x" else f"x_{parts[2]}"


def test_dlib_tells_the_talkers_apart(shared: Path, consent: MakeConsent, enrolled: dict[str, Identity]) -> None:
    faces = {n: learn(n, shared, consent, enrolled).embeddings["dlib-resnet-128"].vector for n in GRID}
    same, other = [], []
    for a, b in combinations(GRID, 2):
        (same if person(a) == person(b) else other).append(float(np.linalg.norm(faces[a] - faces[b])))
    assert max(same) < 0.42 < min(other)


def test_an_independent_network_agrees_with_the_alignment(shared: Path) -> None:
    """MobileFaceNet, which enrolls nobody here, on our ``face_chip``s: one person above, two people below."""
    net = cv2.dnn.readNetFromONNX(str(shared / "weights" / "mobilefacenet_foamliu.onnx"))
    names = [*GRID[:4], *GRID[10:]]
    vectors = {}
    for name in names:
        clip = Clip.open(shared / "clips" / name)
        (talker,) = find_people(watch(clip), clip, registry.get("dlib-resnet-128"))
        chips = [face_chip(look.patch, look.landmarks) for look in spread(talker.looks, 3)]
        mean = np.mean([_judge(net, chip) for chip in chips], axis=0)
        vectors[name] = mean / np.linalg.norm(mean)
    same, other = [], []
    for a, b in combinations(names, 2):
        (same if person(a) == person(b) else other).append(float(vectors[a] @ vectors[b]))
    assert min(same) > 0.7 > 0.6 > max(other)


def _judge(net: cv2.dnn.Net, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
    normal = (chip / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    net.setInput(np.ascontiguousarray(normal.transpose(2, 0, 1)[None], np.float32))
    return np.asarray(net.forward()[0], np.float32).copy()
