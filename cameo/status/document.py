"""The signed status list: two rows of bits, who says so, since when, until when, and which one of all it is.

The members are those of Bitstring Status List v1.0 and Verifiable Credentials 2.0 (W3C), with three of our own:

- ``credentialSubject`` holds two lists, for revocation and for suspension, so that nobody can be handed the news of
  one with the yesterday of the other;
- ``epoch`` counts the lists that differ, so that a reader notices when it is offered an older one;
- ``signature`` is a JWS with detached content over RFC 8785 JSON (see ``enroll.signature``): inside an ordinary JWS the
  lists would be in base64 twice, and a third longer.

The issuer is named by the thumbprint of its key, as a URI (RFC 9278). Which bit is whose, the list does not say.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from cameo.errors import StatusListInvalid, StatusListNotInForce
from cameo.status.bitstring import Bitstring
from enroll.documents import complaint, load, parse, save, signer_of
from enroll.fields import Moment, spell
from enroll.signature import sign, thumbprint

__all__ = [
    "CLOCK_SKEW",
    "GREATEST_AGE",
    "MAX_AGE",
    "Listed",
    "Purpose",
    "Standing",
    "StatusList",
    "issuer_of",
    "list_id_of",
]

Purpose = Literal["revocation", "suspension"]
Standing = Literal["valid", "suspended", "revoked"]

GREATEST_AGE: Final = timedelta(hours=24)
"""How long a list is good for when nobody says otherwise."""

MAX_AGE: Final = timedelta(days=31)
"""The longest anybody may say. Whoever has no newer list goes on with people who left that long ago."""

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far the clocks of issuer and reader may differ."""

_ISSUER: Final = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"
_MAX_BYTES: Final = 8 * 1024 * 1024
_FIELDS: Final = ConfigDict(
    frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
)


def issuer_of(thumbprint: str) -> str:
    """The issuer as a list names it: a JWK thumbprint URI (RFC 9278)."""
    return _ISSUER + thumbprint


def list_id_of(thumbprint: str) -> str:
    """What a scene points to: the same for every list of an issuer, so that it holds for the next one too."""
    return f"{issuer_of(thumbprint)}#status"


class Listed(BaseModel):
    """One list: a ``credentialSubject`` of the standard."""

    model_config = _FIELDS

    type: Literal["BitstringStatusList"] = "BitstringStatusList"
    status_purpose: Purpose
    encoded_list: str

    @cached_property
    def bits(self) -> Bitstring:
        """Raises StatusListInvalid as ``Bitstring.decode`` does."""
        return Bitstring.decode(self.encoded_list)


