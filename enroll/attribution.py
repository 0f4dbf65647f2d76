"""Whose voice is whose: speakers tied to mouths, and the subject's clean speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enroll.errors import NoSpeech
from enroll.sync import TALKING, Agreement, agreements
from enroll.tracking import HeadTrack
from enroll.voice import MIN_SECONDS, Heard, Hearing, speech_of

__all__ = ["TRUST_HINT", "Attribution", "attribute", "subject_speech"]

TRUST_HINT = "face the camera and speak for 5 s or more, or vouch for it with --trust-voice"

LEAD = 1.5
"""By so much must the best mouth's score lead the next best's where two mouths could be the speaker's."""
LIKELY, QUIET = 1.0, 0.5
"""A score that is enough for the only mouth that moves, and how much of the time the others may move meanwhile."""


@dataclass(frozen=True)
class Attribution:
    """Speakers and mouths of one clip.

    Attributes:
        agreements: for each head, for each speaker in the order of ``Hearing.speakers``.
        owners: for each speaker, the index of the head whose mouth makes that voice; None where none certainly does.
    """

    agreements: tuple[tuple[Agreement, ...], ...]
    owners: tuple[int | None, ...]

    def speakers(self, head: int) -> tuple[int, ...]:
        """Numbers of the speakers that are certainly this head's."""
        return tuple(number for number, owner in enumerate(self.owners, 1) if owner == head)


def attribute(hearing: Hearing, heads: Sequence[HeadTrack], sound: NDArray[np.float32]) -> Attribution:
    """Says for every speaker which of the heads it is, if one certainly is.

    Args:
        hearing: of ``sound``.
        heads: everybody seen.
        sound: mono float32 at 16 kHz, shape (N,), on the clock of the heads.
    """
    found = agreements(heads, sound, [speaker.spans for speaker in hearing.speakers])
    return Attribution(found, tuple(_owner([row[k] for row in found]) for k in range(len(hearing.speakers))))


def subject_speech(
    hearing: Hearing, found: Attribution, subject: int, sound: NDArray[np.float32], *, trusted: bool = False
) -> Heard | None:
    """The subject's clean speech: that of the speakers whose voice the subject's mouth makes, and nobody else's.

    None where one voice is heard and one person is seen, and the mouth says neither yes nor no: a voice that may be
    somebody else's is not learnt, unless somebody vouches for it.

    Args:
        hearing: of ``sound``.
        found: whose voice is whose, everybody seen among the heads.
        subject: index of the subject's head there.
        sound: mono float32 at 16 kHz, shape (N,), on the clock of the heads.
        trusted: the operator vouches that such a voice is the subject's; ``Heard.tied`` is False then.

    Raises:
        NoSpeech: no voice heard is the subject's for sure, or too little of it.
    """
    mine = found.speakers(subject)
    if not mine:
        verdicts = [agreement.verdict for agreement in found.agreements[subject]]
        if len(found.agreements) > 1 or len(hearing.speakers) > 1 or "disagrees" in verdicts:
            raise _not_the_subjects(len(hearing.speakers), all(verdict == "disagrees" for verdict in verdicts))
        if not trusted:
            return None
    heard = speech_of(hearing, sound, mine or (1,), tied=bool(mine))
    if heard.seconds < MIN_SECONDS:
        raise NoSpeech(
            f"the subject says {heard.seconds:.1f} s alone; at least {MIN_SECONDS} s is needed",
            hint="film the subject saying a few sentences while nobody else talks",
        )
    return heard


def _owner(column: Sequence[Agreement]) -> int | None:
    """The head whose mouth makes one voice: the one that agrees, well before any other that does; or, where several can
    be seen, the only one that talks."""
    order = sorted(range(len(column)), key=lambda head: -column[head].score)
    agree = [head for head in order if column[head].verdict == "agrees"]
    if agree:
        alone = len(agree) == 1 or column[agree[0]].score - column[agree[1]].score >= LEAD
        return agree[0] if alone else None
    talk = [head for head in order if column[head].moving >= TALKING]
    if len(talk) != 1 or len(column) < 2:
        return None
    talker = column[talk[0]]
    quiet = all(a.moving <= QUIET and a.seconds >= talker.seconds / 2 for a in column if a is not talker)
    return talk[0] if quiet and talker.score >= LIKELY else None


def _not_the_subjects(voices: int, denied: bool) -> NoSpeech:
    what = "the voice" if voices == 1 else f"none of the {voices} voices"
    if denied:
        message = f"{what} does not come from the subject's mouth" if voices == 1 else f"{what} comes from the subject"
        return NoSpeech(f"{message}: a voice-over, or somebody outside the picture", hint="film the subject speaking")
    verb = "cannot be tied" if voices == 1 else "can be tied"
    return NoSpeech(
        f"{what} {verb} to the subject's mouth",
        hint="film the subject alone, facing the camera and speaking for 5 s or more",
    )
