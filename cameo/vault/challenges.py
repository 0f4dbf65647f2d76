"""Challenges that were answered, and the clips that answered them: neither serves a second time.

What is kept are keyed digests (HMAC-SHA256 under the master key) and a date. They name nobody and are tied to nobody,
so they stay when somebody revokes; that is what they are for. A year later they go.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cameo.errors import ChallengeUsed
from cameo.vault.keys import MasterKey
from cameo.vault.schema import Base
from enroll.consent import Challenge, ConsentRecord
from enroll.fields import spell

__all__ = ["MEMORY", "UsedChallenge", "require_unused", "use"]

MEMORY: Final = timedelta(days=366)
"""How long a challenge and its clip are remembered: far longer than the half hour for which a challenge is good."""


class UsedChallenge(Base):
    """One answered challenge: its tag, that of its clip, and until when both are remembered."""

    __tablename__ = "challenges"
    __table_args__ = ({"sqlite_strict": True},)

    tag: Mapped[bytes] = mapped_column(primary_key=True)
    clip_tag: Mapped[bytes] = mapped_column(unique=True)
    until: Mapped[int]


def require_unused(session: Session, master: MasterKey, consent: ConsentRecord, clip_sha256: str | None = None) -> None:
    """
    Args:
        clip_sha256: of the clip that is to answer the challenge, hex; None while that is not known.

    Raises:
        ChallengeUsed: the challenge was answered before, or this very clip answered one.
    """
    if session.get(UsedChallenge, _tag(master, consent.challenge)) is not None:
        raise ChallengeUsed(
            f"the challenge of the consent for @{consent.handle} was answered before",
            hint="make a new request: cameo consent new",
        )
    if clip_sha256 is None:
        return
    served = select(UsedChallenge).where(UsedChallenge.clip_tag == master.tag("challenge clip", clip_sha256))
    if session.scalars(served).first() is not None:
        raise ChallengeUsed(
            f"this clip answered another challenge before that of @{consent.handle}", hint="film a new clip"
        )


def use(session: Session, master: MasterKey, consent: ConsentRecord, *, at: int) -> None:
    """Remember the challenge that a consent rests on; a consent that rests on none is left alone.

    Raises:
        ChallengeUsed: see ``require_unused``.
    """
    session.execute(delete(UsedChallenge).where(UsedChallenge.until < at))
    if consent.evidence is None:
        return
    clip = consent.evidence.clip_sha256
    require_unused(session, master, consent, clip)
    session.add(
        UsedChallenge(
            tag=_tag(master, consent.challenge),
            clip_tag=master.tag("challenge clip", clip),
            until=at + int(MEMORY.total_seconds()),
        )
    )


def _tag(master: MasterKey, challenge: Challenge) -> bytes:
    """Of what was asked, not of whom: a challenge that was copied into another request is the same challenge."""
    return master.tag("challenge", challenge.digits, *challenge.turns, spell(challenge.valid_until))
