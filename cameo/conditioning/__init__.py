"""Identity into attention: features of a person, tokens from them, and the processors that let LTX-2 see them."""

from __future__ import annotations

from cameo.conditioning.adapter import IdentityAdapter, load_adapter
from cameo.conditioning.attach import attach, attached, conditioned, detach
from cameo.conditioning.errors import AdapterMismatch, AdapterUnreadable, LoraMismatch
from cameo.conditioning.features import features_from_identity
from cameo.conditioning.types import IdentityFeatures, IdentityTokens

__all__ = [
    "AdapterMismatch",
    "AdapterUnreadable",
    "IdentityAdapter",
    "IdentityFeatures",
    "IdentityTokens",
    "LoraMismatch",
    "attach",
    "attached",
    "conditioned",
    "detach",
    "features_from_identity",
    "load_adapter",
]