class StatusList(BaseModel):
    """A signed status list.

    Attributes:
        id: see ``list_id_of``.
        issuer: see ``issuer_of``.
        valid_from: when it was issued, UTC.
        valid_until: its greatest age: from then on nobody relies on it.
        epoch: 1 for an issuer's first list, and one more for each that differs from the one before.
        credential_subject: one list for revocation, one for suspension, of one length.
        signature: see ``enroll.signature``.
    """

    model_config = _FIELDS

    context: tuple[Literal["https://www.w3.org/ns/credentials/v2"]] = Field(
        default=("https://www.w3.org/ns/credentials/v2",),
        validation_alias="@context",
        serialization_alias="@context",
    )
    type: tuple[Literal["VerifiableCredential"], Literal["BitstringStatusListCredential"]] = (
        "VerifiableCredential",
        "BitstringStatusListCredential",
    )
    id: str
    issuer: Annotated[str, Field(pattern=rf"^{_ISSUER}[A-Za-z0-9_-]{{43}}$")]
    valid_from: Moment
    valid_until: Moment
    epoch: int = Field(ge=1, lt=2**53)
    credential_subject: tuple[Listed, Listed]
    signature: str | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if [listed.status_purpose for listed in self.credential_subject] != ["revocation", "suspension"]:
            raise ValueError("expected one list for revocation, then one for suspension")
        if self.id != list_id_of(self.signer):
            raise ValueError("expected an id made of the issuer's")
        if not timedelta(0) < self.valid_until - self.valid_from <= MAX_AGE:
            raise ValueError(f"expected an age of at most {MAX_AGE.days} days")
        return self

    @classmethod
    def issue(
        cls, revoked: Bitstring, suspended: Bitstring, *, epoch: int, now: datetime, age: timedelta, key: OKPKey
    ) -> Self:
        """Sign what stands now. ``age`` is how long it may be relied on, at most ``MAX_AGE``."""
        unsigned = cls(
            id=list_id_of(thumbprint(key)),
            issuer=issuer_of(thumbprint(key)),
            valid_from=now,
            valid_until=now + age,
            epoch=epoch,
            credential_subject=(
                Listed(status_purpose="revocation", encoded_list=revoked.encode()),
                Listed(status_purpose="suspension", encoded_list=suspended.encode()),
            ),
        )
        return unsigned.model_copy(update={"signature": sign(unsigned._signed_fields(), key)})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Raises StatusListInvalid when there is no status list in this file. Does not look at the signature."""
        hint = "give a file that cameo status publish wrote"
        return load(cls, path, "status list", StatusListInvalid, most=_MAX_BYTES, hint=hint)

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """The inverse of ``to_json``. Raises StatusListInvalid when it is none. Does not look at the signature."""
        try:
            return parse(cls, content)
        except ValidationError as error:
            raise StatusListInvalid(f"this is no status list: {complaint(error)}") from None

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True) + "\n"

    def save(self, path: str | Path) -> None:
        """Raises StatusListInvalid when the file cannot be written."""
        save(path, self.to_json(), "status list", StatusListInvalid)

    @property
    def signer(self) -> str:
        """The thumbprint the issuer is named by."""
        return self.issuer.removeprefix(_ISSUER)

    @property
    def size(self) -> int:
        """Entries."""
        return len(self.credential_subject[0].bits)

    def verify(self, trusted: Collection[str]) -> None:
        """Hold the list to its signature, and then to what the standard says of its bits.

        Args:
            trusted: thumbprints of those whose lists count.

        Raises:
            StatusListInvalid: unsigned, changed, signed by another than its issuer or by a stranger; or a list does
                not unpack, or one is longer than the other.
        """
        signer = signer_of(self._signed_fields(), self.signature, "the status list", StatusListInvalid)
        if signer != self.signer:
            raise StatusListInvalid(f"the status list is signed by {signer}, and names {self.signer} as its issuer")
        if signer not in trusted:
            raise StatusListInvalid(
                f"the status list is signed by {signer}, whom nobody here trusts",
                hint=f"if you do: cameo status check FILE --trust {signer}",
            )
        revoked, suspended = (listed.bits for listed in self.credential_subject)
        if len(revoked) != len(suspended):
            raise StatusListInvalid(f"the lists have {len(revoked)} and {len(suspended)} entries, expected as many")

    def require_in_force(self, now: datetime) -> None:
        """
        Raises:
            StatusListNotInForce: past its greatest age, or from further ahead than clocks may differ.
        """
        if now >= self.valid_until:
            raise StatusListNotInForce(
                f"the status list was good until {spell(self.valid_until)}, and no longer",
                hint="get a newer one from its issuer; until then nobody in it can be relied on",
            )
        if self.valid_from > now + CLOCK_SKEW:
            raise StatusListNotInForce(
                f"the status list is of {spell(self.valid_from)}, and that is still to come here",
                hint="set the clock of this machine, or have the issuer set theirs",
            )

    def standing(self, index: int) -> Standing:
        """What the list says of an index. Of one that nobody has yet, it says ``valid`` too.

        Raises:
            StatusListInvalid: the list does not reach that far.
        """
        if not 0 <= index < self.size:
            raise StatusListInvalid(
                f"the status list has {self.size} entries, and none with index {index}",
                hint="who joined since is in a newer list",
            )
        revoked, suspended = (listed.bits[index] for listed in self.credential_subject)
        return "revoked" if revoked else "suspended" if suspended else "valid"

    def says_the_same_as(self, other: StatusList) -> bool:
        """Whether both hold the same bits, however packed."""
        return [mine.bits for mine in self.credential_subject] == [theirs.bits for theirs in other.credential_subject]

    def _signed_fields(self) -> dict[str, object]:
        return self.model_dump(mode="json", by_alias=True, exclude={"signature"})
