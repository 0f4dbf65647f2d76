"""What the vault tells of itself: who is enrolled, what was made, how things stand. Nothing biometric is in these."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from enroll.consent import Assurance, ConsentRecord, Scope, Use
from enroll.evidence import Capture
from enroll.fields import Moment
from enroll.identity import Coverage, Identity, Modality

__all__ = [
    "CastEntry",
    "ChainHead",
    "ConsentSummary",
    "EmbeddingSummary",
    "History",
    "LeaseRecord",
    "LedgerHead",
    "Permission",
    "SceneRecord",
    "SceneRole",
    "Summary",
    "Terms",
]

Status = Literal["active", "suspended", "expired", "revoked"]
RoleStatus = Literal["in_force", "suspended", "expired", "revoked", "unknown"]

_FROZEN = ConfigDict(frozen=True, extra="forbid")
# Of what stands in documents that are signed: a number in quotes must not read as that number.
_SIGNED = ConfigDict(frozen=True, extra="forbid", strict=True)


class EmbeddingSummary(BaseModel):
    """One embedding space of a person: its size and how much stands behind it."""

    model_config = _FROZEN

    modality: Modality
    dim: int
    views: int
    seconds: float | None
    quality: float


class Summary(BaseModel):
    """What is told of an identity without opening it. Stored sealed: the name is the person's, and coverage says how
    they moved and spoke.

    Attributes:
        crops: how many head and body crops there are.
        created: when the identity was made, UTC.
    """

    model_config = _FROZEN

    handle: str
    name: str
    created: datetime
    embeddings: Mapping[str, EmbeddingSummary]
    crops: Mapping[str, int]
    coverage: Coverage

    @classmethod
    def of(cls, identity: Identity, name: str) -> Summary:
        return cls(
            handle=identity.handle,
            name=name,
            created=identity.created,
            embeddings={
                space: EmbeddingSummary(
                    modality=e.modality, dim=e.dim, views=len(e.views), seconds=e.seconds, quality=e.quality
                )
                for space, e in identity.embeddings.items()
            },
            crops={"head": len(identity.crops_of("head")), "body": len(identity.crops_of("body"))},
            coverage=identity.coverage,
        )


class ConsentSummary(BaseModel):
    """The consent an identity rests on."""

    model_config = _FROZEN

    id: str
    assurance: Assurance
    attested_by: str | None
    capture: Capture | None = None
    expires: datetime
    scope: tuple[Scope, ...]
    uses: tuple[Use, ...]

    @classmethod
    def of(cls, consent: ConsentRecord) -> ConsentSummary:
        return cls(
            id=consent.consent_id,
            assurance=consent.assurance,
            attested_by=consent.attested_by,
            capture=consent.capture,
            expires=consent.valid_until,
            scope=consent.scope,
            uses=consent.uses,
        )


class Terms(BaseModel):
    """One answer: a yes and how far it goes, or a no.

    Attributes:
        principal: ``owner``, ``everyone`` or ``user:NAME``.
        allowed: False is a no.
        uses: what for; empty for all that the person consented to.
        scenes: how many may be made on it; None for any number.
        until: UTC, when it ends; None: with the consent.
        made: scenes made on it so far; of a limited one also those that were signed away to other homes.
        given: when it was given, UTC; None in those given before that was kept.
    """

    model_config = _SIGNED

    principal: str = Field(pattern=r"^(owner|everyone|user:[A-Za-z0-9][A-Za-z0-9._@-]{0,63})$")
    allowed: bool
    uses: tuple[Use, ...] = ()
    scenes: int | None = Field(default=None, ge=1)
    until: Moment | None = None
    made: int = Field(default=0, ge=0)
    given: Moment | None = None

    @property
    def left(self) -> int | None:
        """Scenes that may still be made on it; None for any number."""
        return None if self.scenes is None else max(0, self.scenes - self.made)


class CastEntry(BaseModel):
    """One person in the vault.

    Of a revoked person there is no name, consent, coverage or embedding any more: those fields are None or empty.

    Attributes:
        handle: as used in prompts, without ``@``.
        status_index: theirs in the status list.
        revoked: when the key was destroyed; None while it exists.
        suspended: since when they are; None while they are not.
        grants: who may use the identity now: ``owner``, ``everyone``, ``user:NAME``.
        terms: every answer given, with its limits; a no and what is over are among them.
        rules: what the owner never wants to appear in; see ``cameo.rules``.
        uses: in how many scenes the person is.
    """

    model_config = _FROZEN

    identity_id: str
    handle: str
    name: str | None
    status: Status
    created: datetime
    status_index: int
    revoked: datetime | None = None
    suspended: datetime | None = None
    embeddings: Mapping[str, EmbeddingSummary] = {}
    crops: Mapping[str, int] = {}
    coverage: Coverage | None = None
    consent_id: str
    consent: ConsentSummary | None = None
    grants: tuple[str, ...] = ()
    terms: tuple[Terms, ...] = ()
    rules: tuple[str, ...] = ()
    uses: int = 0


class SceneRole(BaseModel):
    """One person in a scene, as things stand now. The handle is None once they revoked."""

    model_config = _FROZEN

    handle: str | None
    identity_id: str | None
    consent_id: str
    status: RoleStatus


class SceneDetail(BaseModel):
    """What of a scene is sealed under the keys of everyone in it, so that it goes with the first who leaves."""

    model_config = _FROZEN

    path: str
    user: str
    prompt: str
    seed: int | None
    model: str
    purpose: Use


class SceneRecord(BaseModel):
    """A scene that was made here.

    Attributes:
        sha256: hex digest of the file.
        cast: in the order of the prompt.
        detail: None once anybody in the scene revoked.
    """

    model_config = _FROZEN

    sha256: str
    created: datetime
    cast: tuple[SceneRole, ...]
    detail: SceneDetail | None


class LeaseRecord(BaseModel):
    """One lease on somebody's identity; a scene may have come of it or not."""

    model_config = _FROZEN

    at: datetime
    user: str
    purpose: Use


class History(BaseModel):
    """Everything that was done with one living person.

    Attributes:
        scenes: oldest first.
        leases: every one on their identity, oldest first.
    """

    model_config = _FROZEN

    scenes: tuple[SceneRecord, ...]
    leases: tuple[LeaseRecord, ...]


class Permission(BaseModel):
    """Whether a user may, now; asking leaves no trace and opens nothing.

    Attributes:
        code, message, hint: as the refusal would have them; empty where the user may.
        until: when it ends, UTC; None where they may not.
        scenes_left: how many scenes; None for any number.
    """

    model_config = _FROZEN

    allowed: bool
    code: str = ""
    message: str = ""
    hint: str = ""
    until: datetime | None = None
    scenes_left: int | None = None


class LedgerHead(BaseModel):
    """How many lines the ledger has, and the root of the Merkle tree over them (hex)."""

    model_config = _SIGNED

    size: int
    root: str


class ChainHead(BaseModel):
    """The same of a ledger that was a chain still, as it stands in certificates of that time: its last link (hex)."""

    model_config = _SIGNED

    size: int
    head: str
