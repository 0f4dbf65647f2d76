"""How what is learnt of a person is handled: the fields of ISO/IEC TS 27560:2023 that a consent cannot do without."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from enroll.fields import Line

__all__ = ["Party", "Processing", "by_whoever_runs_this"]

_STRICT: Final = ConfigDict(frozen=True, extra="forbid", strict=True)


class Party(BaseModel):
    """Somebody who answers for what is done: a name, and how to reach them."""

    model_config = _STRICT

    name: Line
    contact: Line


class Processing(BaseModel):
    """What the person is told beside the statement they read, and agrees to with it.

    Attributes:
        language: of the statement and of all else they are told (BCP 47).
        controller: who decides what is done with the identity, and answers for it.
        jurisdiction: whose law counts: ISO 3166-1 alpha-2, or 3166-2 for a part of a country; None where nobody said.
        storage: where it is kept.
        recipients: who else gets anything of it; empty for nobody.
        withdrawal: how to take the consent back.
        forbidden: what the person never appears in; see ``cameo.rules``.
        scenes: how many may be made in all; None for any number.
        adult: the person says they are of age. Nobody else is enrolled.
    """

    model_config = _STRICT

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] = "en"
    controller: Party
    jurisdiction: Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None = None
    storage: tuple[Line, ...] = Field(min_length=1, max_length=16)
    recipients: tuple[Line, ...] = Field(default=(), max_length=64)
    withdrawal: Line
    forbidden: tuple[Annotated[str, Field(min_length=1, max_length=80)], ...] = Field(default=(), max_length=64)
    scenes: int | None = Field(default=None, ge=1)
    adult: Literal[True] = True


def by_whoever_runs_this() -> Processing:
    """What holds where nobody said more: one machine, and whoever runs it."""
    return Processing(
        controller=Party(name="the operator of this Cameo", contact="in person"),
        storage=("encrypted, on the operator's machine",),
        withdrawal="ask the operator, at any time, without a reason; they end it with: cameo revoke",
    )
