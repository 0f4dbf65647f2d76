"""The deletion certificate: what was destroyed, when, and proof that the ledger says so; signed by the operator."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, Literal, Self

from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cameo.errors import CertificateInvalid
from cameo.log.checkpoint import Checkpoint
from cameo.log.fields import decode64
from cameo.log.note import Verifier
from cameo.log.proof import Inclusion
from cameo.vault.entries import ChainHead, LedgerHead
from cameo.vault.line import Line, Opening
from enroll.documents import load, save, signer_of
from enroll.fields import Moment
from enroll.signature import sign

__all__ = ["Certificate", "Destroyed", "Kept", "Logged"]

# A signature is over what was read: a number in quotes must not read as that number.
_STRICT: Final = ConfigDict(frozen=True, extra="forbid", strict=True)


class Destroyed(BaseModel):
    """How many of each were destroyed."""

    model_config = _STRICT

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

    model_config = _STRICT

    sketches: int = Field(ge=1)
    what: str = (
        "A sketch of the face or the voice: bits that a secret key makes from its embedding. With that key it tells "
        "whether a newcomer is probably the same person, and nothing else: neither a picture, a voice nor the "
        "embedding comes back from it, and without the key it is noise. It is sealed, refuses a new enrollment here, "
        "and goes when this certificate's id is given to: cameo unbar."
    )


class Logged(BaseModel):
    """A line of the ledger about this deletion.

    Attributes:
        salt: base64; opens what the line commits to, which is the certificate's identity and consent.
        proof: that the line is in the ledger, whole, in the format of ``cameo.log.proof``.
    """

    model_config = _STRICT

    event: Literal["revoke", "purged"]
    salt: str
    proof: str


class Certificate(BaseModel):
    """A signed deletion certificate. It names the person by random ids alone.

    Attributes:
        certificate_id: UUID4.
        enrolled: when the identity was stored, UTC.
        revoked: when its key was destroyed; from then on nothing of it could be read.
        completed: when the rest was gone too.
        reason: as given; None when none was.
        kept: what was not destroyed at the person's own wish; None when nothing was kept.
        ledger: how the ledger stood with this deletion in it; None when it was damaged already.
        logged: the lines that say so, with proofs that need no vault; see ``check_log``.
        signature: see ``enroll.signature``.
    """

    model_config = _STRICT

    # Format 1 knew neither sketches nor a wish to stay away, 2 no proofs: the ledger was a chain then.
    format: Literal["cameo-deletion/1", "cameo-deletion/2", "cameo-deletion/3"] = "cameo-deletion/3"
    certificate_id: str
    identity_id: str
    consent_id: str
    enrolled: Moment
    revoked: Moment
    completed: Moment
    reason: str | None
    destroyed: Destroyed
    kept: Kept | None = None
    ledger: LedgerHead | ChainHead | None
    logged: tuple[Logged, ...] = ()
    signature: str | None = None

    @model_validator(mode="after")
    def _knows_what_it_says(self) -> Self:
        # What a format does not know, its signature does not cover.
        if self.format == "cameo-deletion/1" and (self.kept is not None or self.destroyed.sketches):
            raise ValueError("cameo-deletion/1 knows no sketches")
        if self.format != "cameo-deletion/3" and self.logged:
            raise ValueError(f"{self.format} knows no proofs")
        return self

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Raises CertificateInvalid when there is no certificate in this file. Does not look at the signature."""
        return load(cls, path, "deletion certificate", CertificateInvalid)

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Raises CertificateInvalid when the file cannot be written."""
        save(path, self.to_json(), "certificate", CertificateInvalid)

    def sign(self, key: OKPKey) -> Self:
        return self.model_copy(update={"signature": sign(self._signed_fields(), key)})

    def verify(self, trusted: Collection[str] | None = None) -> None:
        """Hold the certificate to its signature.

        Args:
            trusted: thumbprints of operators whose word counts; None for any.

        Raises:
            CertificateInvalid: unsigned, changed, or signed by a stranger.
        """
        what = f"certificate {self.certificate_id}"
        signer_of(self._signed_fields(), self.signature, what, CertificateInvalid, trusted=trusted)

    def check_log(self, verifier: Verifier) -> Checkpoint:
        """Whether the operator's ledger says that the key was destroyed and everything else after it, at the times
        the certificate gives. Needs no vault.

        Args:
            verifier: the ledger's key, from somewhere else than this certificate.

        Returns:
            The checkpoint it is in.

        Raises:
            CertificateInvalid: it holds no proofs, or they are of something else.
            ProofInvalid: a proof does not hold.
        """
        if [line.event for line in self.logged] != ["revoke", "purged"] or not isinstance(self.ledger, LedgerHead):
            raise CertificateInvalid(
                f"certificate {self.certificate_id} holds no proofs of the ledger",
                hint="it was made by an earlier Cameo, or the ledger was damaged; its signature can be checked",
            )
        for logged, at in zip(self.logged, (self.revoked, self.completed), strict=True):
            inclusion = Inclusion.parse(logged.proof.encode())
            checkpoint = inclusion.verify(verifier)
            opening = Opening(
                decode64(logged.salt, "salt"), {"identity_id": self.identity_id, "consent_id": self.consent_id}
            )
            told = Line(inclusion.index + 1, int(at.timestamp()), logged.event, opening.commitment())
            head = LedgerHead(size=checkpoint.size, root=checkpoint.root.hex())
            if told.to_bytes() != inclusion.entry or head != self.ledger:
                raise CertificateInvalid(
                    f"certificate {self.certificate_id}: its proof of {logged.event} is of something else"
                )
        return checkpoint

    def _signed_fields(self) -> dict[str, object]:
        later: dict[str, Any] = {} if self.format == "cameo-deletion/3" else {"logged": True}
        if self.format == "cameo-deletion/1":
            later |= {"kept": True, "destroyed": {"sketches"}}
        return self.model_dump(mode="json", exclude={"signature": True} | later)
