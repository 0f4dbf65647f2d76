"""Marked scenes for the parsers' faults, and what the C2PA library says of one."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import c2pa
import numpy as np

from cameo.errors import InputRefused
from cameo.marks import Authority
from cameo.marks.c2pa import _SOURCE_TYPE, CAST_LABEL, _settings
from cameo.scene import write_scene

__all__ = ["CAST", "marked", "plain", "store_of"]

CAST: dict[str, Any] = {
    "version": 2,
    "salt": "0" * 32,
    "people": [{"cameo_id": "1" * 64, "consent_id": "7f9b4a52", "status": {"index": 7, "list": "urn:x#status"}}],
    "model": "nano",
    "seed": 7,
}


def plain(folder: Path) -> Path:
    """A scene without marks, of six pictures."""
    frames = np.random.default_rng(0).integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
    write_scene(folder / "plain.mp4", frames, np.zeros(8000, np.float32), 12.0, 16_000)
    return folder / "plain.mp4"


def marked(scene: Path, folder: Path, cast: Any) -> tuple[Authority, bytes]:
    """Signed over whatever it is told to say of who is in it.

    Raises:
        InputRefused: the library does not sign that.
    """
    authority = Authority.derive(sha256(b"scenes for faults").digest())
    manifest = {
        "claim_generator_info": [{"name": "Cameo", "version": "0"}],
        "assertions": [
            {
                "label": "c2pa.actions",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": _SOURCE_TYPE}]},
            },
            {"label": CAST_LABEL, "data": cast},
        ],
    }
    info = c2pa.C2paSignerInfo("ed25519", authority.chain.encode(), authority.key.encode(), None)
    target = folder / "marked.mp4"
    try:
        with (
            c2pa.Context.from_dict(_settings(authority.root), signer=c2pa.Signer.from_info(info)) as context,
            c2pa.Builder(manifest, context) as builder,
            scene.open("rb") as source,
            target.open("w+b") as file,
        ):
            builder.sign("video/mp4", source, file)
    except c2pa.C2paError as error:
        raise InputRefused(str(error)) from None
    return authority, target.read_bytes()


def store_of(content: bytes, folder: Path, authority: Authority) -> dict[str, Any]:
    """What the library reads in a scene."""
    (path := folder / "read.mp4").write_bytes(content)
    with (
        c2pa.Context.from_dict(_settings(authority.root)) as context,
        path.open("rb") as file,
        c2pa.Reader("video/mp4", file, context=context) as reader,
    ):
        found: dict[str, Any] = json.loads(reader.json())
        return found
