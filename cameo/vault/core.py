"""What every part of a vault's face shares: its secrets, its database, and the one question of permission."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from joserfc.jwk import OKPKey
from sqlalchemy.orm import Session

from cameo.status import StatusReader
from cameo.status.document import Standing
from cameo.vault.blobs import Blobs
from cameo.vault.cipher import Context
from cameo.vault.database import Database
from cameo.vault.duplicates import Duplicates
from cameo.vault.ledger import Ledger
from cameo.vault.likenesses import Likenesses
from cameo.vault.opening import Secrets
from cameo.vault.people import People
from cameo.vault.permission import Permit, permit
from enroll.consent import Use
from enroll.signature import thumbprint

__all__ = ["Core", "seconds", "storable"]


class Core:
    """An open vault. ``store.Vault`` opens it; the other parts of its face are classes on top of this one.

    Attributes:
        home: its folder.
    """

    home: Path
    _clock: Callable[[], datetime]
    _blobs: Blobs
    _database: Database
    _secrets: Secrets
    _ledger: Ledger
    _people: People
    _duplicates: Duplicates
    _likenesses: Likenesses

    @property
    def operator(self) -> OKPKey:
        """The Ed25519 key this vault signs consents, certificates and its ledger with."""
        return self._secrets.operator

    @property
    def trusted(self) -> frozenset[str]:
        """Thumbprints of those whose signature on a consent counts here."""
        return frozenset({thumbprint(self.operator)})

    def seal(self, plaintext: bytes, kind: str) -> bytes:
        """For another secret of this home that is kept beside the vault."""
        return self._secrets.master.seal(plaintext, Context(self._secrets.vault_id, "", kind))

    def unseal(self, sealed: bytes, kind: str) -> bytes:
        """The inverse. Raises StoreDamaged when this vault did not seal it as that."""
        return self._secrets.master.open(sealed, Context(self._secrets.vault_id, "", kind))

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        """The vault as of one moment: see ``Database.reading`` and ``KeyTree.as_it_is``, in this order."""
        with self._secrets.tree.as_it_is(), self._database.reading() as session:
            yield session

    def _permit(self, session: Session, handle: str, user: str, purpose: Use | None, prompt: str | None) -> Permit:
        return permit(
            session,
            self._people,
            handle,
            user,
            purpose,
            prompt=prompt,
            trusted=self.trusted,
            standing=self._standing,
            now=self._clock(),
        )

    def _reader(self, issuer: str) -> StatusReader:
        return StatusReader(self.home / "status", {issuer}, clock=self._clock)

    def _standing(self, issuer: str, index: int) -> Standing:
        return self._reader(issuer).standing(issuer, index)


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def storable(text: str) -> str:
    """A file name or an argument that was no UTF-8 reaches Python with lone surrogates, which no encoder takes; and
    PostgreSQL takes no NUL."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
