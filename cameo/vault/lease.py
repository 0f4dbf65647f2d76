"""A lease: the one way to a person's plaintext, for a short while, and not a moment longer than needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

from cameo.errors import PermissionDenied
from cameo.vault.cipher import wipe
from enroll.consent import Use
from enroll.identity import Identity

__all__ = ["LEASE_LIFE", "Lease"]

LEASE_LIFE: Final = timedelta(hours=1)


class Lease:
    """``with vault.lease("ada", user="bob") as lease: … lease.identity …``

    It is good in the process that asked for it and in no fork of it.

    THE ARRAYS OF ``identity`` ARE ZEROED WHEN THE BLOCK ENDS: copy into the model, not out of the block.

    Attributes:
        handle, user, purpose: what was asked for.
        identity_id, consent_id: what the scene is recorded under.
        expires: UTC; at most an hour ahead, never past the consent.
    """

    def __init__(
        self, identity: Identity, *, user: str, purpose: Use, expires: datetime, clock: Callable[[], datetime]
    ) -> None:
        self._identity: Identity | None = identity
        self._clock = clock
        self._process = os.getpid()
        self.handle = identity.handle
        self.identity_id = identity.identity_id
        self.consent_id = identity.consent_id
        self.user = user
        self.purpose = purpose
        self.expires = expires

    def __repr__(self) -> str:
        return f"Lease(@{self.handle}, {self.user}, {self.purpose}, {'ended' if self._identity is None else 'open'})"

    @property
    def identity(self) -> Identity:
        """The person, while the lease runs.

        Raises:
            PermissionDenied: it ended or expired, or this is another process than it was given to.
        """
        if os.getpid() != self._process or self._clock() >= self.expires:
            self.close()
        if self._identity is None:
            raise PermissionDenied(f"the lease on @{self.handle} has ended", hint="ask the vault for a new one")
        return self._identity

    def require_open(self) -> None:
        """Raises PermissionDenied as ``identity`` does."""
        _ = self.identity

    def close(self) -> None:
        """Zero every embedding, crop and sample, and let go. Again does nothing."""
        identity, self._identity = self._identity, None
        if identity is None:
            return
        for embedding in identity.embeddings.values():
            wipe(embedding.vector)
            for view in embedding.views:
                wipe(view.vector)
        for crop in identity.crops:
            wipe(crop.pixels)
        if identity.speech is not None:
            wipe(identity.speech.samples)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
