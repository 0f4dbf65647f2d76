"""LTX-2-format checkpoints: nano, and any other folder or hub id of that format."""

from __future__ import annotations

from cameo.backbones.checkpoint import (
    Backbone,
    Description,
    describe,
    load,
    may_download,
    settle,
    spare,
    version_of,
    weights_digest,
)
from cameo.backbones.defaults import Defaults
from cameo.backbones.equipment import Equipment

__all__ = [
    "Backbone",
    "Defaults",
    "Description",
    "Equipment",
    "describe",
    "load",
    "may_download",
    "settle",
    "spare",
    "version_of",
    "weights_digest",
]
