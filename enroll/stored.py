"""An Identity's bytes: safetensors, with what is no tensor as JSON in the metadata of its header.

They may come from another home, in a package: each value is held to its kind before an ``Identity`` is made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from enroll.documents import complaint, parse
from enroll.errors import BadInput
from enroll.identity import Coverage, Crop, CropKind, Embedding, Identity, Modality, Pose, Speech, View

__all__ = ["from_bytes", "to_bytes"]

_FORMAT: Final = "cameo-identity/1"
_CROP: Final = (128, 128, 3)
_STRICT: Final = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

_Tensors = dict[str, NDArray[Any]]


class _View(BaseModel):
    model_config = _STRICT

    second: float
    quality: float
    pose: tuple[float, float, float]


class _Embedding(BaseModel):
    model_config = _STRICT

    modality: Modality
    quality: float
    seconds: float | None
    # Identities stored before it was measured have none.
    spread: float | None = None
    views: tuple[_View, ...]


class _Crop(BaseModel):
    model_config = _STRICT

    kind: CropKind
    second: float
    quality: float
    pose: tuple[float, float, float]


class _Coverage(BaseModel):
    model_config = _STRICT

    yaw: tuple[float, float] | None
    pitch: tuple[float, float] | None
    face_px: float
    face_frames: int
    speech_seconds: float
    advice: tuple[str, ...]


class _Header(BaseModel):
    model_config = _STRICT

    identity_id: str
    consent_id: str
    handle: str
    clip_sha256: str
    created: AwareDatetime
    sample_rate: int | None = Field(gt=0, lt=2**31)
    coverage: _Coverage
    embeddings: Mapping[str, _Embedding]
    crops: tuple[_Crop, ...]


def to_bytes(identity: Identity) -> bytes:
    tensors: _Tensors = {}
    for name, embedding in identity.embeddings.items():
        tensors[_vector(name)] = embedding.vector
        if embedding.views:
            tensors[_views(name)] = np.stack([view.vector for view in embedding.views])
    for index, crop in enumerate(identity.crops):
        tensors[f"crop/{index}"] = crop.pixels
    if identity.speech is not None:
        tensors["speech"] = identity.speech.samples
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    return save(contiguous, metadata={"format": _FORMAT, "identity": json.dumps(_header_of(identity))})


def from_bytes(blob: bytes) -> Identity:
    """The inverse of ``to_bytes``.

    Raises:
        BadInput: it is no identity of a format that this version reads.
    """
    try:
        tensors = load(blob)
        length = int.from_bytes(blob[:8], "little")
        metadata = json.loads(blob[8 : 8 + length]).get("__metadata__") or {}
    # A kind of number that numpy does not have is a KeyError to the library.
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadInput("this is not a stored identity") from error
    if metadata.get("format") != _FORMAT:
        raise BadInput(f"stored identity has format {str(metadata.get('format'))[:40]!r}, expected {_FORMAT!r}")
    try:
        header = parse(_Header, metadata.get("identity", ""))
    except ValidationError as error:
        raise BadInput(f"this is not a stored identity: {complaint(error)}") from None
    _require_fitting(header, tensors)
    return Identity(
        identity_id=header.identity_id,
        consent_id=header.consent_id,
        handle=header.handle,
        embeddings={name: _embedding(name, entry, tensors) for name, entry in header.embeddings.items()},
        crops=tuple(
            Crop(entry.kind, tensors[f"crop/{index}"], entry.second, entry.quality, Pose(*entry.pose))
            for index, entry in enumerate(header.crops)
        ),
        speech=Speech(tensors["speech"], header.sample_rate) if header.sample_rate is not None else None,
        coverage=Coverage(**dict(header.coverage)),
        clip_sha256=header.clip_sha256,
        created=header.created,
    )


def _require_fitting(header: _Header, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Raises BadInput unless there are the tensors that the header speaks of, and no others."""
    expected = {f"crop/{index}" for index in range(len(header.crops))}
    expected |= {"speech"} if header.sample_rate is not None else set()
    for name, entry in header.embeddings.items():
        expected |= {_vector(name), _views(name)} if entry.views else {_vector(name)}
    fits = set(tensors) == expected
    for name, tensor in tensors.items() if fits else ():
        kind, shape = (np.uint8, _CROP) if name.startswith("crop/") else (np.float32, tensor.shape)
        fits &= tensor.dtype == kind and tensor.shape == shape and tensor.size > 0
        fits &= tensor.ndim == (2 if name.endswith("/views") else 3 if kind is np.uint8 else 1)
        fits &= bool(np.isfinite(tensor).all())
    for name, entry in header.embeddings.items() if fits else ():
        fits &= not entry.views or tensors[_views(name)].shape == (len(entry.views), tensors[_vector(name)].size)
    if not fits:
        raise BadInput("this is not a stored identity: its tensors are not those its header speaks of")


def _embedding(name: str, entry: _Embedding, tensors: Mapping[str, NDArray[Any]]) -> Embedding:
    vectors = tensors[_views(name)] if entry.views else ()
    views = tuple(
        View(vector, view.second, view.quality, Pose(*view.pose))
        for vector, view in zip(vectors, entry.views, strict=True)
    )
    return Embedding(name, entry.modality, tensors[_vector(name)], views, entry.quality, entry.seconds, entry.spread)


def _header_of(identity: Identity) -> dict[str, object]:
    def pose(p: Pose) -> list[float]:
        return [p.yaw, p.pitch, p.roll]

    return {
        "identity_id": identity.identity_id,
        "consent_id": identity.consent_id,
        "handle": identity.handle,
        "clip_sha256": identity.clip_sha256,
        "created": identity.created.isoformat(),
        "sample_rate": identity.speech.sample_rate if identity.speech else None,
        "coverage": {
            "yaw": identity.coverage.yaw,
            "pitch": identity.coverage.pitch,
            "face_px": identity.coverage.face_px,
            "face_frames": identity.coverage.face_frames,
            "speech_seconds": identity.coverage.speech_seconds,
            "advice": identity.coverage.advice,
        },
        "embeddings": {
            name: {
                "modality": e.modality,
                "quality": e.quality,
                "seconds": e.seconds,
                "spread": e.spread,
                "views": [{"second": v.second, "quality": v.quality, "pose": pose(v.pose)} for v in e.views],
            }
            for name, e in identity.embeddings.items()
        },
        "crops": [
            {"kind": c.kind, "second": c.second, "quality": c.quality, "pose": pose(c.pose)} for c in identity.crops
        ],
    }


def _vector(space: str) -> str:
    return f"embedding/{space}/vector"


def _views(space: str) -> str:
    return f"embedding/{space}/views"
