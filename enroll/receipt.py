"""The receipt a person takes home: what they agreed to, who answers for it, what was kept, and how it ends.

Its four parts are those of ISO/IEC TS 27560:2023: record metadata, PII processing, party identification, events. The
operator signs it (``enroll.signature``), so that nobody can say later that something else was agreed to.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from uuid import uuid4

from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field

from enroll.consent import ConsentRecord, Scope, Use
from enroll.documents import load, save, signer_of
from enroll.errors import BadInput
from enroll.fields import Line, Moment
from enroll.processing import Party, by_whoever_runs_this
from enroll.signature import sign

__all__ = ["Receipt"]

_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", strict=True)

_PURPOSES: Final[dict[Use, str]] = {
    "generate": "making scenes in which the person appears",
    "personalize": "fitting a model to the person",
    "evaluate": "measuring how well the person is rendered",
    "train": "teaching models that others use too, in which what was learned stays",
}
_DATA: Final[dict[Scope, str]] = {
    "face": "embeddings of the face and aligned crops of the head",
    "body": "a descriptor of body, hair and clothes, and crops of the body",
    "voice": "an embedding of the voice and at most ten seconds of speech",
}


class _Metadata(BaseModel):
    model_config = _FROZEN

    schema_version: Literal["cameo-receipt/1"] = "cameo-receipt/1"
    receipt_id: str = Field(pattern=r"^[0-9a-f-]{36}$")
    record_id: str = Field(pattern=r"^[0-9a-f-]{36}$")
    pii_principal_id: str = Field(max_length=33)
    issued: Moment
    status_list: str | None = Field(default=None, max_length=256)
    status_index: int | None = Field(default=None, ge=0)
    record_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class _Processing(BaseModel):
    model_config = _FROZEN

    privacy_notice: str = Field(max_length=4000)
    language: str = Field(max_length=35)
    lawful_basis: Literal["explicit consent"] = "explicit consent"
    purposes: tuple[str, ...] = Field(min_length=1, max_length=4)
    pii_information: tuple[str, ...] = Field(min_length=1, max_length=3)
    sensitive: Literal[True] = True
    pii_controllers: tuple[Line, ...] = Field(min_length=1, max_length=4)
    storage_locations: tuple[Line, ...] = Field(min_length=1, max_length=16)
    retention_period: Line
    valid_until: Moment
    destroyed_by: Moment
    jurisdiction: str | None = Field(max_length=6)
    recipient_third_parties: tuple[Line, ...] = Field(max_length=64)
    users: tuple[str, ...] = Field(max_length=256)
    scenes: int | None
    never: tuple[str, ...] = Field(max_length=64)
    withdrawal_method: Line


class _Event(BaseModel):
    model_config = _FROZEN

    event_type: Literal["requested", "agreed", "attested", "spoken", "live", "enrolled"]
    event_time: Moment | None
    entity: Line


class Receipt(BaseModel):
    """A signed receipt. It holds the person's name and terms, and nothing biometric.

    Attributes:
        metadata: ids and time; ``record_sha256`` is the digest of the consent, which scenes made under it name too.
            Receipts of before there was one have none.
        pii_processing: what is done with what, how long, where, and what never.
        party_identification: who answers for it.
        events: how it came to be a consent.
        signature: see ``enroll.signature``.
    """

    model_config = _FROZEN

    metadata: _Metadata
    pii_processing: _Processing
    party_identification: Annotated[tuple[Party, ...], Field(min_length=1, max_length=4)]
    events: Annotated[tuple[_Event, ...], Field(min_length=1, max_length=8)]
    signature: str | None = Field(default=None, max_length=1024)

    @classmethod
    def of(
        cls,
        consent: ConsentRecord,
        *,
        enrolled: datetime,
        key: OKPKey,
        now: datetime,
        status: tuple[str, int] | None = None,
    ) -> Self:
        """The receipt for a consent somebody was enrolled on.

        Args:
            consent: as it is kept.
            enrolled: when the identity was stored, UTC.
            key: the operator's Ed25519 private key.
            now: UTC.
            status: where anybody can look up whether the consent still holds: id of the status list, and index in it.
        """
        handled = consent.processing or by_whoever_runs_this()
        gone = consent.valid_until + timedelta(days=consent.retention_days)
        return cls(
            metadata=_Metadata(
                receipt_id=str(uuid4()),
                record_id=consent.consent_id,
                pii_principal_id=f"@{consent.handle}",
                issued=now,
                status_list=status[0] if status else None,
                status_index=status[1] if status else None,
                record_sha256=consent.digest(),
            ),
            pii_processing=_Processing(
                privacy_notice=consent.statement,
                language=handled.language,
                purposes=tuple(_PURPOSES[use] for use in consent.uses),
                pii_information=tuple(_DATA[part] for part in consent.scope),
                pii_controllers=(handled.controller.name,),
                storage_locations=handled.storage,
                retention_period=f"{consent.retention_days} days, locked, after the consent ends",
                valid_until=consent.valid_until,
                destroyed_by=gone,
                jurisdiction=handled.jurisdiction,
                recipient_third_parties=handled.recipients,
                users=consent.grants,
                scenes=handled.scenes,
                never=handled.forbidden,
                withdrawal_method=handled.withdrawal,
            ),
            party_identification=(handled.controller,),
            events=_events(consent, enrolled),
        ).sign(key)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Raises BadInput when there is no receipt in this file. Does not look at the signature."""
        return load(cls, path, "receipt", BadInput)

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Raises BadInput when the file cannot be written."""
        save(path, self.to_json(), "receipt", BadInput)

    def sign(self, key: OKPKey) -> Self:
        return self.model_copy(update={"signature": sign(self._signed(), key)})

    def verify(self, trusted: Collection[str] | None = None) -> str:
        """Hold it to its signature.

        Args:
            trusted: thumbprints of operators whose word counts; None for any.

        Returns:
            The signer's thumbprint.

        Raises:
            BadInput: unsigned, changed, or signed by a stranger.
        """
        what = f"receipt {self.metadata.receipt_id}"
        return signer_of(self._signed(), self.signature, what, BadInput, trusted=trusted)

    def _signed(self) -> dict[str, Any]:
        # An older receipt must not change when it is read.
        unknown = {"record_sha256"} if self.metadata.record_sha256 is None else set()
        return self.model_dump(mode="json", exclude={"signature": True, "metadata": unknown})


def _events(consent: ConsentRecord, enrolled: datetime) -> tuple[_Event, ...]:
    handled = consent.processing or by_whoever_runs_this()
    person, operator = f"@{consent.handle}", handled.controller.name
    events = [_Event(event_type="requested", event_time=consent.created, entity=operator)]
    if consent.agreement is not None:
        events.append(_Event(event_type="agreed", event_time=None, entity=f"{person}, with their own key"))
    if consent.evidence is not None:
        events.append(_Event(event_type=consent.evidence.level, event_time=consent.evidence.judged, entity=person))
    else:
        events.append(_Event(event_type="attested", event_time=None, entity=consent.attested_by or operator))
    return (*events, _Event(event_type="enrolled", event_time=enrolled, entity=operator))
