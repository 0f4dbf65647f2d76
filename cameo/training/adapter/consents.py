"""Who may be learned from: every clip's consent is held to everything before the clip is opened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from cameo.errors import PermissionDenied, Revoked, Suspended
from cameo.training.adapter.clips import Found
from enroll.consent import ConsentRecord
from enroll.errors import ConsentInvalid, KitError

__all__ = ["Admitted", "admit", "is_held_out"]

_SEEN: Final = ("face", "body")
"""What the pictures of a clip show, whatever else is wanted of them."""


@dataclass(frozen=True, repr=False)
class Admitted:
    """A clip that may be learned from.

    Attributes:
        found: the clip.
        consent: what its person agreed to.
        person: who it is, the same for all their clips: a digest of who vouches for them and of their handle.
    """

    found: Found
    consent: ConsentRecord
    person: str

    def __repr__(self) -> str:
        return f"Admitted({self.found.name!r}, {self.person})"


def admit(
    found: Sequence[Found],
    *,
    trusted: Collection[str],
    standing: Callable[[str], str],
    now: datetime,
) -> tuple[list[Admitted], list[str]]:
    """Whom of these may be learned from, and a line on everybody else.

    Args:
        found: the clips.
        trusted: thumbprints of those whose signature on a consent counts.
        standing: how the person behind a consent id stands in the home; see ``Vault.scene_cast``.
        now: the moment that counts.
    """
    admitted: list[Admitted] = []
    refused: list[str] = []
    for clip in found:
        try:
            admitted.append(_admit(clip, trusted, standing, now))
        except KitError as error:
            refused.append(f"{clip.name}: {error.message}")
    return admitted, refused


def is_held_out(person: str, share: float) -> bool:
    """Whether somebody is kept for validation: by their id alone, so whatever else is in the data."""
    return int(sha256(f"held out|{person}".encode()).hexdigest()[:8], 16) < share * 2**32


def _admit(clip: Found, trusted: Collection[str], standing: Callable[[str], str], now: datetime) -> Admitted:
    if clip.consent is None:
        raise ConsentInvalid("there is no consent beside it (NAME.consent.json); it was not opened")
    consent = ConsentRecord.from_json(clip.consent, source="what is beside it")
    signer = consent.verify(now=now, trusted=trusted)
    if "train" not in consent.uses:
        raise PermissionDenied(f"@{consent.handle} consented to {', '.join(consent.uses)}, not to train")
    if missing := [part for part in _SEEN if part not in consent.scope]:
        raise PermissionDenied(f"@{consent.handle} did not agree to {' and '.join(missing)}, which the pictures show")
    if not {"owner", "everyone"} & set(consent.grants):
        raise PermissionDenied(f"@{consent.handle} grants this to {', '.join(consent.grants) or 'nobody'} alone")
    match standing(consent.consent_id):
        case "revoked":
            raise Revoked(f"@{consent.handle} revoked this consent")
        case "suspended":
            raise Suspended(f"@{consent.handle} is suspended")
    # Two operators may each have an @ada.
    return Admitted(clip, consent, sha256(f"{signer}|{consent.handle}".encode()).hexdigest()[:16])
