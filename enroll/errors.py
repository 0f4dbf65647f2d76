"""Every way enrollment can refuse.

    KitError                    base of both packages: code, message, hint
    └─ EnrollError              the clip or the consent cannot serve; nothing was stored
       ├─ BadInput              bad_input
       │  ├─ ClipUnreadable     clip_unreadable
       │  ├─ ClipTooShort       clip_too_short
       │  ├─ NoFace             no_face
       │  ├─ FaceTooSmall       face_too_small
       │  ├─ FaceCovered        face_covered
       │  ├─ SeveralPeople      several_people
       │  └─ NoSpeech           no_speech
       ├─ ConsentInvalid        consent_invalid
       ├─ ChallengeFailed       challenge_failed
       ├─ ConsentExpired        consent_expired
       ├─ WeightsMissing        weights_missing
       │  ├─ WeightsChanged     weights_changed
       │  └─ DownloadFailed     download_failed
       └─ LicenceNotAccepted    licence_not_accepted

A message is one line a person can act on. It never holds biometric data: no embedding, no pixels, no transcript.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadInput",
    "ChallengeFailed",
    "ClipTooShort",
    "ClipUnreadable",
    "ConsentExpired",
    "ConsentInvalid",
    "DownloadFailed",
    "EnrollError",
    "FaceCovered",
    "FaceTooSmall",
    "KitError",
    "LicenceNotAccepted",
    "NoFace",
    "NoSpeech",
    "SeveralPeople",
    "WeightsChanged",
    "WeightsMissing",
]


class KitError(Exception):
    """A failure with a stable code, a sentence for a person, and what to do about it.

    Attributes:
        code: stable machine-readable name, the ``error.code`` of ``--json``.
        exit_status: what the command line exits with.
        message: what is wrong and where, one line.
        hint: what to do, one line; empty when there is nothing to do.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = _one_line(message)
        self.hint = _one_line(hint)
        super().__init__(self.message)


class EnrollError(KitError):
    """The input cannot serve for an enrollment. Nothing was stored."""

    exit_status = 3


class BadInput(EnrollError):
    code = "bad_input"


class ClipUnreadable(BadInput):
    code = "clip_unreadable"


class ClipTooShort(BadInput):
    code = "clip_too_short"


class NoFace(BadInput):
    code = "no_face"


class FaceTooSmall(BadInput):
    code = "face_too_small"


class FaceCovered(BadInput):
    code = "face_covered"


class SeveralPeople(BadInput):
    code = "several_people"


class NoSpeech(BadInput):
    code = "no_speech"


class ConsentInvalid(EnrollError):
    code = "consent_invalid"


class ChallengeFailed(EnrollError):
    """The clip does not answer what its consent request asked for."""

    code = "challenge_failed"


class ConsentExpired(EnrollError):
    code = "consent_expired"
    exit_status = 4


class WeightsMissing(EnrollError):
    code = "weights_missing"
    exit_status = 5


class WeightsChanged(WeightsMissing):
    """Weights are there and are not the published ones, or not those of their first use. They were not opened."""

    code = "weights_changed"


class DownloadFailed(WeightsMissing):
    """Weights could not be fetched. Nothing was put in place."""

    code = "download_failed"


class LicenceNotAccepted(EnrollError):
    """Weights are downloaded under their licence, or not at all."""

    code = "licence_not_accepted"
    exit_status = 4


def _one_line(text: str) -> str:
    """A file may be called ``a\\nb``; a log line may not."""
    return " ".join(text.split())
