"""What was learned of one person for one generator: kept under their key, gone with it."""

from __future__ import annotations

from hashlib import sha256

from cameo.errors import PermissionDenied, Revoked
from cameo.vault.cipher import open_sealed, seal
from cameo.vault.core import Core
from cameo.vault.lease import Lease
from cameo.vault.schema import Tombstone

__all__ = ["Tuning"]

_LORA = "lora-"


class Tuning(Core):
    """The part of a vault that keeps people's own LoRAs. A LoRA of a person is biometric: nobody sees it but through a
    lease on them."""

    def keep_tuning(self, lease: Lease, model: str, version: str, weights: bytes) -> None:
        """Store a person's LoRA for a generator, in place of a former one.

        Args:
            lease: on the person, for the purpose ``personalize``.
            model: name of the generator; ``version`` of its weights likewise. It serves no other.
            weights: safetensors.

        Raises:
            Revoked, ConsentExpired, Suspended, PermissionDenied: it would not be given again.
        """
        lease.require_open()
        if lease.purpose != "personalize":
            raise PermissionDenied(
                f"the lease on @{lease.handle} is to {lease.purpose}", hint="ask for one to personalize"
            )
        with self._database.transaction() as session:
            row = self._people.find(session, lease.handle)
            if isinstance(row, Tombstone) or row.identity_id != lease.identity_id:
                raise Revoked(f"@{lease.handle} was revoked", hint="only a new clip can bring them back")
            owner = self._permit(session, lease.handle, lease.user, lease.purpose, None).owner
            kind = _kind(model, version)
            self._blobs.write(owner.identity_id, kind, seal(owner.key, weights, owner.context(kind)))

    def tuning(self, lease: Lease, model: str, version: str) -> bytes | None:
        """That LoRA; None when there is none for this generator.

        Raises:
            PermissionDenied: the lease has ended.
            Revoked: the person has left.
        """
        lease.require_open()
        kind = _kind(model, version)
        with self._reading() as session:
            row = self._people.alive(session, lease.handle)
            if row.identity_id != lease.identity_id:
                raise Revoked(f"@{lease.handle} was revoked", hint="only a new clip can bring them back")
            owner = self._people.owner(row)
            if not self._blobs.has(owner.identity_id, kind):
                return None
            return open_sealed(owner.key, self._blobs.read(owner.identity_id, kind), owner.context(kind))

    def tuned_elsewhere(self, lease: Lease, model: str, version: str) -> bool:
        """Whether a LoRA was learned of the person, and none of them for this generator.

        Raises:
            PermissionDenied: the lease has ended.
        """
        lease.require_open()
        loras = [kind for kind in self._blobs.kinds(lease.identity_id) if kind.startswith(_LORA)]
        return bool(loras) and _kind(model, version) not in loras


def _kind(model: str, version: str) -> str:
    return f"{_LORA}{sha256(f'{model}|{version}'.encode()).hexdigest()[:16]}"
