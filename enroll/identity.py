"""The vocabulary of an enrollment: what is known of a person afterwards. ``enroll.stored`` makes bytes of it.

An Identity holds biometric data. Its ``repr`` shows shapes only; ``to_bytes`` is plaintext and is meant for the
vault's cipher alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Coverage", "Crop", "CropKind", "Embedding", "Identity", "Modality", "Pose", "Speech", "View"]

Modality = Literal["face", "body", "voice"]
CropKind = Literal["head", "body"]


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
        from enroll.stored import to_bytes

        return to_bytes(self)

    @classmethod
    def from_bytes(cls, blob: bytes) -> Identity:
        """The inverse of ``to_bytes``.

        Raises:
            BadInput: the blob is not an identity of a format this version reads.
        """
        from enroll.stored import from_bytes

        return from_bytes(blob)
