"""Identity into attention: features of a person, tokens from them, and the processors that let LTX-2 see them."""

from __future__ import annotations

from cameo.conditioning.adapter import IdentityAdapter, load_adapter
from cameo.conditioning.attach import attach, attached, conditioned, detach
from cameo.conditioning.errors import AdapterMismatch, AdapterUnreadable, CastRefused, LoraMismatch
from cameo.conditioning.features import features_from_identity
from cameo.conditioning.lora import add_lora, dump_lora, fuse_lora, load_lora, set_lora_scales, unload_lora
from cameo.conditioning.routing import Box, Presence
from cameo.conditioning.types import IdentityFeatures, IdentityTokens

__all__ = [
    "AdapterMismatch",
    "AdapterUnreadable",
    "Box",
    "CastRefused",
    "IdentityAdapter",
    "IdentityFeatures",
    "IdentityTokens",
    "LoraMismatch",
    "Presence",
    "add_lora",
    "attach",
    "attached",
    "conditioned",
    "detach",
    "dump_lora",
    "features_from_identity",
    "fuse_lora",
    "load_adapter",
    "load_lora",
    "set_lora_scales",
    "unload_lora",
]
