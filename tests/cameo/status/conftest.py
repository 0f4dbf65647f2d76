"""Two issuers with their keys, a clock that stands until it is set, and lists that differ in what the test says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import OKPKey

from cameo.status import LEAST_ENTRIES, Bitstring, StatusList

Issue = Callable[..., StatusList]
GONE, PAUSED, BOTH = 7, 94_567, 131_071


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 3, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how: float) -> None:
        self.now += timedelta(**how)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def keys() -> tuple[OKPKey, OKPKey]:
    return OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")


@pytest.fixture
def issue(clock: Clock, keys) -> Issue:
    """``issue(epoch=2, revoked=[7], key=…)``: in force for a day from the clock's now."""

    def issue(
        *,
        epoch: int = 1,
        revoked: tuple[int, ...] = (GONE, BOTH),
        suspended: tuple[int, ...] = (PAUSED, BOTH),
        size: int = LEAST_ENTRIES,
        key: OKPKey = keys[0],
        hours: float = 24,
    ) -> StatusList:
        return StatusList.issue(
            Bitstring.of(size, revoked),
            Bitstring.of(size, suspended),
            epoch=epoch,
            now=clock(),
            age=timedelta(hours=hours),
            key=key,
        )

    return issue
