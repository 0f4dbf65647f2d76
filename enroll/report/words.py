"""A report's sentences: what the figures mean, for whoever was filmed and whoever asked them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from enroll.consent import ConsentRecord
from enroll.evidence import CheckName, Match
from enroll.findings import Findings
from enroll.identity import Identity
from enroll.subject import Person

__all__ = [
    "Answered",
    "assurance",
    "at_a_glance",
    "checks",
    "cuts",
    "degrees",
    "from_to",
    "kept",
    "left",
    "of_person",
    "sound",
    "terms",
    "voices",
]

Fact = tuple[str, str]
"""A name and what it is."""

_ASSURANCE = {
    "requested": "nobody has agreed yet",
    "attested": "the operator vouches for it; the clip was not held against the challenge",
    "spoken": "the person said the challenge’s numbers in this clip, seen and heard, in one piece and in time",
    "live": "the person said the challenge’s numbers and turned their head as asked, in one piece and in time",
}
_QUESTIONS: dict[CheckName, str] = {
    "time": "Answered in time",
    "picture": "Picture in one piece",
    "sound": "Sound in one piece",
    "digits": "Numbers as asked",
    "voice": "Numbers in this person’s voice",
    "face": "Face in sight",
    "mouth": "Mouth makes the voice",
    "turns": "Head turned as asked",
}
_NOISE = ((30.0, "clean"), (20.0, "quiet"), (12.0, "some noise"), (-99.0, "noisy"))


@dataclass(frozen=True)
class Answered:
    """A check of the challenge: what was asked, how it came out, what was counted, and what to do if it failed."""

    question: str
    result: str
    found: str
    problem: str
    advice: str


def at_a_glance(consent: ConsentRecord, findings: Findings, identity: Identity | None) -> list[Fact]:
    """The few figures to look at first."""
    clip = findings.clip
    facts = [("Clip", f"{clip.seconds:.1f} s"), ("Picture", f"{clip.width} × {clip.height}")]
    if len(findings.people) > 1:
        which = findings.subject.number if findings.subject is not None else "one"
        facts.append(("Subject", f"{which} of {len(findings.people)}"))
    if identity is not None and (seen := identity.coverage.yaw) is not None:
        facts.append(("Head turned", from_to(seen)))
    if findings.heard is not None:
        facts.append(("Speech", f"{findings.heard.seconds:.1f} s"))
    if identity is not None:
        facts += [("Assurance", consent.assurance), ("In force until", f"{consent.valid_until:%Y-%m-%d}")]
    return facts


def from_to(angles: tuple[float, float]) -> str:
    """A range of degrees."""
    low, high = (degrees(angle) for angle in angles)
    return f"{low} to {high}"


def degrees(angle: float) -> str:
    """With its sign, and a minus that is one."""
    return f"{angle:+.0f}°".replace("-", "−")


def of_person(person: Person, findings: Findings) -> list[Fact]:
    """What is known of somebody in the clip."""
    facts = [
        ("In the picture", f"{100 * person.presence:.0f} %"),
        ("Faces the camera", f"{100 * person.facing:.0f} %"),
        ("Face height", f"{person.height:.0f} px"),
    ]
    if findings.hearing is not None and findings.attribution is not None:
        mine = findings.attribution.speakers(person.number - 1)
        spoken = sum(speaker.seconds for speaker in findings.hearing.speakers if speaker.number in mine)
        facts.append(("Speaks", f"{spoken:.1f} s" if mine else "unclear"))
    return facts


def cuts(findings: Findings) -> str:
    """Where the picture jumps."""
    found = findings.sightings.cuts if findings.sightings is not None else ()
    if not found:
        return "The picture does not jump."
    shown = ", ".join(f"{cut:.1f} s" for cut in found[:6]) + (" and later" if len(found) > 6 else "")
    return f"The picture jumps at {shown}."


def voices(findings: Findings) -> list[str]:
    """For each voice, whose mouth makes it."""
    hearing, found = findings.hearing, findings.attribution
    if hearing is None or found is None:
        return []
    subject = findings.subject.number if findings.subject is not None else None
    said = []
    for k, speaker in enumerate(hearing.speakers):
        column = [row[k] for row in found.agreements]
        owner = found.owners[k]
        if owner is not None:
            whose = f"person {owner + 1}{', the subject' if owner + 1 == subject else ''}"
            fit = column[owner]
            how = (
                f"the mouth follows it {fit.score:.1f} standard deviations better than chance, over {fit.seconds:.1f} s"
            )
            said.append(f"Voice {speaker.number} is made by the mouth of {whose}: {how}.")
        elif not column:
            said.append(f"Voice {speaker.number} has no mouth: nobody is seen for long enough.")
        elif all(agreement.verdict == "disagrees" for agreement in column):
            said.append(f"Voice {speaker.number} is made by no mouth in the picture.")
        elif findings.heard is not None and not findings.heard.tied:
            said.append(
                f"Voice {speaker.number} could not be tied to a mouth. It is the only voice and the subject the only "
                "person, and the operator vouched that it is theirs."
            )
        else:
            said.append(f"Voice {speaker.number} could not be tied to one mouth for sure, and is not used.")
    return said


def sound(findings: Findings) -> list[Fact]:
    """What lies behind the voice."""
    if findings.hearing is None:
        return []
    behind = findings.hearing.background
    noise = next(word for least, word in _NOISE if behind.snr_db >= least)
    return [
        ("Speech above noise", f"{behind.snr_db:.0f} dB, {noise}"),
        ("Music", f"{100 * behind.music:.0f} % of the clip" if behind.music > 0.005 else "none heard"),
        ("Clipping", f"{100 * behind.clipped:.1f} % of the speech" if behind.clipped > 0.0005 else "none"),
    ]


def checks(findings: Findings) -> list[Answered]:
    """How the challenge was answered; empty where the clip was not held against one."""
    if findings.liveness is None:
        return []
    answers = []
    for check in findings.liveness.checks:
        open_ = not check.passed and check.found == "not judged"
        result = "passed" if check.passed else "not judged" if open_ else "failed"
        found = check.problem if open_ else check.found
        answers.append(Answered(_QUESTIONS[check.name], result, found, check.problem, check.advice))
    return answers


def assurance(consent: ConsentRecord) -> str:
    """What the level claims."""
    return _ASSURANCE[consent.assurance]


def terms(consent: ConsentRecord) -> list[Fact]:
    """The record, field by field."""
    facts = [
        ("Person", consent.name),
        ("Handle", f"@{consent.handle}"),
        ("Covers", ", ".join(consent.scope)),
        ("May be used to", ", ".join(consent.uses)),
        ("By", ", ".join(consent.grants) or "nobody"),
        ("Given", f"{consent.created:%Y-%m-%d %H:%M} UTC"),
        ("In force until", f"{consent.valid_until:%Y-%m-%d %H:%M} UTC"),
        ("Assurance", consent.assurance),
    ]
    if consent.attested_by is not None:
        facts.append(("Vouched for by", consent.attested_by))
    if consent.capture is not None:
        facts.append(("The clip came by", consent.capture))
    if consent.evidence is not None:
        rests = ", ".join(consent.evidence.checks)
        facts.append(("Rests on", f"{rests}; judged {consent.evidence.judged:%Y-%m-%d %H:%M} UTC"))
        facts += [(f"The {match.of} fits", _fit(match)) for match in consent.evidence.matches]
    return [*facts, ("Record", consent.consent_id)]


def _fit(match: Match) -> str:
    asked = "at most" if match.measure == "distance" else "at least"
    return f"{match.measure} {match.score:g}, {asked} {match.threshold:g} ({match.by})"


def kept(identity: Identity) -> list[Fact]:
    """What there is of the person now."""
    crops = [(kind, len(identity.crops_of(kind))) for kind in ("head", "body")]
    facts = [("Embeddings", f"{len(identity.embeddings)}, each in a space of its own")]
    facts += [(f"{kind.capitalize()} crops", f"{count} of 128 × 128 pixels") for kind, count in crops if count]
    if identity.speech is not None:
        facts.append(("Speech", f"{identity.speech.seconds:.1f} s as a reference"))
    return [*facts, ("Figures", "coverage, quality, when and from which file (its SHA-256)")]


def left(consent: ConsentRecord) -> str:
    """For how long."""
    gone = consent.valid_until + timedelta(days=consent.retention_days)
    if not consent.retention_days:
        return f"Usable until {consent.valid_until:%Y-%m-%d}, and destroyed then."
    return (
        f"Usable until {consent.valid_until:%Y-%m-%d}. Then kept locked for {consent.retention_days} days, "
        f"for a renewal, and destroyed on {gone:%Y-%m-%d}."
    )
