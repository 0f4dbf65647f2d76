"""Consent: who may be learnt, what of them, for which use, by whom, until when, and how strongly that is known.

A record is written as a *request* (``ConsentRecord.new``), is signed by the operator who issues it (``sign``), and
becomes a consent when the operator vouches for it (``attest``). Every later step calls ``verify`` again: it raises, and
says which field, what it has and what was expected.

The signature covers every field but itself (``enroll.signature``), so a record cannot be widened, prolonged or renamed
after the person agreed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self
from uuid import uuid4

from joserfc.jwk import OKPKey
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from enroll.errors import ConsentExpired, ConsentInvalid
from enroll.fields import Line, Moment, spell
from enroll.files import write_atomically
from enroll.signature import SignatureBroken, sign, verify
from enroll.statement import statement

__all__ = ["HANDLE", "Assurance", "Challenge", "ConsentRecord", "Scope", "Turn", "Use"]

Scope = Literal["face", "body", "voice"]
Use = Literal["generate", "personalize", "evaluate"]
Turn = Literal["left", "right", "up", "down"]
Assurance = Literal["requested", "attested", "spoken", "live"]

HANDLE: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""What follows ``@`` in a prompt."""

_GRANT: Final = re.compile(r"owner|everyone|user:[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_CHALLENGE_LIFE: Final = timedelta(minutes=30)
_CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead the clock of the machine that issued the record may be."""
_LONGEST: Final = timedelta(days=3650)
_MAX_BYTES: Final = 64 * 1024
_ATTEST_HINT: Final = "have the operator vouch for it: cameo consent attest FILE --by NAME"
_NEW_HINT: Final = "make a new one: cameo consent new --name NAME --handle HANDLE -o consent.json"


_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


class Challenge(BaseModel):
    """What the person must say and do in the clip, chosen at random so that an old clip cannot serve.

    Attributes:
        digits: six digits to read aloud.
        turns: the head turns in their order, as the person sees them.
        valid_until: UTC; a clip recorded later does not answer this challenge.
    """

    model_config = _STRICT

    digits: str = Field(pattern=r"^[0-9]{6}$")
    turns: tuple[Turn, ...] = Field(min_length=1, max_length=8)
    valid_until: Moment


class ConsentRecord(BaseModel):
    """A person's consent, or the request for it.

    Attributes:
        consent_id: UUID4.
        name: the person's name as they give it, one line.
        handle: what they are called in prompts, ``[a-z][a-z0-9_-]{0,31}``.
        scope: which of face, body and voice may be learnt.
        uses: what the identity may be used for.
        grants: who may use it: ``owner``, ``everyone``, ``user:NAME``.
        statement: what the person reads aloud.
        challenge: see ``Challenge``.
        created, valid_until: UTC, whole seconds. In force from the one until the other.
        retention_days: how long the identity is kept, unusable, after ``valid_until`` (for a renewal) before it is
            destroyed.
        assurance: ``requested`` is no consent yet; ``attested`` means that ``attested_by`` vouches for it.
        signature: see ``enroll.signature``; None before anyone signed.
    """

    model_config = _STRICT

    format: Literal["cameo-consent/1"] = "cameo-consent/1"
    consent_id: str = Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
    name: Line
    handle: str
    scope: tuple[Scope, ...] = Field(min_length=1, max_length=3)
    uses: tuple[Use, ...] = Field(min_length=1, max_length=3)
    grants: tuple[str, ...] = Field(max_length=256)
    statement: str = Field(min_length=1, max_length=4000)
    challenge: Challenge
    created: Moment
    valid_until: Moment
    retention_days: int = Field(ge=0, le=3650)
    assurance: Assurance = "requested"
    attested_by: Line | None = None
    signature: str | None = Field(default=None, max_length=1024)

    @field_validator("handle")
    @classmethod
    def _handle(cls, handle: str) -> str:
        if not HANDLE.fullmatch(handle):
            raise ValueError("expected a small letter, then up to 31 small letters, digits, - or _")
        return handle

    @field_validator("grants")
    @classmethod
    def _grants(cls, grants: tuple[str, ...]) -> tuple[str, ...]:
        for grant in grants:
            if not _GRANT.fullmatch(grant):
                raise ValueError("expected owner, everyone or user:NAME")
        return grants

    @field_validator("scope", "uses", "grants")
    @classmethod
    def _once_each(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) != len(values):
            raise ValueError("the same word twice")
        return values

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not timedelta() < self.valid_until - self.created <= _LONGEST:
            raise ValueError(f"valid_until must lie within {_LONGEST.days} days after created")
        return self

    def __repr__(self) -> str:
        return f"ConsentRecord({self.consent_id}, @{self.handle}, {self.assurance}, until {spell(self.valid_until)})"

    __str__ = __repr__

    @classmethod
    def new(
        cls,
        *,
        name: str,
        handle: str,
        scope: Iterable[Scope] = (),
        uses: Iterable[Use] = (),
        grants: Iterable[str] = (),
        valid_days: int = 365,
        retention_days: int = 30,
        now: datetime | None = None,
    ) -> Self:
        """A request for consent: the statement to read, and a challenge valid for 30 minutes.

        Left empty, ``scope`` is face, body and voice, ``uses`` is generating scenes, ``grants`` is the owner alone.

        Raises:
            ConsentInvalid: a name of more than one line, a handle outside the grammar, an unknown scope, use or grant.
        """
        created = now or datetime.now(UTC)
        if not 1 <= valid_days <= _LONGEST.days:
            raise ConsentInvalid(f"a consent runs 1 to {_LONGEST.days} days, got {valid_days}")
        chosen: tuple[Scope, ...] = tuple(scope) or ("face", "body", "voice")
        allowed: tuple[Use, ...] = tuple(uses) or ("generate",)
        until = created + timedelta(days=valid_days)
        challenge = Challenge(
            digits=f"{secrets.randbelow(10**6):06d}",
            turns=tuple(secrets.SystemRandom().sample(("left", "right", "up", "down"), 3)),
            valid_until=created + _CHALLENGE_LIFE,
        )
        fields = {
            "consent_id": str(uuid4()),
            "name": name,
            "handle": handle,
            "scope": chosen,
            "uses": allowed,
            "grants": tuple(grants) or ("owner",),
            "statement": statement(name, handle, chosen, allowed, until, challenge.digits, challenge.turns),
            "challenge": challenge,
            "created": created,
            "valid_until": until,
            "retention_days": retention_days,
        }
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise ConsentInvalid(f"this makes no consent: {_first(error)}") from None

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "the consent") -> Self:
        """Parse; the signature is not looked at here.

        Raises:
            ConsentInvalid: not JSON, or not these fields.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ConsentInvalid(f"{source} is no consent record: {_first(error)}", hint=_NEW_HINT) from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a record written by ``save``.

        Raises:
            ConsentInvalid: missing, a folder, too large, not JSON, or not these fields.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                text = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            raise ConsentInvalid(f"no consent at {path}", hint=_NEW_HINT) from None
        except IsADirectoryError:
            raise ConsentInvalid(f"{path} is a folder, expected a consent file") from None
        except (OSError, ValueError) as error:
            raise ConsentInvalid(f"cannot read the consent {path}: {getattr(error, 'strerror', error)}") from None
        if len(text) > _MAX_BYTES:
            raise ConsentInvalid(f"{path} is no consent record: over {_MAX_BYTES} bytes")
        return cls.from_json(text, source=str(path))

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the record, readable by its owner alone; the file appears whole or not at all.

        Raises:
            ConsentInvalid: there is no such folder, or it cannot be written to.
        """
        try:
            write_atomically(Path(path), self.to_json().encode())
        except OSError as error:
            raise ConsentInvalid(f"cannot write the consent {path}: {error.strerror}") from None

    def sign(self, key: OKPKey) -> Self:
        """The same record under the signature of an Ed25519 private key."""
        return self.model_copy(update={"signature": sign(self._signed_fields(), key)})

    def attest(self, *, by: str, key: OKPKey, now: datetime | None = None) -> Self:
        """The operator vouches that this person consented: on paper, in another system, in front of them.

        Raises:
            ConsentInvalid: the record was changed since it was signed, or ``by`` is no name.
            ConsentExpired: its time is over.
        """
        if self.signature is not None:
            self._signer()
        self._require_in_force(now or datetime.now(UTC))
        fields = {**self.model_dump(), "assurance": "attested", "attested_by": by, "signature": None}
        try:
            return type(self).model_validate(fields).sign(key)
        except ValidationError as error:
            raise ConsentInvalid(f"cannot attest the consent: {_first(error)}") from None

    def verify(
        self, *, now: datetime | None = None, trusted: Collection[str] | None = None, handle: str | None = None
    ) -> None:
        """Hold the record to everything it must be before anything is done on its strength.

        Args:
            now: the moment that counts; the clock's when None.
            trusted: thumbprints of the keys whose word counts (``enroll.signature.thumbprint``). None asks only that
                the signature is whole: any signer will do.
            handle: whom it must be for; None for anyone.

        Raises:
            ConsentInvalid: unsigned, changed, signed by a stranger, for someone else, only a request, not yet begun.
            ConsentExpired: its time is over.
        """
        signer = self._signer()
        if trusted is not None and signer not in trusted:
            raise ConsentInvalid(
                f"consent for @{self.handle} is signed by {signer}, whom nobody here trusts", hint=_ATTEST_HINT
            )
        if handle is not None and handle != self.handle:
            raise ConsentInvalid(
                f"consent is for handle @{self.handle}, expected @{handle}", hint="use the consent that person gave"
            )
        if self.assurance == "requested":
            raise ConsentInvalid(
                f"consent for @{self.handle} has assurance requested, expected attested: nobody has agreed yet",
                hint=_ATTEST_HINT,
            )
        self._require_in_force(now or datetime.now(UTC))

    def _signed_fields(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"signature"})

    def _signer(self) -> str:
        if self.signature is None:
            raise ConsentInvalid(f"consent for @{self.handle} is not signed", hint=_ATTEST_HINT)
        try:
            return verify(self._signed_fields(), self.signature)
        except SignatureBroken as error:
            raise ConsentInvalid(
                f"consent for @{self.handle} was changed after it was signed: {error}",
                hint="use the file as it was issued, or " + _NEW_HINT,
            ) from None

    def _require_in_force(self, now: datetime) -> None:
        if now >= self.valid_until:
            raise ConsentExpired(
                f"consent for @{self.handle} ended {spell(self.valid_until)}, it is {spell(now)}", hint=_NEW_HINT
            )
        if now + _CLOCK_SKEW < self.created:
            raise ConsentInvalid(
                f"consent for @{self.handle} begins {spell(self.created)}, it is {spell(now)}",
                hint="set this machine's clock",
            )


def _first(error: ValidationError) -> str:
    """The first complaint: which field, what is wrong. Never the value, which may be a person's."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:60]
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
