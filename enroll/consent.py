"""Consent: who may be learnt, what of them, for which use, by whom, until when, and how strongly that is known.

A record is written as a *request* (``ConsentRecord.new``), is signed by the operator who issues it (``sign``), by the
person where they hold a key (``agree``), and becomes a consent when the operator vouches for it (``attest``) or when a
clip meets its challenge (``fulfil``). Every later step calls ``verify`` again: it raises, and says which field, what it
has and what was expected.

The operator's signature covers every field but itself, the person's every field they were asked about
(``enroll.signature``), so a record cannot be widened, prolonged or renamed after the person agreed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self
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

from enroll.documents import complaint, parse
from enroll.errors import ChallengeFailed, ConsentExpired, ConsentInvalid
from enroll.evidence import Capture, Evidence
from enroll.fields import Line, Moment, spell
from enroll.files import write_atomically
from enroll.processing import Processing, by_whoever_runs_this
from enroll.signature import SignatureBroken, canonical, sign, verify
from enroll.statement import statement

if TYPE_CHECKING:
    from enroll.liveness import Liveness

__all__ = [
    "ASSURANCES",
    "CHALLENGE_LIFE",
    "HANDLE",
    "Assurance",
    "Challenge",
    "ConsentRecord",
    "Scope",
    "Turn",
    "Use",
]

Scope = Literal["face", "body", "voice"]
Use = Literal["generate", "personalize", "evaluate", "train"]
Turn = Literal["left", "right", "up", "down"]
Assurance = Literal["requested", "attested", "spoken", "live"]

ASSURANCES: Final[tuple[Assurance, ...]] = ("requested", "attested", "spoken", "live")
"""From the weakest to the strongest."""

HANDLE: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""What follows ``@`` in a prompt."""

