"""The faces of a scene, restored from what was enrolled of its people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cameo.conditioning.routing import Presence
from cameo.restoration.aligned import aligned, as_tensor, crop_middle, lay_back, mouths_hidden
from cameo.restoration.finding import Found, find_faces
from cameo.restoration.network import REFERENCES, FaceRestorer
from cameo.restoration.speech import heard_about
from enroll.identity import Crop, Embedding, Identity
from enroll.pose import face_length, head_poses

__all__ = ["MOUTH_SECONDS", "nearest_crops", "restore_faces"]

MOUTH_SECONDS: Final = 2.0
"""Over which the mean of a mouth is taken."""

_AT_ONCE: Final = 16


def _can_be_restored(restorer: FaceRestorer, person: Identity) -> bool:
    """Whether enough is known of a person: their face in the restorer's space, and crops of their head."""
    return restorer.config.face_space in person.embeddings and bool(person.crops_of("head"))


def restore_faces(
    restorer: FaceRestorer,
    frames: NDArray[np.uint8],
    sound: NDArray[np.float32],
    fps: float,
    people: Sequence[Identity],
    presences: Sequence[Presence] | None = None,
    scale: float = 1.0,
    heads: Sequence[NDArray[np.float32] | None] | None = None,
) -> NDArray[np.uint8]:
    """Frames in which everybody's face is restored, and their mouth opens with their voice.

    Args:
        frames: RGB, (T, H, W, 3).
        sound: mono at 16 kHz, in [-1, 1], (N,).
        fps: frames a second.
        people: who is in the scene, as enrolled. Of whom no face is known, nothing is restored.
        presences: where each of them is drawn and when heard, in the same order. None: anywhere and always.
        scale: how much of it, 0 to 1.
        heads: where each one's face was to be drawn, if that is known: landmarks in every frame, (T, 5, 2). A face that
            no detector takes for one is restored there, and looked for again.
    """
    placed = list(presences) if presences is not None else [Presence()] * len(people)
    laid = list(heads) if heads is not None else [None] * len(people)
    cast = [one for one in zip(people, placed, laid, strict=True) if _can_be_restored(restorer, one[0])]
    if not cast or scale <= 0:
        return frames
    own = [person.embeddings[restorer.config.face_space] for person, _, _ in cast]
    found = find_faces(frames, own, [where for _, where, _ in cast], fps)
    times, restored = [index / fps for index in range(len(frames))], frames
    for (person, where, head), embedding, face in zip(cast, own, found, strict=True):
        known = _Known(person.crops_of("head"), embedding, heard_about(sound, times, where.speaks))
        if face is None and head is not None:
            there = Found(head, np.ones(len(frames), np.float32))
            (face,) = find_faces(_restored(restorer, frames, there, known, fps, 1.0), [embedding], [where], fps)
        if face is not None:
            restored = _restored(restorer, restored, face, known, fps, scale)
    return restored


@dataclass(frozen=True, repr=False)
class _Known:
    """Of a person: crops of their head, their face in the restorer's space, and what is heard of them about each
    frame."""

    crops: Sequence[Crop]
    embedding: Embedding
    heard: Tensor


def _restored(
    restorer: FaceRestorer,
    frames: NDArray[np.uint8],
    face: Found,
    known: _Known,
    fps: float,
    scale: float,
) -> NDArray[np.uint8]:
    drawn = aligned(frames, face.landmarks)
    shown = as_tensor(mouths_hidden(drawn, round(MOUTH_SECONDS * fps)))
    references = torch.stack([_references(known.crops, yaw) for yaw in _yaws(face.landmarks)])
    descriptor = functional.normalize(torch.from_numpy(known.embedding.vector).float(), dim=0).expand(len(frames), -1)
    given = (shown, references, descriptor, known.heard)
    device = restorer.device
    with torch.inference_mode():
        parts = [
            restorer(*(one[at : at + _AT_ONCE].to(device, restorer.dtype) for one in given)).float().cpu()
            for at in range(0, len(frames), _AT_ONCE)
        ]
    new = (torch.cat(parts).movedim(1, -1) + 1) * 127.5
    change = (new.clamp(0, 255).numpy() - drawn) * (min(scale, 1.0) * face.present[:, None, None, None])
    return np.stack([lay_back(*one) for one in zip(frames, change, face.landmarks, strict=True)])


def nearest_crops(yaws: NDArray[np.float32], yaw: float) -> NDArray[np.intp]:
    """Which REFERENCES of the crops whose heads are turned so, degrees, (K,), are shown to a head that is turned so:
    the nearest first, and from the first again where there are fewer."""
    return np.resize(np.argsort(np.abs(yaws - yaw), kind="stable"), REFERENCES)


def _references(crops: Sequence[Crop], yaw: float) -> Tensor:
    turned = np.array([crop.pose.yaw for crop in crops], np.float32)
    return as_tensor(np.stack([crop_middle(crops[i].pixels) for i in nearest_crops(turned, yaw)]))


def _yaws(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    return head_poses(landmarks, face_length(list(landmarks)))[:, 0]
