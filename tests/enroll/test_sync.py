"""Does this mouth make this voice: on made-up talkers, whose truth is known, and on real ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from enroll.attribution import attribute, subject_speech
from enroll.clip import Clip
from enroll.errors import NoSpeech
from enroll.sightings import watch
from enroll.sync import MIN_SECONDS, agree, agreements
from enroll.tracking import HeadTrack, head_track
from enroll.voice import Heard, Hearing, listen
from tests.enroll.talkers import FPS, RATE, draw_head, say

Talker = tuple[NDArray[np.float32], HeadTrack]


@pytest.fixture(scope="module")
def talkers() -> dict[int, Talker]:
    """Two made-up people, 9 s each: sound and head."""
    spoken = {seed: say(seed, 9.0) for seed in (2, 6)}
    return {seed: (sound, draw_head(mouth, seed=seed)) for seed, (sound, mouth) in spoken.items()}


def part(head: HeadTrack, keep: NDArray[np.bool_]) -> HeadTrack:
    return HeadTrack(head.seconds[keep], head.poses[keep], head.mouths[keep])


def speech(hearing: Hearing, subject: HeadTrack, others: Sequence[HeadTrack], sound: NDArray[np.float32]) -> Heard:
    heard = subject_speech(hearing, attribute(hearing, [*others, subject], sound), len(others), sound)
    assert heard is not None
    return heard


def still(seconds: float, seed: int = 0) -> HeadTrack:
    """A mouth that does not open, before a camera."""
    return draw_head(np.zeros((round(seconds * FPS), 2), np.float32), seed=seed)


def test_a_mouth_makes_its_own_voice_and_no_other(talkers: dict[int, Talker]) -> None:
    spans = {seed: listen(sound).spans for seed, (sound, _) in talkers.items()}
    for mine, (_, head) in talkers.items():
        for voice, (sound, _) in talkers.items():
            found = agree(head, sound, spans[voice])
            assert (found.verdict == "agrees") == (mine == voice)
            assert found.moving > 0.8
            assert found.seconds > 4


@pytest.mark.parametrize("late", [-0.08, 0.08])
def test_sound_that_is_late_or_early_is_measured(talkers: dict[int, Talker], late: float) -> None:
    sound, head = talkers[2]
    shifted = np.roll(sound, round(late * RATE))
    found = agree(head, shifted, listen(shifted).spans)
    assert found.verdict == "agrees"
    assert found.lag == pytest.approx(late, abs=0.045)


def test_sound_seconds_away_is_not_this_mouths(talkers: dict[int, Talker]) -> None:
    sound, head = talkers[2]
    for seconds in (1.5, 3.0, 4.5):
        shifted = np.roll(sound, round(seconds * RATE))
        assert agree(head, shifted, listen(shifted).spans).verdict != "agrees"


def test_a_photograph_does_not_speak(talkers: dict[int, Talker]) -> None:
    sound, _ = talkers[2]
    spans = listen(sound).spans
    for head in (still(9.0), draw_head(np.full((225, 2), 0.6, np.float32), noise=0.0)):
        found = agree(head, sound, spans)
        assert found.moving < 0.1
        assert found.verdict == "disagrees"


def test_little_evidence_is_undecided(talkers: dict[int, Talker]) -> None:
    sound, head = talkers[2]
    spans = listen(sound).spans
    nobody = part(head, np.zeros(len(head), bool))
    first = spans[0][0] / RATE
    glimpse = part(head, (head.seconds > first) & (head.seconds < first + MIN_SECONDS / 2))
    profile = HeadTrack(head.seconds, head.poses + np.array([75, 0, 0], np.float32), head.mouths)
    for short in (nobody, glimpse, profile):
        found = agree(short, sound, spans)
        assert (found.verdict, found.score) == ("undecided", 0.0)
        assert found.seconds < MIN_SECONDS


def test_gaps_in_the_track_do_no_harm(talkers: dict[int, Talker]) -> None:
    sound, head = talkers[6]
    spans = listen(sound).spans
    gappy = part(head, (head.seconds % 3.0) > 0.8)
    found = agree(gappy, sound, spans)
    assert found.verdict == "agrees"
    assert found.seconds < 0.85 * agree(head, sound, spans).seconds


def test_thirty_pictures_a_second_and_uneven_times(talkers: dict[int, Talker]) -> None:
    sound, head = talkers[6]
    draw = np.random.default_rng(0)
    keep = draw.uniform(size=len(head)) > 0.15
    uneven = part(head, keep)
    uneven = HeadTrack(uneven.seconds + draw.uniform(-0.008, 0.008, len(uneven)), uneven.poses, uneven.mouths)
    assert agree(uneven, sound, listen(sound).spans).verdict == "agrees"


def test_resting_is_told_from_moving(talkers: dict[int, Talker]) -> None:
    sound, mouth = say(2, 9.0, start=3.0)
    found = agree(draw_head(mouth), sound, listen(sound).spans)
    assert found.resting is not None
    assert found.moving > 0.8 > 0.4 > found.resting


@pytest.fixture(scope="module")
def dialogue() -> tuple[NDArray[np.float32], HeadTrack, HeadTrack]:
    """Two made-up people in turns of 4 s: the first, the second, the first."""
    mine, yours = say(2, 12.0, start=0.2), say(6, 12.0, start=0.2)
    second = np.arange(len(mine[0])) / RATE
    frame = np.arange(len(mine[1])) / FPS
    sound = np.where((second < 4) | (second >= 8), mine[0], yours[0])
    my_mouth = mine[1] * ((frame < 4) | (frame >= 8))[:, None]
    your_mouth = yours[1] * ((frame >= 4) & (frame < 8))[:, None]
    return sound, draw_head(my_mouth, seed=1), draw_head(your_mouth, seed=2)


def test_turns_go_to_the_right_mouths(dialogue: tuple[NDArray[np.float32], HeadTrack, HeadTrack]) -> None:
    sound, first, second = dialogue
    hearing = listen(sound)
    assert len(hearing.speakers) == 2
    found = attribute(hearing, [second, first], sound)
    assert found.owners == (1, 0)
    assert (found.speakers(0), found.speakers(1)) == ((2,), (1,))
    assert found.agreements == agreements([second, first], sound, [s.spans for s in hearing.speakers])


def test_the_subjects_speech_holds_nobody_elses(dialogue: tuple[NDArray[np.float32], HeadTrack, HeadTrack]) -> None:
    sound, first, second = dialogue
    hearing = listen(sound)
    for subject, other, mine in ((first, second, [(0, 4), (8, 12)]), (second, first, [(4, 8)])):
        heard = speech(hearing, subject, [other], sound)
        assert heard.tied
        for begin, end in heard.segments:
            assert any(a - 0.2 <= begin / RATE and end / RATE <= b + 0.2 for a, b in mine)


def test_an_interviewer_outside_the_picture_is_left_out(
    dialogue: tuple[NDArray[np.float32], HeadTrack, HeadTrack],
) -> None:
    sound, first, _ = dialogue
    heard = speech(listen(sound), first, [], sound)
    assert heard.tied
    assert all(end / RATE <= 4.2 or begin / RATE >= 7.8 for begin, end in heard.segments)


def test_a_voice_over_is_refused(talkers: dict[int, Talker]) -> None:
    sound, _ = talkers[2]
    stranger = draw_head(say(12, 9.0)[1])
    hearing = listen(sound)
    for head in (stranger, still(9.0)):
        with pytest.raises(NoSpeech, match="voice-over") as caught:
            speech(hearing, head, [], sound)
        assert caught.value.hint


def test_the_others_voice_is_refused(talkers: dict[int, Talker]) -> None:
    """The one who speaks is in the picture and is not the subject."""
    sound, head = talkers[2]
    with pytest.raises(NoSpeech, match="subject"):
        speech(listen(sound), still(9.0), [head], sound)


def test_the_voice_of_an_unseen_mouth_is_left_out_unless_somebody_vouches_for_it(talkers: dict[int, Talker]) -> None:
    sound, head = talkers[2]
    hearing, unseen = listen(sound), part(head, head.seconds < 0.2)
    found = attribute(hearing, [unseen], sound)
    assert subject_speech(hearing, found, 0, sound) is None
    heard = subject_speech(hearing, found, 0, sound, trusted=True)
    assert heard is not None
    assert not heard.tied
    assert heard.seconds > 4


def test_nobody_can_vouch_for_a_voice_over(talkers: dict[int, Talker]) -> None:
    sound, _ = talkers[2]
    hearing = listen(sound)
    with pytest.raises(NoSpeech, match="voice-over"):
        subject_speech(hearing, attribute(hearing, [still(9.0)], sound), 0, sound, trusted=True)


@pytest.mark.parametrize(
    ("mine", "others"),
    [("grid_s2_swwp2s.mpg", "grid_x_br_brbk7n.mpg"), ("grid_s31_lrbvzp.mpg", "grid_x_lb_lbbc2a.mpg")],
)
def test_real_talkers(shared: Path, mine: str, others: str) -> None:
    clip, other = Clip.open(shared / "clips" / mine), Clip.open(shared / "clips" / others)
    assert clip.sound is not None
    assert other.sound is not None
    head = head_track(sorted(watch(clip).tracks, key=lambda track: len(track.seconds))[-1:])
    own, swapped = (agree(head, sound, listen(sound).spans) for sound in (clip.sound, other.sound))
    assert own.score > swapped.score
    assert (own.verdict, swapped.verdict) == ("agrees", "undecided")
    assert abs(own.lag) <= 0.041
