"""The deletion certificate: what was destroyed, when, and where the ledger stood; signed by the operator."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, Literal, Self

from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cameo.errors import CertificateInvalid
from cameo.vault.entries import LedgerHead
from enroll.fields import Moment
from enroll.files import write_atomically
from enroll.signature import SignatureBroken, sign, verify

__all__ = ["Certificate", "Destroyed", "Kept"]

_MAX_BYTES: Final = 64 * 1024


class Destroyed(BaseModel):
    """How many of each were destroyed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: int = Field(ge=0)
    blobs: int = Field(ge=0)
    consent_records: int = Field(ge=0)
    grants: int = Field(ge=0)
    scene_details: int = Field(ge=0)
    ledger_openings: int = Field(ge=0)
    sketches: int = Field(default=0, ge=0)


class Kept(BaseModel):
    """What was not destroyed, because the person asked not to be enrolled again, and what it can do.

    Attributes:
        sketches: how many: one of the face, one of the voice, as far as their consent went.
        what: the same in words, for whoever reads the certificate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sketches: int = Field(ge=1)
    what: str = (
        "A sketch of the face or the voice: bits that a secret key makes from its embedding. With that key it tells "
        "whether a newcomer is probably the same person, and nothing else: neither a picture, a voice nor the "
        "embedding comes back from it, and without the key it is noise. It is sealed, refuses a new enrollment here, "
        "and goes when this certificate's id is given to: cameo unbar."
    )


class Certificate(BaseModel):
    """A signed deletion certificate. It names the person by random ids alone.

    Attributes:
        certificate_id: UUID4.
        enrolled: when the identity was stored, UTC.
        revoked: when its key was destroyed; from then on nothing of it could be read.
        completed: when the rest was gone too.
        reason: as given; None when none was.
        kept: what was not destroyed at the person's own wish; None when nothing was kept.
        ledger: the ledger's size and head with this deletion in it.
        signature: see ``enroll.signature``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    # Format 1 knew neither sketches nor a wish to stay away.
    format: Literal["cameo-deletion/1", "cameo-deletion/2"] = "cameo-deletion/2"
    certificate_id: str
    identity_id: str
    consent_id: str
    enrolled: Moment
    revoked: Moment
    completed: Moment
    reason: str | None
    destroyed: Destroyed
    kept: Kept | None = None
    ledger: LedgerHead
    signature: str | None = None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Raises CertificateInvalid when there is no certificate in this file. Does not look at the signature."""
        try:
            with Path(path).open("rb") as file:
                return cls.model_validate_json(file.read(_MAX_BYTES))
        except OSError as error:
            raise CertificateInvalid(f"cannot read the certificate {path}: {error.strerror}") from None
        except ValidationError as error:
            raise CertificateInvalid(
                f"{path} is no deletion certificate: {error.error_count()} fields do not fit"
            ) from None

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Raises CertificateInvalid when the file cannot be written."""
        try:
            write_atomically(Path(path), self.to_json().encode())
        except OSError as error:
            raise CertificateInvalid(f"cannot write the certificate {path}: {error.strerror}") from None

    def sign(self, key: OKPKey) -> Self:
        return self.model_copy(update={"signature": sign(self._signed_fields(), key)})

    def verify(self, trusted: Collection[str] | None = None) -> None:
        """Hold the certificate to its signature.

        Args:
            trusted: thumbprints of operators whose word counts; None for any.

        Raises:
            CertificateInvalid: unsigned, changed, or signed by a stranger.
        """
        if self.signature is None:
            raise CertificateInvalid(f"certificate {self.certificate_id} is not signed")
        try:
            signer = verify(self._signed_fields(), self.signature)
        except SignatureBroken as error:
            raise CertificateInvalid(f"certificate {self.certificate_id} was changed: {error}") from None
        if trusted is not None and signer not in trusted:
            raise CertificateInvalid(
                f"certificate {self.certificate_id} is signed by {signer}, whom nobody here trusts"
            )

    def _signed_fields(self) -> dict[str, object]:
        later: dict[str, Any] = {"kept": True, "destroyed": {"sketches"}} if self.format == "cameo-deletion/1" else {}
        return self.model_dump(mode="json", exclude={"signature": True} | later)
