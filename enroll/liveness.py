"""Was the challenge met: digits and head turns, in order, in time, in one uncut clip, by the person who is enrolled.

Each question is asked apart and answered with what was counted and, where it failed, with a line for the person in
front of the camera. What was said is not kept: times and numbers are. ``spoken`` and ``live`` claim what was checked:

    spoken   time, picture, sound, digits, voice, face, mouth
    live     and turns

A camera that is fed a forgery made while the challenge was good passes all of these: see ``Capture``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE
from enroll.consent import CHALLENGE_LIFE, Challenge
from enroll.digits import LONGEST_SECONDS, SpokenDigits, find_digits
from enroll.evidence import CheckName, Level, Match
from enroll.fields import spell
from enroll.splices import find_splices
from enroll.sync import AGREES, ENOUGH_SECONDS, SOON_AGREES, Agreement, agree
from enroll.tracking import HeadTrack
from enroll.turns import SeenTurn, find_turns, match_turns

__all__ = ["Check", "Liveness", "judge"]

SPOKEN: Final[tuple[CheckName, ...]] = ("time", "picture", "sound", "digits", "voice", "face", "mouth")
"""What must pass for ``spoken``; for ``live`` the turns as well."""

_SKEW = timedelta(minutes=2)
"""How far the clock of a camera may be off."""
_EPOCHS = datetime(2000, 1, 1, tzinfo=UTC)
"""Containers without a clock say 1904 or 1970."""
_GAP, _GAP_IN_TURN = 0.5, 1.0
"""Seconds for which the head may be lost from sight; longer in a turn, where it is seen from the side."""
_EXTRA_TURNS, _EXTRA_NODS = 2, 4
"""Turns and nods beside the asked ones. Whoever turns about for long would in the end turn as asked."""
_VOICE_SLACK = 0.2
"""Seconds by which the borders of speech and of digits may differ."""


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Attributes:
        name: what was asked.
        passed: whether it holds.
        found: what was counted, one line.
        problem: why it does not hold, one line; empty if it does.
        advice: what to do about that, one line.
    """

    name: CheckName
    passed: bool
    found: str
    problem: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Liveness:
    """How a challenge was answered.

    Attributes:
        level: what was reached.
        checks: in the order in which they were made. After a failed ``time`` nothing else is looked at.
        captured: when the clip was filmed, as its container claims; None where it claims nothing.
        digits: seconds from the first digit to the last; None when they were not found.
        turns: those that answer the challenge; empty when they were not found.
        mirrored: whether left and right are swapped in them.
        matches: how well the face and the voice that answered, and its mouth, fit the person who is learnt.
    """

    level: Level
    checks: tuple[Check, ...]
    captured: datetime | None = None
    digits: tuple[float, float] | None = None
    turns: tuple[SeenTurn, ...] = ()
    mirrored: bool = False
    matches: tuple[Match, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    @property
    def passed(self) -> tuple[CheckName, ...]:
        return tuple(check.name for check in self.checks if check.passed)


def judge(
    challenge: Challenge,
    head: HeadTrack,
    speech: Spans,
    sound: NDArray[np.float32] | None,
    cuts: Sequence[float],
    breaks: Sequence[float],
    *,
    captured: datetime | None,
    now: datetime,
    mouth: Callable[[HeadTrack, NDArray[np.float32], Spans], Agreement] = agree,
    likeness: Callable[[float, float], Sequence[Match]] = lambda begin, end: (),
) -> Liveness:
    """Judges a clip against a challenge.

    Args:
        challenge: what was asked for.
        head: of the person to be enrolled, through the whole clip.
        speech: of the person to be enrolled: (first sample, end) in ``sound``. What others say does not count.
        sound: of the whole clip, mono float32 at 16 kHz, shape (N,); None without sound. It is listened to for the
            challenge also where the voice is not to be learnt; nothing of it is kept.
        cuts: seconds at which the picture jumps (``continuity.CutDetector.cuts``).
        breaks: seconds at which the sound's timestamps jump (``Clip.sound_breaks``).
        captured: when the clip was filmed, as its container claims; None where it claims nothing, and then ``now``
            alone is held against the challenge's half hour.
        now: the moment that counts.
        mouth: says whether a mouth makes a voice.
        likeness: compares the face and the voice between two seconds of the clip with those that are learnt.
    """
    captured = captured if captured is not None and captured >= _EPOCHS else None
    time = _time(challenge, captured, now)
    if not time.passed:
        return Liveness("none", (time,), captured)
    said = find_digits(sound, challenge.digits, speech) if sound is not None and len(sound) else None
    seen = find_turns(head)
    plain = sum(not turn.is_nod for turn in seen)
    asked = len(challenge.turns)
    few = plain <= asked + _EXTRA_TURNS and len(seen) <= asked + _EXTRA_TURNS + _EXTRA_NODS
    matched = match_turns(challenge.turns, seen) if few else None
    fits = [*likeness(said.begin, said.end)] if said is not None else []
    mouth_check, mouth_fit = _mouth(said, head, speech, sound, mouth)
    checks = (
        time,
        _picture(cuts),
        _sound(sound, speech, breaks),
        _digits(said, speech, sound),
        _voice(said, speech, fits),
        _face(said, head, fits),
        mouth_check,
        _turns(matched, seen, challenge, head, said),
    )
    passed = {check.name for check in checks if check.passed}
    spoken = passed.issuperset(SPOKEN)
    level: Level = "none" if not spoken else "live" if "turns" in passed else "spoken"
    turns, mirrored = matched if matched is not None else ((), False)
    digits = (said.begin, said.end) if said else None
    return Liveness(level, checks, captured, digits, turns, mirrored, (*fits, *mouth_fit))


def _time(challenge: Challenge, captured: datetime | None, now: datetime) -> Check:
    issued, until = challenge.valid_until - CHALLENGE_LIFE, challenge.valid_until
    retake = "make a new request and film again within 30 minutes: cameo consent new"
    if now > until:
        return Check(
            "time", False, "answered too late", f"its numbers and turns were good until {spell(until)}", retake
        )
    if captured is None:
        return Check("time", True, "the clip does not say when it was filmed; judged by the clock here alone")
    found = f"filmed {spell(captured)}, as the clip says"
    if captured < issued - _SKEW:
        problem = f"the clip says it was filmed {spell(captured)}, before the numbers were given at {spell(issued)}"
        return Check("time", False, found, problem, "film a new clip, or set the camera's clock")
    if captured > until + _SKEW:
        problem = f"the clip says it was filmed {spell(captured)}, and the numbers were good until {spell(until)}"
        return Check("time", False, found, problem, retake)
    return Check("time", True, found)


def _picture(cuts: Sequence[float]) -> Check:
    if not cuts:
        return Check("picture", True, "no cut")
    problem = f"the picture jumps at {_at(cuts)}"
    return Check("picture", False, f"{len(cuts)} cuts", problem, "film it in one go and do not edit it")


def _sound(sound: NDArray[np.float32] | None, speech: Spans, breaks: Sequence[float]) -> Check:
    if sound is None or not len(sound):
        return Check("sound", False, "no sound", "the clip has no sound", "film with sound")
    jumps = sorted({*breaks, *find_splices(sound, speech)})
    if not jumps:
        return Check("sound", True, "no break")
    problem = f"the sound breaks off at {_at(jumps)}"
    return Check("sound", False, f"{len(jumps)} breaks", problem, "film it in one go and do not edit it")


def _digits(said: SpokenDigits | None, speech: Spans, sound: NDArray[np.float32] | None) -> Check:
    if said is not None:
        return Check("digits", True, f"{len(said.words)} digits from {said.begin:.1f} to {said.end:.1f} s")
    seconds = sum(end - begin for begin, end in speech) / SAMPLE_RATE if sound is not None else 0.0
    if seconds > LONGEST_SECONDS:
        problem = f"there is {seconds:.0f} s of speech; the numbers are looked for in {LONGEST_SECONDS:.0f} s"
        return Check("digits", False, f"{seconds:.0f} s of speech", problem, "say the statement once, and no more")
    advice = "say the numbers one by one, clearly, in English and in their order"
    return Check("digits", False, f"{seconds:.1f} s of speech", "the numbers asked for were not heard in order", advice)


def _voice(said: SpokenDigits | None, speech: Spans, fits: Sequence[Match]) -> Check:
    if said is None:
        return _missing("voice", "the digits")
    spans = [(begin / SAMPLE_RATE - _VOICE_SLACK, end / SAMPLE_RATE + _VOICE_SLACK) for begin, end in speech]
    own = sum(any(begin <= (first + last) / 2 <= end for begin, end in spans) for first, last in said.words)
    found = f"{own} of {len(said.words)} digits in the voice of the person"
    if own == len(said.words) and _same("voice", fits):
        return Check("voice", True, found)
    return Check("voice", False, found, "the numbers are said by somebody else", "say all of them yourself")


def _face(said: SpokenDigits | None, head: HeadTrack, fits: Sequence[Match]) -> Check:
    if said is None:
        return _missing("face", "the digits")
    if not _same("face", fits):
        problem = "the face that says the numbers is not the one in the rest of the clip"
        return Check("face", False, "another face", problem, "film one person, from the front, in even light")
    gap = _longest_gap(head, said.begin, said.end)
    if gap <= _GAP:
        return Check("face", True, f"in sight during the digits, lost for {gap:.2f} s at most")
    problem = f"the face is out of sight for {gap:.1f} s while the numbers are said"
    return Check("face", False, f"lost for {gap:.1f} s", problem, "keep your face in the picture, from the front")


def _mouth(
    said: SpokenDigits | None,
    head: HeadTrack,
    speech: Spans,
    sound: NDArray[np.float32] | None,
    mouth: Callable[[HeadTrack, NDArray[np.float32], Spans], Agreement],
) -> tuple[Check, tuple[Match, ...]]:
    if said is None or sound is None:
        return _missing("mouth", "the digits"), ()
    whole = mouth(head, sound, speech)
    digits = mouth(head, sound, [(round(said.begin * SAMPLE_RATE), round(said.end * SAMPLE_RATE))])
    found = f"the mouth fits the voice at {whole.score:.1f} standard deviations over {whole.seconds:.1f} s"
    if whole.verdict == "agrees" and digits.verdict != "disagrees":
        least = AGREES if whole.seconds >= ENOUGH_SECONDS else SOON_AGREES
        fit = Match(of="mouth", by="sync", measure="deviations", score=round(whole.score, 2), threshold=least)
        return Check("mouth", True, found), (fit,)
    advice = "film your face from the front, near and in good light, and speak in front of the camera"
    return Check("mouth", False, found, "the mouth that is seen does not make the voice that is heard", advice), ()


def _turns(
    matched: tuple[tuple[SeenTurn, ...], bool] | None,
    seen: Sequence[SeenTurn],
    challenge: Challenge,
    head: HeadTrack,
    said: SpokenDigits | None,
) -> Check:
    advice = f"turn your head {', '.join(challenge.turns)}, each well to the side and back to the front"
    if matched is None:
        problem = (
            f"{len(seen)} turns of the head were seen, and not the {len(challenge.turns)} asked for in their order"
        )
        return Check("turns", False, f"{len(seen)} turns", problem, advice)
    turns, mirrored = matched
    begin, end = turns[0].begin, turns[-1].end
    found = f"{len(turns)} turns from {begin:.1f} to {end:.1f} s{', mirrored' if mirrored else ''}"
    if said is not None:
        # It is one and the same head from the digits to the turns.
        begin, end = min(begin, said.begin), max(end, said.end)
    for first, last in _gaps(head, begin, end):
        turning = any(turn.begin - _GAP <= first and last <= turn.end + _GAP for turn in seen)
        if last - first > (_GAP_IN_TURN if turning else _GAP):
            problem = f"the face is out of sight for {last - first:.1f} s at {first:.1f} s"
            return Check("turns", False, found, problem, "do not turn farther than a shoulder, and stay in the picture")
    return Check("turns", True, found)


def _same(of: str, fits: Sequence[Match]) -> bool:
    return all(fit.holds for fit in fits if fit.of == of)


def _missing(name: CheckName, what: str) -> Check:
    return Check(name, False, "not judged", f"without {what} this cannot be judged", "see there")


def _gaps(head: HeadTrack, begin: float, end: float) -> Iterator[tuple[float, float]]:
    """Stretches from one sight of the head to the next, between two moments."""
    inside = head.seconds[(head.seconds > begin) & (head.seconds < end)]
    moments = [begin, *(float(second) for second in inside), end]
    yield from pairwise(moments)


def _longest_gap(head: HeadTrack, begin: float, end: float) -> float:
    return max(last - first for first, last in _gaps(head, begin, end))


def _at(seconds: Sequence[float]) -> str:
    shown = ", ".join(f"{second:.1f}" for second in seconds[:3])
    return f"{shown} s" + (" and elsewhere" if len(seconds) > 3 else "")
