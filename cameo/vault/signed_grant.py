"""A grant on the way to another home: who may use a person there, for what, how often, until when, signed by the home
where that person was enrolled.

It is for one home, so that scenes can be counted and the file cannot be used twice; it cannot be called back before it
ends except with the person themselves (see ``cameo.status``), so it is short.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self
from uuid import uuid4

from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cameo.errors import GrantInvalid
from cameo.vault.entries import Terms
from enroll.consent import ConsentRecord, Use
from enroll.documents import load, save, signer_of
from enroll.fields import Moment, spell
from enroll.signature import sign, thumbprint

__all__ = ["LIFE", "SignedGrant"]

LIFE: Final = timedelta(days=30)
"""How long one holds where nobody says otherwise."""
_SKEW: Final = timedelta(minutes=5)


class SignedGrant(BaseModel):
    """Attributes:
    grant_id: UUID4.
    issued: when, UTC; of two for one user the later counts.
    issuer: thumbprint of the home where the person was enrolled, which signs it.
    audience: thumbprint of the home it is for.
    consent_id: the consent it rests on and never goes beyond.
    handle: the person's.
    principal: ``everyone`` or ``user:NAME``, of that home.
    uses: what for; empty for all the person consented to.
    scenes: how many may be made on it; None for any number.
    until: UTC, when it ends.
    signature: see ``enroll.signature``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["cameo-grant/1"] = "cameo-grant/1"
    grant_id: str = Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
    issued: Moment
    issuer: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    audience: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    consent_id: str = Field(pattern=r"^[0-9a-f-]{36}$")
    handle: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    principal: str = Field(pattern=r"^(everyone|user:[A-Za-z0-9][A-Za-z0-9._@-]{0,63})$")
    uses: tuple[Use, ...] = Field(max_length=4, json_schema_extra={"uniqueItems": True})
    scenes: int | None = Field(ge=1, lt=2**31)
    until: Moment
    signature: str | None = Field(default=None, max_length=1024)

    @field_validator("uses")
    @classmethod
    def _once_each(cls, uses: tuple[Use, ...]) -> tuple[Use, ...]:
        if len(set(uses)) != len(uses):
            raise ValueError("the same use twice")
        return uses

    @classmethod
    def of(cls, terms: Terms, consent: ConsentRecord, *, audience: str, now: datetime, key: OKPKey) -> Self:
        """A yes, signed by the home that gives it; without an end of its own it holds for ``LIFE``."""
        made = cls(
            grant_id=str(uuid4()),
            issued=now,
            issuer=thumbprint(key),
            audience=audience,
            consent_id=consent.consent_id,
            handle=consent.handle,
            principal=terms.principal,
            uses=terms.uses,
            scenes=terms.scenes,
            until=terms.until or min(now + LIFE, consent.valid_until),
        )
        return made.model_copy(update={"signature": sign(made._signed_fields(), key)})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Raises GrantInvalid when there is no grant in this file. Does not look at the signature."""
        return load(cls, path, "grant", GrantInvalid)

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Raises GrantInvalid when the file cannot be written."""
        save(path, self.to_json(), "grant", GrantInvalid)

    def terms(self) -> Terms:
        """What it says, as a vault keeps it."""
        return Terms(
            principal=self.principal,
            allowed=True,
            uses=self.uses,
            scenes=self.scenes,
            until=self.until,
            given=self.issued,
        )

    def verify(self, *, now: datetime, audience: str | None = None, trusted: Collection[str] | None = None) -> None:
        """Hold it to its signature, its time and the home it is for.

        Args:
            audience: that home; None for any.
            trusted: thumbprints of the homes whose word counts; None for any.

        Raises:
            GrantInvalid: it does not hold, here and now.
        """
        what = f"grant {self.grant_id}"
        signer = signer_of(self._signed_fields(), self.signature, what, GrantInvalid, trusted=trusted)
        if signer != self.issuer:
            raise GrantInvalid(f"{what} is signed by {signer} and says it is by {self.issuer}")
        if audience is not None and audience != self.audience:
            raise GrantInvalid(
                f"{what} is for the home {self.audience}, this is {audience}",
                hint="ask for one: cameo grant issue … --for " + audience,
            )
        if now + _SKEW < self.issued:
            raise GrantInvalid(f"{what} begins {spell(self.issued)}, it is {spell(now)}", hint="set the clock")
        if now >= self.until:
            raise GrantInvalid(f"{what} ended {spell(self.until)}", hint="ask for a new one: cameo grant issue")

    def _signed_fields(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"signature"})
