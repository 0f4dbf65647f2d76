"""The vocabulary of an enrollment: what is known of a person afterwards, and its bytes.

An Identity holds biometric data. Its ``repr`` shows shapes only; ``to_bytes`` is plaintext and is meant for the
vault's cipher alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from enroll.errors import BadInput

__all__ = ["Coverage", "Crop", "CropKind", "Embedding", "Identity", "Modality", "Pose", "Speech", "View"]

Modality = Literal["face", "body", "voice"]
CropKind = Literal["head", "body"]

_FORMAT = "cameo-identity/1"


@dataclass(frozen=True)
class Pose:
    """Head rotation in degrees. Yaw is positive when the head turns to the picture's right, pitch when it looks up,
    roll when it tilts clockwise in the picture."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True, repr=False)
class View:
    """One look at the person in one embedding space.

    Attributes:
        vector: float32, shape (D,).
        second: where in the clip, seconds from its start.
        quality: 0 (useless) to 1 (as good as it gets).
        pose: head rotation; zeros for body and voice.
    """

    vector: NDArray[np.float32]
    second: float
    quality: float
    pose: Pose = Pose()


@dataclass(frozen=True, repr=False)
class Embedding:
    """The person in one named embedding space. Spaces are never mixed.

    Attributes:
        space: registry name, e.g. ``dlib-resnet-128``.
        modality: what it describes.
        vector: quality-weighted mean of the views, float32, shape (D,), unit length where the space says so.
        views: what the mean was made of, in clip order.
        quality: 0 to 1.
        seconds: for a voice, the seconds of speech behind it; None otherwise.
        spread: how far the views lie from their mean: 1 less their mean cosine to it, 0 (all alike) upwards; None where
            there are fewer than two.
    """

    space: str
    modality: Modality
    vector: NDArray[np.float32]
    views: tuple[View, ...] = ()
    quality: float = 1.0
    seconds: float | None = None
    spread: float | None = None

    @property
    def dim(self) -> int:
        return int(self.vector.shape[0])


@dataclass(frozen=True, repr=False)
class Crop:
    """An aligned picture of the person: RGB uint8, shape (128, 128, 3). ``alignment`` says how it is cut."""

    kind: CropKind
    pixels: NDArray[np.uint8]
    second: float
    quality: float
    pose: Pose = Pose()


