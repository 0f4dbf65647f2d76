"""The whole way of a live consent: a made-up person answers a challenge before the camera and is enrolled on it."""

from __future__ import annotations

from pathlib import Path

from joserfc.jwk import OKPKey

from cameo.synth.answers import make_answer
from enroll import enroll
from enroll.consent import ConsentRecord
from enroll.findings import Findings
from enroll.receipt import Receipt
from tests.enroll.conftest import write_clip


def test_who_answers_is_enrolled_and_the_record_says_how_well_it_fits(tmp_path: Path) -> None:
    key = OKPKey.generate_key("Ed25519")
    asked = ConsentRecord.new(name="Ada", handle="ada")
    challenge = asked.challenge.model_copy(update={"digits": "471902", "turns": ("left",)})
    request = asked.model_copy(update={"challenge": challenge}).sign(key)
    answer = make_answer(1, challenge.digits, challenge.turns, size=160)
    clip = write_clip(tmp_path / "answer.mp4", list(answer.frames), answer.sound, fps=25)
    found: list[Findings] = []
    identity = enroll(clip, request, onlooker=found.append)
    assert found[0].liveness is not None
    record = request.fulfil(found[0].liveness, clip_sha256=identity.clip_sha256, key=key)
    record.verify(trusted={key.thumbprint()})
    assert record.assurance in ("spoken", "live") and record.evidence is not None
    scores = {match.of: match.score for match in record.evidence.matches}
    receipt = Receipt.of(record, enrolled=record.evidence.judged, key=key, now=record.evidence.judged)
    shown = [(event.event_type, event.event_time, event.entity) for event in receipt.events]
    met = record.evidence.judged
    assert shown[1] == (record.evidence.level, met, "@ada"), "the person themselves, not an operator's word"
    assert shown[2][:2] == ("enrolled", met)
    assert scores["face"] < 0.3 and scores["voice"] > 0.85 and scores["mouth"] > 3.0
