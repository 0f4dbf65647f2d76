"""What is on this machine and what it may be used for: the report behind ``cameo doctor``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import av
from av.codec import Codec

from cameo.studio import Studio
from cameo.vault.blobs import Blobs
from cameo.vault.database import Database
from cameo.vault.places import Places
from enroll.errors import KitError

if TYPE_CHECKING:
    from enroll.encoders.base import Status

__all__ = ["checkup"]

_CODECS = {"h264": "libx264", "aac": "aac"}
_HUB_MODELS = ("Lightricks/LTX-2.3", "Lightricks/LTX-2")


def checkup() -> dict[str, Any]:
    """JSON-ready. Changes nothing and downloads nothing."""
    return {
        "home": str(Studio().home),
        "keystore": _keystore(),
        **_places(),
        "encoders": _encoders(),
        "models": _models(),
        "watermarks": _watermarks(),
        "codecs": {name: _can_encode(codec) for name, codec in _CODECS.items()},
    }


def _places() -> dict[str, Any]:
    """Where the vault's tables and ciphertexts are, and whether they answer. Makes none."""
    try:
        places = Places.of(Studio().home)
    except KitError as error:
        refused = {"kind": None, "where": None, "answers": False, "why_not": error.message}
        return {"database": refused, "blobs": refused}
    kind = "objects" if places.blobs.shared else "files"
    return {"database": _asked(places.database, places.database.kind), "blobs": _asked(places.blobs, kind)}


def _asked(place: Database | Blobs, kind: str) -> dict[str, Any]:
    try:
        told = place.standing()
    except KitError as error:
        return {"kind": kind, "where": place.where, "answers": False, "why_not": error.message}
    return {"kind": kind, "where": place.where, "answers": True, "why_not": None, **told}


def _encoders() -> list[dict[str, Any]]:
    from enroll.encoders import checksums, registry

    return [
        {
            "space": status.card.space,
            "modality": status.card.modality,
            "dim": status.card.dim,
            "present": status.present,
            "path": str(status.path) if status.path else None,
            "checksum": checksums.standing(registry.find(status.card.space), status.path) if status.path else None,
            "used": status.used,
            "why_not": _why_not(status),
            "licence": status.card.licence,
            "commercial": status.card.commercial,
            "source": status.card.source,
        }
        for status in registry.status()
    ]


def _why_not(status: Status) -> str | None:
    """Why an enrollment does not use a space unasked; None when it does."""
    if status.used:
        return None
    if not status.present:
        return "its weights are not on this machine"
    return "its licence forbids commercial use; name it with --encoders, or set CAMEO_LICENCE=any"


def _models() -> list[dict[str, Any]]:
    from cameo.backbones import describe

    found = [describe(name) for name in ("nano", *_HUB_MODELS)]
    return [
        {
            "name": model.name,
            "present": model.present,
            "path": str(model.where) if model.where else None,
            "megabytes": model.megabytes,
            "licence": model.license,
            "adapter": list(model.adapter),
            "lora": model.lora,
            "distilled": model.distilled,
            "restorer": model.restorer,
            "source": model.hint,
        }
        for model in found
    ]


def _watermarks() -> dict[str, bool]:
    """Those that can be made here, and whether they go into scenes."""
    from cameo.marks import watermarks

    wished = {mark.name for mark in watermarks.used()}
    return {mark.name: mark.name in wished for mark in watermarks.installed()}


def _keystore() -> str:
    """Where a new vault would keep its master key, or where this one does."""
    home = Studio().home
    if (home / "master.key").exists():
        return "file"
    if os.environ.get("CAMEO_KEYSTORE") == "file":
        return "file"
    import keyring

    try:
        usable = keyring.get_keyring().priority > 0
    except RuntimeError:
        usable = False
    return "keyring" if usable else "file"


def _can_encode(codec: str) -> bool:
    try:
        return bool(Codec(codec, "w"))
    except av.codec.codec.UnknownCodecError:
        return False