_GRANT: Final = re.compile(r"owner|everyone|user:[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
CHALLENGE_LIFE: Final = timedelta(minutes=30)
"""From when a challenge is given until it is good no more."""
_CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead the clock of the machine that issued the record may be."""
_LONGEST: Final = timedelta(days=3650)
_MAX_BYTES: Final = 64 * 1024
_ATTEST_HINT: Final = "have the operator vouch for it: cameo consent attest FILE --by NAME"
_NEW_HINT: Final = "make a new one: cameo consent new --name NAME --handle HANDLE -o consent.json"


_RULES: Final = "liveness/2"
"""The thresholds by which a challenge is judged, as one version."""
# What came with which format.
_SINCE_2: Final = {"capture": True, "evidence": True}
_SINCE_3: Final = {"processing": True, "agreement": True}
_SINCE_4: Final = {"evidence": {"matches"}}
_BEFORE_4: Final = ("cameo-consent/1", "cameo-consent/2", "cameo-consent/3")
# What comes after the person agreed, and is not theirs to sign.
_LATER: Final = frozenset({"assurance", "attested_by", "capture", "evidence", "agreement", "signature"})

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
        uses: what the identity may be used for; ``train`` is that clip and identity teach a model that others use too.
        grants: who may use it: ``owner``, ``everyone``, ``user:NAME``.
        statement: what the person reads aloud.
        challenge: see ``Challenge``.
        created, valid_until: UTC, whole seconds. In force from the one until the other.
        retention_days: how long the identity is kept, unusable, after ``valid_until`` (for a renewal) before it is
            destroyed.
        assurance: ``requested`` is no consent yet; ``attested`` means that ``attested_by`` vouches for it; ``spoken``
            that the person said the challenge's numbers in the clip, seen and heard; ``live`` that they also turned
            their head as asked. What was checked is in ``evidence``.
        attested_by: who vouches; None where nobody does.
        capture: whether the clip was uploaded or recorded from a camera by the operator's own program, as the operator
            says; None before a challenge was met.
        evidence: how the challenge was met; None before.
        processing: how it is handled, by whom, and within which bounds; None in records of formats 1 and 2.
        agreement: the person's own signature over what they were asked; None where they hold no key.
        signature: the operator's; see ``enroll.signature``; None before anyone signed.
    """

    model_config = _STRICT

    format: Literal["cameo-consent/1", "cameo-consent/2", "cameo-consent/3", "cameo-consent/4"] = "cameo-consent/4"
    consent_id: str = Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
    name: Line
    handle: str
    scope: tuple[Scope, ...] = Field(min_length=1, max_length=3)
    uses: tuple[Use, ...] = Field(min_length=1, max_length=4)
    grants: tuple[str, ...] = Field(max_length=256)
    statement: str = Field(min_length=1, max_length=4000)
    challenge: Challenge
    created: Moment
    valid_until: Moment
    retention_days: int = Field(ge=0, le=3650)
    assurance: Assurance = "requested"
    attested_by: Line | None = None
    capture: Capture | None = None
    evidence: Evidence | None = None
    processing: Processing | None = None
    agreement: str | None = Field(default=None, max_length=1024)
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

    @model_validator(mode="after")
    def _claims_what_was_checked(self) -> Self:
        reached = self.assurance if self.assurance in ("spoken", "live") else None
        if (self.evidence.level if self.evidence is not None else None) != reached:
            raise ValueError(f"assurance {self.assurance} needs evidence of it, and no other has any")
        if (self.capture is not None) != (self.evidence is not None):
            raise ValueError("capture and evidence go together")
        if self.format == "cameo-consent/1" and self.evidence is not None:
            raise ValueError("cameo-consent/1 knows no evidence")
        if self._unknown().keys() & _SINCE_4 and self.evidence is not None and self.evidence.matches:
            raise ValueError(f"{self.format} knows no matches")
        return self

    @model_validator(mode="after")
    def _says_how_it_is_handled(self) -> Self:
        if (self.processing is not None) == ("processing" in self._unknown()):
            raise ValueError("processing belongs to cameo-consent/3 and later, and they to it")
        if self.agreement is not None and self.processing is None:
            raise ValueError(f"{self.format} knows no agreement")
        if "train" in self.uses and self.format in _BEFORE_4:
            raise ValueError(f"{self.format} knows no use train")
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
        processing: Processing | None = None,
        now: datetime | None = None,
    ) -> Self:
        """A request for consent: the statement to read, and a challenge valid for 30 minutes.

        Left empty, ``scope`` is face, body and voice, ``uses`` is generating scenes, ``grants`` is the owner alone, and
        whoever runs this machine answers for what is done.

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
            valid_until=created + CHALLENGE_LIFE,
        )
        handled = processing or by_whoever_runs_this()
        fields = {
            "consent_id": str(uuid4()),
            "name": name,
            "handle": handle,
            "scope": chosen,
            "uses": allowed,
            "grants": tuple(grants) or ("owner",),
            "statement": statement(
                name, handle, chosen, allowed, until, challenge.digits, challenge.turns, never=handled.forbidden
            ),
            "challenge": challenge,
            "created": created,
            "valid_until": until,
            "retention_days": retention_days,
            "processing": handled,
        }
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise ConsentInvalid(f"this makes no consent: {complaint(error)}") from None

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "the consent") -> Self:
        """Parse; the signature is not looked at here.

        Raises:
            ConsentInvalid: not JSON, or not these fields.
        """
        try:
            return parse(cls, text)
        except ValidationError as error:
            raise ConsentInvalid(f"{source} is no consent record: {complaint(error)}", hint=_NEW_HINT) from None

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
        return self.model_dump_json(indent=2, exclude=self._unknown()) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the record, readable by its owner alone; the file appears whole or not at all.

        Raises:
            ConsentInvalid: there is no such folder, or it cannot be written to.
        """
        try:
            write_atomically(Path(path), self.to_json().encode())
        except OSError as error:
            raise ConsentInvalid(
                f"cannot write the consent {path}: {error.strerror}", hint="free some space, or choose another folder"
            ) from None

    def digest(self) -> str:
        """Hex SHA-256 of the record as it is, signatures included, in RFC 8785's spelling: by this its receipt and the
        scenes that are made under it name it, to the letter."""
        return sha256(canonical(self.model_dump(mode="json", exclude=self._unknown()))).hexdigest()

    def sign(self, key: OKPKey) -> Self:
        """The same record under the signature of an Ed25519 private key."""
        return self.model_copy(update={"signature": sign(self._signed_fields(), key)})

    def agree(self, key: OKPKey) -> Self:
        """The same request with the person's own signature, over all they were asked.

        Raises:
            ConsentInvalid: it was changed since the operator signed it, is no mere request any more, or is of a format
                that knows no agreement.
        """
        if self.signature is not None:
            self._signer()
        if self.assurance != "requested" or self.processing is None:
            raise ConsentInvalid(
                f"consent for @{self.handle} is {self.assurance} in {self.format}; a person signs the request",
                hint=_NEW_HINT,
            )
        return self.model_copy(update={"agreement": sign(self._asked(), key)})

    @property
    def subject_key(self) -> str | None:
        """The thumbprint of the key the person signed with; None where they did not.

        Raises:
            ConsentInvalid: they signed something else than this.
        """
        if self.agreement is None:
            return None
        try:
            return verify(self._asked(), self.agreement)
        except SignatureBroken as error:
            raise ConsentInvalid(
                f"consent for @{self.handle} is not what the person signed: {error}", hint=_NEW_HINT
            ) from None

    def attest(self, *, by: str, key: OKPKey, now: datetime | None = None) -> Self:
        """The operator vouches that this person consented: on paper, in another system, in front of them.

        Raises:
            ConsentInvalid: the record was changed since it was signed, or ``by`` is no name.
            ConsentExpired: its time is over.
        """
        if self.signature is not None:
            self._signer()
        self._require_in_force(now or datetime.now(UTC))
        if self.evidence is not None:
            raise ConsentInvalid(
                f"consent for @{self.handle} is {self.assurance} already, which says more than attested"
            )
        fields = {**self.model_dump(), "assurance": "attested", "attested_by": by, "signature": None}
        try:
            return type(self).model_validate(fields).sign(key)
        except ValidationError as error:
            raise ConsentInvalid(f"cannot attest the consent: {complaint(error)}") from None

    def fulfil(
        self,
        liveness: Liveness,
        *,
        clip_sha256: str,
        key: OKPKey,
        capture: Capture = "upload",
        now: datetime | None = None,
    ) -> Self:
        """The operator writes down that a clip met the challenge of this record, requested or attested.

        Args:
            liveness: how the challenge was answered.
            clip_sha256: of the clip that was judged, hex.
            key: the operator's Ed25519 private key.
            capture: how the clip came, as the operator knows.
            now: the moment that counts; the clock's when None.

        Raises:
            ChallengeFailed: the clip does not meet the challenge; the message says which check failed.
            ConsentInvalid: the record was changed since it was signed, or says already that its challenge was met.
            ConsentExpired: its time is over.
        """
        from enroll.digits import recogniser

        moment = now or datetime.now(UTC)
        if self.signature is not None:
            self._signer()
        self._require_in_force(moment)
        if self.evidence is not None:
            raise ConsentInvalid(f"the challenge of consent {self.consent_id} was met already", hint=_NEW_HINT)
        digits = self.require_met(liveness)
        turns = (liveness.turns[0].begin, liveness.turns[-1].end) if liveness.level == "live" else None
        fields = {
            **self.model_dump(),
            "format": "cameo-consent/2" if self.processing is None else self.format,
            "assurance": liveness.level,
            "capture": capture,
            "evidence": {
                "level": liveness.level,
                "checks": liveness.passed,
                "clip_sha256": clip_sha256,
                "judged": moment,
                "captured": liveness.captured,
                "digits": _rounded(digits),
                "turns": _rounded(turns) if turns is not None else None,
                "mirrored": liveness.mirrored,
                "matches": () if self._unknown() else liveness.matches,
                "versions": {"digits": recogniser(), "rules": _RULES},
            },
            "signature": None,
        }
        try:
            return type(self).model_validate(fields).sign(key)
        except ValidationError as error:
            raise ConsentInvalid(f"this makes no evidence: {complaint(error)}") from None

    def verify(
        self,
        *,
        now: datetime | None = None,
        trusted: Collection[str] | None = None,
        handle: str | None = None,
        request: bool = False,
    ) -> str:
        """Hold the record to everything it must be before anything is done on its strength.

        Args:
            now: the moment that counts; the clock's when None.
            trusted: thumbprints of the keys whose word counts (``enroll.signature.thumbprint``). None asks only that
                the signature is whole: any signer will do.
            handle: whom it must be for; None for anyone.
            request: whether a request will do, whose challenge is still to be met by the clip at hand and is good now.

        Returns:
            The signer's thumbprint.

        Raises:
            ChallengeFailed: the challenge of a request is good no more.
            ConsentInvalid: unsigned, changed, signed by a stranger, for someone else, only a request, not yet begun.
            ConsentExpired: its time is over.
        """
        signer = self._signer()
        _ = self.subject_key
        if trusted is not None and signer not in trusted:
            raise ConsentInvalid(
                f"consent for @{self.handle} is signed by {signer}, whom nobody here trusts", hint=_ATTEST_HINT
            )
        if handle is not None and handle != self.handle:
            raise ConsentInvalid(
                f"consent is for handle @{self.handle}, expected @{handle}", hint="use the consent that person gave"
            )
        moment = now or datetime.now(UTC)
        if self.assurance == "requested" and not request:
            raise ConsentInvalid(
                f"consent for @{self.handle} has assurance requested, expected attested: nobody has agreed yet",
                hint=_ATTEST_HINT,
            )
        self._require_in_force(moment)
        if self.assurance == "requested" and moment > self.challenge.valid_until:
            raise ChallengeFailed(
                f"the challenge for @{self.handle} was good until {spell(self.challenge.valid_until)}, "
                f"it is {spell(moment)}",
                hint=f"{_NEW_HINT}; or {_ATTEST_HINT}",
            )
        return signer

    def awaits_answer(self, now: datetime) -> bool:
        """Whether a clip that meets the challenge at this moment would say more than the record does."""
        return self.evidence is None and now <= self.challenge.valid_until

    def require_met(self, liveness: Liveness | None) -> tuple[float, float]:
        """Where in the clip the digits were said, seconds.

        Raises:
            ChallengeFailed: the clip does not meet the challenge; the message says which check failed.
        """
        if liveness is not None and liveness.level != "none" and liveness.digits is not None:
            return liveness.digits
        first = next((check for check in liveness.failed if check.name != "turns"), None) if liveness else None
        why = f"{first.name}: {first.problem}" if first is not None else "it was not judged"
        retake = f"{first.advice}, then film again" if first is not None else "film again"
        raise ChallengeFailed(
            f"the clip does not meet the challenge for @{self.handle} ({why})", hint=f"{retake}; or {_ATTEST_HINT}"
        )

    def _signed_fields(self) -> dict[str, Any]:
        # A request is signed by its operator first, and by the person after that; a consent covers that too.
        later = {"signature": True} | ({"agreement": True} if self.assurance == "requested" else {})
        return self.model_dump(mode="json", exclude=later | self._unknown())

    def _unknown(self) -> dict[str, Any]:
        """Fields this record's format does not have: an older record must not change when it is read."""
        match self.format:
            case "cameo-consent/1":
                return {**_SINCE_2, **_SINCE_3}
            case "cameo-consent/2":
                return {**_SINCE_3, **_SINCE_4}
            case "cameo-consent/3":
                return {**_SINCE_4}
            case _:
                return {}

    def _asked(self) -> dict[str, Any]:
        """What the person was asked, and nothing that came later."""
        return self.model_dump(mode="json", exclude=set(_LATER))

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


def _rounded(seconds: tuple[float, float]) -> tuple[float, float]:
    return round(float(seconds[0]), 2), round(float(seconds[1]), 2)
