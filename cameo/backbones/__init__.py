"""LTX-2-format checkpoints: nano, and any other folder or hub id of that format."""

from __future__ import annotations

from cameo.backbones.checkpoint import Backbone, Description, describe, load, settle, spare
from cameo.backbones.defaults import Defaults

__all__ = ["Backbone", "Defaults", "Description", "describe", "load", "settle", "spare"]
