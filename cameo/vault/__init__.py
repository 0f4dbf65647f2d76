"""Identities at rest: encrypted, leased only under a consent in force, and destroyed when their person says so."""

from cameo.vault.certificate import Certificate
from cameo.vault.entries import CastEntry, LedgerHead, SceneRecord, SceneRole
from cameo.vault.lease import Lease
from cameo.vault.store import Vault

__all__ = ["CastEntry", "Certificate", "Lease", "LedgerHead", "SceneRecord", "SceneRole", "Vault"]
