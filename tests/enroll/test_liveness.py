"""A live challenge, met and attacked: made-up talkers who say digits and turn their heads, and what forgers try."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from joserfc.jwk import OKPKey
from numpy.typing import NDArray

from cameo.synth.voices import Voice, mouth_track, speak
from enroll.consent import Challenge, ConsentRecord
from enroll.errors import ChallengeFailed, ConsentInvalid
from enroll.evidence import Match
from enroll.liveness import Liveness, judge
from enroll.tracking import HeadTrack
from tests.enroll.talkers import FPS, RATE, draw_head

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DIGITS, TURNS = "471902", ("left", "up", "right")
CHALLENGE = Challenge(digits=DIGITS, turns=TURNS, valid_until=NOW + timedelta(minutes=20))
TOWARDS = {"left": (34, 0), "right": (-34, 0), "up": (0, 24), "down": (0, -24)}
LEAD, TURN, REST = 0.5, 1.05, 0.4


class Take:
    """Somebody before a camera: what ``judge`` is given of them, to be changed by an attack."""

    def __init__(self, digits: str = DIGITS, turns: tuple[str, ...] = TURNS, *, voice: int = 12) -> None:
        said = [digit + ("," if place % 2 else "") for place, digit in enumerate(digits)]
        words = ["hello,", "i", "agree.", "my", "numbers", "are,", *said[:-1], said[-1] + "."]
        utterance = speak(Voice.from_seed(voice), words, seed=voice)
        self.turning = LEAD + utterance.seconds + REST
        seconds = self.turning + len(turns) * (TURN + REST) + 0.5
        count = round(seconds * FPS)
        mouth = mouth_track(utterance, FPS, count, LEAD)
        self.sound: NDArray[np.float32] = np.random.default_rng(0).normal(0, 0.002, round(seconds * RATE)).astype("f4")
        first = round(LEAD * RATE)
        self.sound[first : first + len(utterance.samples)] += 0.5 * utterance.samples
        self.speech = [(first, first + len(utterance.samples))]
        drawn = draw_head(mouth)
        self.head = replace(drawn, poses=self._poses(drawn.seconds, turns))
        self.cuts: tuple[float, ...] = ()
        self.breaks: tuple[float, ...] = ()

    def _poses(self, seconds: NDArray[np.float64], turns: tuple[str, ...]) -> NDArray[np.float32]:
        poses = np.random.default_rng(1).normal(0, 0.7, (len(seconds), 3))
        for number, turn in enumerate(turns):
            progress = np.clip((seconds - self.turning - number * (TURN + REST)) / TURN, 0, 1)
            out = np.clip(np.minimum(progress, 1 - progress) * 3, 0, 1)
            poses[:, :2] += out[:, None] * TOWARDS[turn]
        return poses.astype(np.float32)

    def judged(self, **options: Any) -> Liveness:
        options = {"captured": None, "now": NOW, **options}
        return judge(CHALLENGE, self.head, self.speech, self.sound, self.cuts, self.breaks, **options)


@pytest.fixture(scope="module")
def honest() -> Liveness:
    return Take().judged()


def failed(liveness: Liveness) -> set[str]:
    return {check.name for check in liveness.failed}


def test_whoever_answers_is_live(honest: Liveness) -> None:
    assert honest.level == "live", honest.failed
    assert [turn.turn for turn in honest.turns] == list(TURNS)
    assert honest.digits is not None
    assert 1.0 < honest.digits[0] < honest.digits[1] < Take().turning


def test_without_the_turns_it_is_only_spoken() -> None:
    answer = Take(turns=()).judged()
    assert answer.level == "spoken"
    assert failed(answer) == {"turns"}


@pytest.mark.parametrize("turns", [("up", "left", "right"), ("left", "up"), ("left", "down", "right")])
def test_other_turns(turns: tuple[str, ...]) -> None:
    assert Take(turns=turns).judged().level == "spoken"


@pytest.mark.parametrize("digits", ["471920", "417902", "471903", "209174", "47190"])
def test_other_digits(digits: str) -> None:
    answer = Take(digits).judged()
    assert answer.level == "none"
    assert "digits" in failed(answer)


@pytest.mark.parametrize(
    ("captured", "now", "good"),
    [
        (None, NOW + timedelta(minutes=21), False),
        (NOW - timedelta(minutes=13), NOW, False),
        (NOW - timedelta(days=30), NOW, False),
        (NOW + timedelta(minutes=23), NOW, False),
        (NOW - timedelta(minutes=5), NOW, True),
        (datetime(1970, 1, 1, tzinfo=UTC), NOW, True),
    ],
    ids=["too late", "before it was given", "an old clip", "from the future", "in time", "a camera without a clock"],
)
def test_the_half_hour(captured: datetime | None, now: datetime, good: bool) -> None:
    answer = Take(turns=()).judged(captured=captured, now=now)
    assert ("time" in failed(answer)) != good
    assert (answer.level == "spoken") == good


def test_what_was_judged_before_changes_nothing() -> None:
    """A recogniser that adapts itself to what it heard last would judge the same clip twice in two ways."""
    first = Take(turns=()).judged()
    for seed in (3, 4, 5):
        Take("863528", turns=(), voice=seed).judged()
    again = Take(turns=()).judged()
    assert (again.level, again.digits) == (first.level, first.digits)


def test_a_cut() -> None:
    take = Take()
    take.cuts = (4.2,)
    assert failed(take.judged()) == {"picture"}
    assert take.judged().level == "none"


def test_sound_that_jumps() -> None:
    take = Take()
    take.breaks = (3.0,)
    assert failed(take.judged()) == {"sound"}


def test_digits_that_somebody_else_says() -> None:
    """A helper off camera says them; what is known to be the subject's speech ends before."""
    take = Take()
    first, last = take.speech[0]
    take.speech = [(first, first + (last - first) // 4)]
    assert take.judged().level == "none"


@pytest.mark.parametrize("of", ["face", "voice"])
def test_digits_by_a_face_or_a_voice_that_is_not_the_one_learnt(of: Any) -> None:
    far = Match(of=of, by="some-space", measure="cosine", score=0.4, threshold=0.8)
    answer = Take().judged(likeness=lambda begin, end: [far])
    assert answer.level == "none" and failed(answer) == {of}
    assert far in answer.matches


def test_a_still_picture_with_a_voice() -> None:
    take = Take(turns=())
    take.head = replace(take.head, mouths=np.repeat(take.head.mouths[:1], len(take.head), axis=0))
    answer = take.judged()
    assert answer.level == "none"
    assert "mouth" in failed(answer)


def test_a_mouth_that_says_something_else() -> None:
    """The digits dubbed over another take."""
    take, other = Take(turns=()), Take("863528", turns=(), voice=4)
    count = min(len(take.head), len(other.head))
    mouths = take.head.mouths.copy()
    mouths[:count] = other.head.mouths[:count]
    take.head = replace(take.head, mouths=mouths)
    assert take.judged().level == "none"


def test_a_face_that_leaves_the_picture_while_the_digits_are_said(honest: Liveness) -> None:
    assert honest.digits is not None
    take = Take()
    away = (take.head.seconds > honest.digits[0]) & (take.head.seconds < honest.digits[0] + 0.8)
    take.head = HeadTrack(take.head.seconds[~away], take.head.poses[~away], take.head.mouths[~away])
    assert "face" in failed(take.judged())


def test_a_head_that_turns_all_the_time_answers_nothing() -> None:
    take = Take(turns=("left", "up", "right", "down") * 4)
    assert "turns" in failed(take.judged())


def test_without_sound() -> None:
    take = Take()
    answer = judge(CHALLENGE, take.head, (), None, (), (), captured=None, now=NOW)
    assert answer.level == "none"
    assert {"sound", "digits"} <= failed(answer)


def test_nothing_said_is_told(honest: Liveness) -> None:
    """Counts and times may be shown; the digits may not."""
    for answer in (honest, Take("863528").judged()):
        for check in answer.checks:
            assert not any(digits in check.found + check.problem + check.advice for digits in (DIGITS, "863528"))


class TestTheRecord:
    @pytest.fixture
    def key(self) -> OKPKey:
        return OKPKey.generate_key("Ed25519")

    @pytest.fixture
    def request_(self, key: OKPKey) -> ConsentRecord:
        return ConsentRecord.new(name="Ada", handle="ada", now=NOW).sign(key)

    def test_says_what_was_checked(self, request_: ConsentRecord, key: OKPKey, honest: Liveness) -> None:
        record = request_.fulfil(honest, clip_sha256="0" * 64, key=key, now=NOW)
        assert (record.assurance, record.capture) == ("live", "upload")
        assert record.evidence is not None
        assert set(record.evidence.checks) == {check.name for check in honest.checks}
        assert [match.of for match in record.evidence.matches] == ["mouth"]
        assert honest.digits is not None and record.evidence.digits == pytest.approx(honest.digits, abs=0.006)
        turned = (honest.turns[0].begin, honest.turns[-1].end)
        assert record.evidence.turns == pytest.approx(turned, abs=0.006)
        assert record.evidence.versions.keys() == {"digits", "rules"} and all(record.evidence.versions.values())
        record.verify(now=NOW, trusted={key.thumbprint()})

    def test_never_claims_more(self, request_: ConsentRecord, key: OKPKey) -> None:
        spoken = request_.fulfil(Take(turns=()).judged(), clip_sha256="0" * 64, key=key, now=NOW)
        assert spoken.assurance == "spoken" and spoken.evidence is not None and spoken.evidence.turns is None
        raised = spoken.to_json().replace('"assurance": "spoken"', '"assurance": "live"')
        with pytest.raises(ConsentInvalid):
            ConsentRecord.from_json(raised).verify(now=NOW)

    def test_a_request_of_an_older_format_stays_as_it_was_signed(self, key: OKPKey, honest: Liveness) -> None:
        fields = json.loads(ConsentRecord.new(name="Ada", handle="ada", now=NOW).to_json())
        older = ConsentRecord.from_json(json.dumps(fields | {"format": "cameo-consent/3"})).agree(key)
        record = older.fulfil(honest, clip_sha256="0" * 64, key=key, now=NOW)
        assert record.evidence is not None and not record.evidence.matches
        assert "matches" not in record.to_json()
        read = ConsentRecord.from_json(record.to_json())
        read.verify(now=NOW)
        assert read.subject_key == key.thumbprint()
        later = json.loads(record.to_json())
        later["evidence"]["matches"] = [match.model_dump() for match in honest.matches]
        with pytest.raises(ConsentInvalid, match="knows no matches"):
            ConsentRecord.from_json(json.dumps(later))

    def test_what_an_operator_cannot_vouch_for(self, request_: ConsentRecord, key: OKPKey, honest: Liveness) -> None:
        assert request_.awaits_answer(NOW) and not request_.awaits_answer(NOW + timedelta(hours=1))
        met = request_.fulfil(honest, clip_sha256="0" * 64, key=key, now=NOW)
        assert not met.awaits_answer(NOW)
        with pytest.raises(ConsentInvalid, match="says more than attested"):
            met.attest(by="Studio North", key=key, now=NOW)
        with pytest.raises(ConsentInvalid, match="cannot attest"):
            request_.attest(by="two\nlines", key=key, now=NOW)
        with pytest.raises(ConsentInvalid, match="makes no evidence"):
            request_.fulfil(honest, clip_sha256="no digest", key=key, now=NOW)
        alone = json.loads(met.to_json()) | {"capture": None}
        with pytest.raises(ConsentInvalid, match="go together"):
            ConsentRecord.from_json(json.dumps(alone))

    def test_a_failed_challenge_makes_no_consent(self, request_: ConsentRecord, key: OKPKey) -> None:
        with pytest.raises(ChallengeFailed, match="digits") as caught:
            request_.fulfil(Take("863528").judged(), clip_sha256="0" * 64, key=key, now=NOW)
        assert "attest" in caught.value.hint and "then film again" in caught.value.hint
        with pytest.raises(ChallengeFailed, match="it was not judged"):
            request_.require_met(None)

    def test_a_second_answer_is_refused(self, request_: ConsentRecord, key: OKPKey, honest: Liveness) -> None:
        record = request_.fulfil(honest, clip_sha256="0" * 64, key=key, now=NOW)
        with pytest.raises(ConsentInvalid, match="already"):
            record.fulfil(honest, clip_sha256="0" * 64, key=key, now=NOW)
