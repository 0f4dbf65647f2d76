"""Identities at rest: encrypted, leased only under a consent in force, and destroyed when their person says so."""

from cameo.vault.certificate import Certificate
from cameo.vault.entries import CastEntry, History, LedgerHead, Permission, SceneRecord, SceneRole, Terms
from cameo.vault.lease import Lease
from cameo.vault.signed_grant import SignedGrant
from cameo.vault.store import Vault

__all__ = [
    "CastEntry",
    "Certificate",
    "History",
    "Lease",
    "LedgerHead",
    "Permission",
    "SceneRecord",
    "SceneRole",
    "SignedGrant",
    "Terms",
    "Vault",
]