@dataclass(frozen=True, repr=False)
class Speech:
    """The subject's clean speech: mono float32 in [-1, 1], shape (N,), silence cut out."""

    samples: NDArray[np.float32]
    sample_rate: int = 16_000

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Coverage:
    """How much of the person the clip showed.

    Attributes:
        yaw: smallest and greatest yaw seen, degrees; None without a face.
        pitch: likewise.
        face_px: median face height in the clip, pixels.
        face_frames: frames in which the subject's face was used.
        speech_seconds: seconds of the subject's speech.
        advice: sentences that would make the next clip better; empty when nothing is missing.
    """

    yaw: tuple[float, float] | None = None
    pitch: tuple[float, float] | None = None
    face_px: float = 0.0
    face_frames: int = 0
    speech_seconds: float = 0.0
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Identity:
    """A person as enrolled: embeddings by space, aligned crops, a stretch of speech, and whose consent it rests on.

    Attributes:
        identity_id: UUID4, random; says nothing of the person.
        consent_id: the consent record this identity lives and dies with.
        handle: the name used in prompts, without ``@``.
        embeddings: by space name.
        crops: head and body crops, best first within each kind.
        speech: None when the consent does not cover the voice.
        coverage: how much of the person the clip showed.
        clip_sha256: hex digest of the file enrolled from.
        created: UTC.
    """

    identity_id: str
    consent_id: str
    handle: str
    embeddings: Mapping[str, Embedding]
    crops: tuple[Crop, ...] = ()
    speech: Speech | None = None
    coverage: Coverage = field(default_factory=Coverage)
    clip_sha256: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        object.__setattr__(self, "embeddings", MappingProxyType(dict(self.embeddings)))

    def __repr__(self) -> str:
        spaces = ", ".join(f"{e.space}×{len(e.views)}" for e in self.embeddings.values())
        speech = f"{self.speech.seconds:.1f} s" if self.speech else "none"
        return f"Identity({self.identity_id}, spaces=[{spaces}], crops={len(self.crops)}, speech={speech})"

    def of(self, modality: Modality) -> dict[str, Embedding]:
        """The embeddings of one modality, by space."""
        return {name: e for name, e in self.embeddings.items() if e.modality == modality}

    def crops_of(self, kind: CropKind) -> tuple[Crop, ...]:
        return tuple(crop for crop in self.crops if crop.kind == kind)

    def to_bytes(self) -> bytes:
        """One safetensors blob, metadata in its header. Plaintext: hand it to a cipher, never to a file."""
        tensors: dict[str, NDArray[np.generic]] = {}
        for name, embedding in self.embeddings.items():
            tensors[f"embedding/{name}/vector"] = embedding.vector
            if embedding.views:
                tensors[f"embedding/{name}/views"] = np.stack([view.vector for view in embedding.views])
        for index, crop in enumerate(self.crops):
            tensors[f"crop/{index}"] = crop.pixels
        if self.speech is not None:
            tensors["speech"] = self.speech.samples
        contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        return save_safetensors(contiguous, metadata={"format": _FORMAT, "identity": json.dumps(self._header())})

    @classmethod
    def from_bytes(cls, blob: bytes) -> Identity:
        """The inverse of ``to_bytes``.

        Raises:
            BadInput: the blob is not an identity of a format this version reads.
        """
        try:
            tensors = load_safetensors(blob)
            length = int.from_bytes(blob[:8], "little")
            metadata = json.loads(blob[8 : 8 + length]).get("__metadata__", {})
        except (SafetensorError, ValueError) as error:
            raise BadInput("this is not a stored identity") from error
        if metadata.get("format") != _FORMAT:
            raise BadInput(f"stored identity has format {metadata.get('format')!r}, expected {_FORMAT!r}")
        header = json.loads(metadata["identity"])
        embeddings = {
            name: Embedding(
                space=name,
                modality=entry["modality"],
                vector=tensors[f"embedding/{name}/vector"],
                views=tuple(
                    View(vector, view["second"], view["quality"], Pose(*view["pose"]))
                    for vector, view in zip(tensors.get(f"embedding/{name}/views", ()), entry["views"], strict=True)
                ),
                quality=entry["quality"],
                seconds=entry["seconds"],
                # Identities stored before it was measured have none.
                spread=entry.get("spread"),
            )
            for name, entry in header["embeddings"].items()
        }
        crops = tuple(
            Crop(entry["kind"], tensors[f"crop/{index}"], entry["second"], entry["quality"], Pose(*entry["pose"]))
            for index, entry in enumerate(header["crops"])
        )
        speech = Speech(tensors["speech"], header["sample_rate"]) if "speech" in tensors else None
        seen = header["coverage"]
        coverage = Coverage(
            yaw=tuple(seen["yaw"]) if seen["yaw"] else None,
            pitch=tuple(seen["pitch"]) if seen["pitch"] else None,
            face_px=seen["face_px"],
            face_frames=seen["face_frames"],
            speech_seconds=seen["speech_seconds"],
            advice=tuple(seen["advice"]),
        )
        return cls(
            identity_id=header["identity_id"],
            consent_id=header["consent_id"],
            handle=header["handle"],
            embeddings=embeddings,
            crops=crops,
            speech=speech,
            coverage=coverage,
            clip_sha256=header["clip_sha256"],
            created=datetime.fromisoformat(header["created"]),
        )

    def _header(self) -> dict[str, object]:
        def pose(p: Pose) -> list[float]:
            return [p.yaw, p.pitch, p.roll]

        return {
            "identity_id": self.identity_id,
            "consent_id": self.consent_id,
            "handle": self.handle,
            "clip_sha256": self.clip_sha256,
            "created": self.created.isoformat(),
            "sample_rate": self.speech.sample_rate if self.speech else None,
            "coverage": {
                "yaw": self.coverage.yaw,
                "pitch": self.coverage.pitch,
                "face_px": self.coverage.face_px,
                "face_frames": self.coverage.face_frames,
                "speech_seconds": self.coverage.speech_seconds,
                "advice": self.coverage.advice,
            },
            "embeddings": {
                name: {
                    "modality": e.modality,
                    "quality": e.quality,
                    "seconds": e.seconds,
                    "spread": e.spread,
                    "views": [{"second": v.second, "quality": v.quality, "pose": pose(v.pose)} for v in e.views],
                }
                for name, e in self.embeddings.items()
            },
            "crops": [
                {"kind": c.kind, "second": c.second, "quality": c.quality, "pose": pose(c.pose)} for c in self.crops
            ],
        }
