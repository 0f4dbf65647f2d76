"""What answers a challenge, against what is learnt: the same person's parts fit, another's do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cameo.synth.voices import Voice, speak
from enroll.clip import Clip
from enroll.encoders import registry
from enroll.evidence import Evidence, Match
from enroll.looks import Look
from enroll.matching import match_face, match_voice
from enroll.sightings import watch
from enroll.voice import Heard
from tests.enroll.talkers import RATE, say


def heard(voice: int) -> tuple[Heard, np.ndarray]:
    sound, _ = say(voice, 9.0)
    return Heard(sound, ((0, len(sound)),), len(sound) / RATE, 1.0), sound


@pytest.mark.parametrize(("voice", "another"), [(2, 6), (6, 2), (12, 6)])
def test_a_voice_fits_itself_and_no_other(voice: int, another: int) -> None:
    learnt, sound = heard(voice)
    own = match_voice(learnt, sound, [(0, len(sound))], 1.0, 4.0)
    assert own is not None and own.holds and own.of == "voice"
    digits = speak(Voice.from_seed(another), ["four", "seven", "one", "nine", "two"], seed=1).samples
    dubbed = sound.copy()
    dubbed[RATE : RATE + len(digits)] = 0.5 * digits
    end = 1.0 + len(digits) / RATE
    other = match_voice(learnt, dubbed, [(0, len(sound))], 1.0, end)
    assert other is not None and not other.holds


def test_who_is_silent_then_has_no_match() -> None:
    learnt, sound = heard(2)
    assert match_voice(learnt, sound, [(0, RATE)], 2.0, 4.0) is None
    assert match_face((), registry.get("dlib-resnet-128"), 0.0, 1.0) is None


def test_a_face_fits_itself_and_no_other(shared: Path) -> None:
    encoder = registry.get("dlib-resnet-128")
    one, other = (_looks(shared / "clips" / name) for name in ("grid_s31_bgiq6p.mpg", "grid_s2_pwij3p.mpg"))
    own = match_face(one, encoder, 0.0, 1.5)
    assert own is not None and own.holds
    later = [look for look in other if look.second > 1.5]
    mixed = match_face([*(look for look in one if look.second <= 1.5), *later, *later], encoder, 0.0, 1.5)
    assert mixed is not None and mixed.score > own.score
    assert mixed.score > 2 * own.score


def test_what_does_not_hold_is_no_evidence() -> None:
    far = Match(of="face", by="dlib-resnet-128", measure="distance", score=0.5, threshold=0.45)
    assert not far.holds
    near = far.model_copy(update={"score": 0.1})
    fields = {
        "level": "spoken",
        "checks": (),
        "clip_sha256": "0" * 64,
        "judged": "2026-11-25T12:00:00Z",
        "captured": None,
        "digits": (1.0, 2.0),
        "turns": None,
        "mirrored": False,
        "versions": {},
    }

    def read(match: Match) -> Evidence:
        return Evidence.model_validate_json(json.dumps(fields | {"matches": [match.model_dump()]}))

    assert read(near).matches == (near,)
    with pytest.raises(ValidationError, match="below its threshold"):
        read(far)


def _looks(clip: Path) -> tuple[Look, ...]:
    with Clip.opened(clip) as source:
        return max((track.looks for track in watch(source).tracks), key=len)
