"""Made-up people, judged by those who never saw one: MTCNN, dlib's ResNet."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from facenet_pytorch import MTCNN

from cameo.synth.clips import SHOTS, WORDS, SynthClip, caption, make_clip, vocabulary
from cameo.training.identities import face_box
from enroll.encoders import registry
from enroll.identity import Pose
from enroll.looks import cut_look

PEOPLE = (7, 12, 19, 31, 40, 58)


@pytest.fixture(scope="module")
def clips() -> dict[tuple[int, int], SynthClip]:
    """Two occasions of six people, four frames a second: what is judged here are faces, not motion."""
    return {(seed, k): make_clip(seed, k, seconds=2.0, size=128, fps=4.0) for seed in PEOPLE for k in (0, 1)}


def test_the_same_seed_gives_the_same_clip(clips: dict[tuple[int, int], SynthClip]):
    again = make_clip(7, 1, seconds=2.0, size=128, fps=4.0)
    first = clips[7, 1]
    assert np.array_equal(again.frames, first.frames)
    assert np.array_equal(again.sound, first.sound)
    assert (again.caption, again.truth) == (first.caption, first.truth)


def test_frames_sound_and_truth_have_the_length_asked_for(clips: dict[tuple[int, int], SynthClip]):
    for clip in clips.values():
        assert clip.frames.shape == (8, 128, 128, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.sound.shape == (32_000,)
        assert np.abs(clip.sound).max() <= 1.0
        (member,) = clip.truth["cast"]
        assert len(member["mouth"]) == len(member["yaw"]) == len(member["landmarks"]) == 8


def test_mtcnn_finds_the_face_where_the_truth_says(clips: dict[tuple[int, int], SynthClip]):
    detector = MTCNN(keep_all=True, min_face_size=24, device="cpu")
    errors, found = [], 0
    for clip in clips.values():
        truth = np.array(clip.truth["cast"][0]["landmarks"][4])
        _, chances, points = detector.detect(clip.frames[4], landmarks=True)
        if chances[0] is None:
            continue
        found += 1
        scale = np.linalg.norm(truth[3:].mean(0) - truth[:2].mean(0))
        errors.append(min(np.abs(p - truth).mean() for p in points) / scale)
    assert found >= 11, "one of twelve faces may be missed"
    assert np.median(errors) < 0.15


def test_dlib_tells_the_people_apart_across_occasions(clips: dict[tuple[int, int], SynthClip]):
    encoder = registry.get("dlib-resnet-128")
    vectors = {}
    for key, clip in clips.items():
        truth = clip.truth["cast"][0]
        index = int(np.argmin(np.abs(truth["yaw"])))
        points = np.array(truth["landmarks"][index], np.float32)
        look = cut_look(clip.frames[index], face_box(points), points, index=0, second=0.0, confidence=1.0, pose=Pose())
        vectors[key] = encoder.encode([look])[0]
    same = [np.linalg.norm(vectors[s, 0] - vectors[s, 1]) for s in PEOPLE]
    other = [np.linalg.norm(vectors[a, 0] - vectors[b, 1]) for a, b in itertools.permutations(PEOPLE, 2)]
    wins = np.mean([s < o for s in same for o in other])
    assert wins > 0.93, f"a person is nearer to themselves than to a stranger in {wins:.0%} of comparisons"


def test_the_mouth_is_shut_before_and_after_the_words(clips: dict[tuple[int, int], SynthClip]):
    for clip in clips.values():
        (member,) = clip.truth["cast"]
        start, end = member["speaks"]
        times = (np.arange(8) + 0.5) / clip.fps
        silent = (times < start - 0.3) | (times > end + 0.3)
        assert np.all(np.array(member["mouth"])[silent] < 0.05)
        assert set(member["words"]) <= set(WORDS)


def test_captions_use_only_words_the_text_encoder_knows(clips: dict[tuple[int, int], SynthClip]):
    rng = np.random.default_rng(0)
    known = set(vocabulary())
    for clip, _ in itertools.product(clips.values(), range(8)):
        words = caption(clip.truth, rng).replace('"', " ").replace("-", " - ").split()
        assert set(words) <= known


def test_two_people_stand_on_their_sides_and_take_turns():
    clip = make_clip(3, 2, people=2, seconds=2.0, size=128, fps=4.0)
    left, right = clip.truth["cast"]
    assert (left["side"], right["side"]) == ("left", "right")
    assert np.array(left["landmarks"])[..., 0].mean() < 64 < np.array(right["landmarks"])[..., 0].mean()
    assert left["speaks"][1] < right["speaks"][0]


def test_two_people_are_shown_in_the_shot_that_is_asked_for():
    near, far = (make_clip(3, 2, people=2, seconds=0.2, size=64, fps=5.0, shot=shot) for shot in SHOTS)
    assert [clip.truth["shot"] for clip in (near, far)] == list(SHOTS)

    def height(clip: SynthClip) -> float:
        points = np.array(clip.truth["cast"][0]["landmarks"][0])
        return float(np.linalg.norm(points[3:].mean(0) - points[:2].mean(0)))

    assert height(near) / height(far) == pytest.approx(SHOTS["close-up"] / SHOTS["medium shot"], rel=0.05)
    leads = {caption(near.truth, np.random.default_rng(n)).split(" two people")[0] for n in range(20)}
    assert "close-up of" in leads and "medium shot of" not in leads
