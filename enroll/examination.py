"""A clip looked at and listened to, without keeping anything: who is in it, who of them it is about, what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from enroll.attribution import TRUST_HINT, Attribution, attribute, subject_speech
from enroll.background import Spans
from enroll.clip import Clip
from enroll.consent import Challenge
from enroll.encoders.base import Encoder
from enroll.errors import KitError, NoSpeech
from enroll.evidence import Match
from enroll.findings import Findings
from enroll.identity import Modality
from enroll.liveness import Liveness, judge
from enroll.matching import match_face, match_voice
from enroll.sightings import watch
from enroll.subject import Person, choose, find_people
from enroll.sync import Agreement
from enroll.voice import Heard, Hearing, listen

__all__ = ["examine"]


def examine(
    clip: Clip,
    encoder: Encoder,
    *,
    scope: Sequence[Modality],
    subject: int | None = None,
    trust_voice: bool = False,
    challenge: Challenge | None = None,
    now: datetime | None = None,
    tell: Callable[[str, float], None] = lambda stage, share: None,
) -> Findings:
    """Looks and listens. What is wrong with the clip is not raised: it is ``Findings.refusal``.

    Args:
        clip: the clip.
        encoder: of the space ``dlib-resnet-128``; tells people apart.
        scope: what the consent covers. With the voice in it, speech must be found; without, the sound still helps to
            tell who of several people speaks.
        subject: see ``choose``.
        trust_voice: see ``subject_speech``.
        challenge: what the clip may answer; None to leave that alone. ``Findings.liveness`` says how it did.
        now: the moment that counts for the challenge; the clock's when None.
        tell: called with what is being done and the share of it that is done.
    """
    findings = Findings(clip)
    with ThreadPoolExecutor(1) as pool:
        # The sound is there before the first picture, and needs a core for less time than the pictures do.
        listening = pool.submit(_listen, clip)
        try:
            tell("watching the clip", 0.0)
            sightings = watch(clip, lambda share: tell("watching the clip", 0.8 * share))
            findings = replace(findings, sightings=sightings)
            tell("telling people apart", 0.8)
            people = find_people(sightings, clip, encoder)
            findings = replace(findings, people=people)
            tell("listening", 0.9)
            heard = listening.result()
            if isinstance(heard, Hearing) and clip.sound is not None:
                tied = attribute(heard, [person.head for person in people], clip.sound)
                findings = replace(findings, hearing=heard, attribution=tied)
            chosen = choose(people, sightings, clip, speaking=_speaking(people, findings.attribution), subject=subject)
            findings = replace(findings, subject=chosen)
            if "voice" in scope:
                # Who is enrolled without a voice need not speak.
                if isinstance(heard, NoSpeech):
                    raise heard
                findings = replace(findings, heard=_speech(findings, chosen, trusted=trust_voice))
                if findings.heard is None and len(scope) == 1:
                    raise NoSpeech("whether the voice is the subject's could not be seen", hint=TRUST_HINT)
            if challenge is not None:
                tell("judging the challenge", 0.95)
                moment = now or datetime.now(UTC)
                findings = replace(findings, liveness=_answer(findings, chosen, challenge, moment, encoder, scope))
        except KitError as refusal:
            findings = replace(findings, refusal=refusal)
    return findings


def _listen(clip: Clip) -> Hearing | NoSpeech:
    try:
        return listen(clip.sound)
    except NoSpeech as refusal:
        return refusal


def _speech(findings: Findings, subject: Person, *, trusted: bool) -> Heard | None:
    hearing, attribution, sound = findings.hearing, findings.attribution, findings.clip.sound
    if hearing is None or attribution is None or sound is None:
        return None
    return subject_speech(hearing, attribution, subject.number - 1, sound, trusted=trusted)


def _answer(
    findings: Findings,
    subject: Person,
    challenge: Challenge,
    now: datetime,
    encoder: Encoder,
    scope: Sequence[Modality],
) -> Liveness:
    clip, sightings, own = findings.clip, findings.sightings, _own_speech(findings, subject)

    def likeness(begin: float, end: float) -> list[Match]:
        found = [match_face(subject.looks, encoder, begin, end)] if "face" in scope else []
        if findings.heard is not None and clip.sound is not None:
            found.append(match_voice(findings.heard, clip.sound, own, begin, end))
        return [match for match in found if match is not None]

    return judge(
        challenge,
        subject.head,
        own,
        clip.sound,
        sightings.cuts if sightings is not None else (),
        clip.sound_breaks,
        captured=clip.captured,
        now=now,
        likeness=likeness,
    )


def _own_speech(findings: Findings, subject: Person) -> Spans:
    """All the subject's speech, however long; where one person is seen and one voice heard, that voice's."""
    hearing, attribution = findings.hearing, findings.attribution
    if hearing is None or attribution is None:
        return ()
    alone = len(findings.people) == 1 and len(hearing.speakers) == 1
    mine = attribution.speakers(subject.number - 1) or ((1,) if alone else ())
    return sorted(span for speaker in hearing.speakers if speaker.number in mine for span in speaker.spans)


def _speaking(people: tuple[Person, ...], attribution: Attribution | None) -> Mapping[int, Agreement]:
    """For each person the voice that fits their mouth best."""
    if attribution is None:
        return {}
    return {
        person.number: max(row, key=lambda agreement: agreement.score)
        for person, row in zip(people, attribution.agreements, strict=True)
        if row
    }
