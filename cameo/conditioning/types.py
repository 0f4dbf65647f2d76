"""The vocabulary of conditioning: what an adapter reads of a person, and what it hands to attention.

Absence is part of the vocabulary: a mask that is False, or a global embedding of zeros, means that nothing is known
(the consent does not cover it, or the clip did not show it). Such slots hold zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch.nn.functional import pad

__all__ = ["IdentityFeatures", "IdentityTokens"]


@dataclass(frozen=True, repr=False)
class IdentityFeatures:
    """People as tensors, one per batch row. Biometric: never logged, never written.

    Attributes:
        face: (B, V, Df) float, the adapter's face space; view 0 is the mean, the others single looks.
        face_mask: (B, V) bool.
        body: (B, Db) float, the adapter's body space; a row of zeros is absent.
        voice: (B, Dv) float, the adapter's voice space; a row of zeros is absent.
        head_latents: (B, K, C, h, w) float, head crops through the backbone's video VAE as single frames, normalised.
        head_mask: (B, K) bool.
        head_times: (B, K) float, when in the scene a head looks like that crop and is where it shows it, in seconds;
            NaN: all through. Matters to adapters that lay crops into the picture.
        body_latents: (B, J, C, h, w) float, body crops likewise; J is 1 so far.
        body_mask: (B, J) bool.
        speech_latents: (B, T, Da) float, reference speech through the audio VAE, normalised and packed.
        speech_mask: (B, T) bool.
    """

    face: torch.Tensor
    face_mask: torch.Tensor
    body: torch.Tensor
    voice: torch.Tensor
    head_latents: torch.Tensor
    head_mask: torch.Tensor
    head_times: torch.Tensor
    body_latents: torch.Tensor
    body_mask: torch.Tensor
    speech_latents: torch.Tensor
    speech_mask: torch.Tensor

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}={tuple(tensor.shape)}" for name, tensor in self.tensors().items())
        return f"IdentityFeatures({shapes})"

    def __len__(self) -> int:
        return len(self.face)

    def __getitem__(self, rows: int | slice | torch.Tensor) -> IdentityFeatures:
        """The people at ``rows``: an index, a slice, or an index or bool tensor. The batch dimension stays."""
        picked = slice(rows, rows + 1 or None) if isinstance(rows, int) else rows
        return replace(self, **{name: tensor[picked] for name, tensor in self.tensors().items()})

    def tensors(self) -> dict[str, torch.Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> IdentityFeatures:
        """Moved to ``device``; floats as ``dtype``, masks stay bool."""
        return replace(self, **{name: _to(tensor, device, dtype) for name, tensor in self.tensors().items()})

    def null_like(self) -> IdentityFeatures:
        """The same shapes with everybody absent: what the unconditional pass is trained on."""
        return replace(self, **{name: torch.zeros_like(tensor) for name, tensor in self.tensors().items()})

    def keep(
        self,
        face: torch.Tensor | None = None,
        body: torch.Tensor | None = None,
        voice: torch.Tensor | None = None,
    ) -> IdentityFeatures:
        """What stays after dropping modalities row by row; a dropped one is absent.

        Args:
            face: (B,) bool, False drops the face embeddings and head crops of that row; None keeps all.
            body: likewise the body embedding and crops.
            voice: likewise the voice embedding and the speech.
        """
        changed: dict[str, torch.Tensor] = {}
        for modality, keep in (("face", face), ("body", body), ("voice", voice)):
            if keep is not None:
                changed |= {name: _masked(getattr(self, name), keep) for name in _MODALITIES[modality]}
        return replace(self, **changed)

    @classmethod
    def stack(cls, people: Sequence[IdentityFeatures]) -> IdentityFeatures:
        """One batch of several; views, crops and speech are padded to the longest."""
        joined: dict[str, torch.Tensor] = {}
        for name in (field.name for field in fields(cls)):
            parts = [getattr(person, name) for person in people]
            if name not in ("body", "voice"):
                longest = max(part.shape[1] for part in parts)
                parts = [pad(p, (0, 0) * (p.ndim - 2) + (0, longest - p.shape[1])) for p in parts]
            joined[name] = torch.cat(parts)
        return cls(**joined)


@dataclass(frozen=True, repr=False)
class IdentityTokens:
    """What attention sees of the people in a scene.

    Attributes:
        video: (B, N, D), for ``attn2``.
        audio: (B, M, D), for ``audio_attn2``.
        video_mask: (B, N) bool, False where there is no token.
        audio_mask: (B, M) bool.
        video_places: (B, N, 3) float, where in the picture a token belongs and when, (x, y) as shares of its edges and
            seconds; NaN for x and y of one that belongs nowhere, and for the seconds of one that belongs to all.
    """

    video: torch.Tensor
    audio: torch.Tensor
    video_mask: torch.Tensor
    audio_mask: torch.Tensor
    video_places: torch.Tensor

    def __repr__(self) -> str:
        return f"IdentityTokens(video={tuple(self.video.shape)}, audio={tuple(self.audio.shape)})"

    def __len__(self) -> int:
        return len(self.video)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> IdentityTokens:
        return replace(self, **{f.name: _to(getattr(self, f.name), device, dtype) for f in fields(self)})

    @classmethod
    def beside(cls, people: Sequence[IdentityTokens]) -> IdentityTokens:
        """Several people in one scene: their tokens one after the other. Which query sees whose is the routing mask's
        business (see ``conditioned``)."""
        return cls(**{f.name: torch.cat([getattr(p, f.name) for p in people], dim=1) for f in fields(cls)})


_MODALITIES = {
    "face": ("face", "face_mask", "head_latents", "head_mask"),
    "body": ("body", "body_latents", "body_mask"),
    "voice": ("voice", "speech_latents", "speech_mask"),
}


def _to(tensor: torch.Tensor, device: torch.device | str | None, dtype: torch.dtype | None) -> torch.Tensor:
    return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)


def _masked(tensor: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    return tensor * keep.to(tensor.device, tensor.dtype).view(-1, *(1,) * (tensor.ndim - 1))
