"""From an enrolled Identity to what an adapter reads: embeddings of its spaces, crops and speech as latents.

The same encoders serve training, so that an adapter meets at generation what it was trained on.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
import torch
import torchaudio
from diffusers import LTX2Pipeline
from numpy.typing import NDArray

from cameo.backbones.mel import log_mel
from cameo.conditioning.errors import AdapterMismatch
from cameo.conditioning.types import IdentityFeatures
from enroll.identity import CropKind, Embedding, Identity, Modality, Speech

__all__ = ["AdapterSpec", "encode_crops", "encode_speech", "features_from_identity", "lay_crop"]

_SHORTEST_SPEECH = 1024
"""Samples; less than one window of the spectrogram says nothing of a voice."""


class AdapterSpec(Protocol):
    """What must be known of an adapter: ``IdentityAdapter.config`` has it. Spaces are named, never guessed."""

    face_space: str
    face_dim: int
    body_space: str
    body_dim: int
    voice_space: str
    voice_dim: int
    face_views: int
    head_crops: int
    head_placing: tuple[float, float, float] | None
    max_speech: int
    video_latent_channels: int
    head_grid: int
    audio_latent_dim: int


def features_from_identity(identity: Identity, pipeline: LTX2Pipeline, adapter_config: AdapterSpec) -> IdentityFeatures:
    """One person as a batch of one, float32, on the pipeline's device.

    What the identity does not hold (no voice in the consent's scope, say) is absent in the features.

    Raises:
        AdapterMismatch: the identity has a modality, but not in the space this adapter was trained on, or in another
            dimension; or the backbone's latents are not of the adapter's shape.
    """
    spec = adapter_config
    face = _embedding(identity, "face", spec.face_space, spec.face_dim)
    body = _embedding(identity, "body", spec.body_space, spec.body_dim)
    voice = _embedding(identity, "voice", spec.voice_space, spec.voice_dim)
    heads = _crops(identity, pipeline, "head", spec.head_crops, spec)
    torsos = _crops(identity, pipeline, "body", 1, spec)
    speech = _speech(identity.speech, pipeline, spec)
    looks = np.zeros((1, spec.face_dim), np.float32) if face is None else _looks(face, spec.face_views)
    return IdentityFeatures(
        face=torch.from_numpy(looks)[None],
        face_mask=torch.full((1, len(looks)), face is not None),
        body=_vector(body, spec.body_dim),
        voice=_vector(voice, spec.voice_dim),
        head_latents=heads[None],
        head_mask=torch.ones(1, len(heads), dtype=torch.bool),
        body_latents=torsos[None],
        body_mask=torch.ones(1, len(torsos), dtype=torch.bool),
        speech_latents=speech[None],
        speech_mask=torch.ones(1, len(speech), dtype=torch.bool),
    ).to(pipeline._execution_device)


@torch.no_grad()
def encode_crops(pipeline: LTX2Pipeline, pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures as the backbone's own latents.

    Args:
        pipeline: whose video VAE encodes.
        pixels: RGB uint8, shape (N, H, W, 3), edges divisible by the VAE's spatial compression.

    Returns:
        Float32, shape (N, C, h, w): the posterior's mode, normalised as the pipeline normalises video latents.
    """
    vae = pipeline.vae
    # Under offloading the VAE itself is elsewhere until it is called.
    frames = torch.from_numpy(np.ascontiguousarray(pixels)).to(pipeline._execution_device, vae.dtype) / 127.5 - 1.0
    latents = vae.encode(frames.permute(0, 3, 1, 2)[:, :, None]).latent_dist.mode()
    # The pipeline's own function, underscore or not: a second version of it could drift.
    latents = pipeline._normalize_latents(latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)
    return latents[:, :, 0].float()


@torch.no_grad()
def encode_speech(
    pipeline: LTX2Pipeline, samples: NDArray[np.float32] | torch.Tensor, sample_rate: int
) -> torch.Tensor:
    """Sound as the backbone's own latents.

    Args:
        pipeline: whose audio VAE encodes.
        samples: float32 in [-1, 1], shape (N,), (C, N) or (B, C, N).
        sample_rate: of ``samples``, Hz.

    Returns:
        Float32, shape (B, T, D), 25 latents a second, packed and normalised as the pipeline does; B is 1 without one.
    """
    vae = pipeline.audio_vae
    sound = torchaudio.functional.resample(torch.as_tensor(samples), sample_rate, vae.config.sample_rate)
    mel = log_mel(sound, vae.config.sample_rate, vae.config.mel_bins, vae.config.mel_hop_length)
    mel = mel if mel.ndim == 4 else mel[None]
    latents = pipeline._pack_audio_latents(vae.encode(mel.to(pipeline._execution_device, vae.dtype)).latent_dist.mode())
    return pipeline._normalize_audio_latents(latents, vae.latents_mean, vae.latents_std).float()


def _embedding(identity: Identity, modality: Modality, space: str, dim: int) -> Embedding | None:
    held = identity.of(modality)
    if not held:
        return None
    if space not in held:
        raise AdapterMismatch(
            f"this adapter reads {modality}s in the space {space}, the identity has {', '.join(sorted(held))}",
            hint=f"enroll again with the {space} encoder, or use an adapter for a space the identity has",
        )
    if held[space].dim != dim:
        raise AdapterMismatch(f"{space} has {held[space].dim} dimensions in the identity, {dim} in the adapter")
    return held[space]


def _looks(face: Embedding, views: int) -> NDArray[np.float32]:
    """The mean first, then the best single views. (V, Df)."""
    best = sorted(face.views, key=lambda view: view.quality, reverse=True)[: views - 1]
    return np.stack([face.vector, *(view.vector for view in best)]).astype(np.float32)


def _vector(embedding: Embedding | None, dim: int) -> torch.Tensor:
    return torch.zeros(1, dim) if embedding is None else torch.from_numpy(embedding.vector.astype(np.float32))[None]


def _crops(identity: Identity, pipeline: LTX2Pipeline, kind: CropKind, most: int, spec: AdapterSpec) -> torch.Tensor:
    crops = identity.crops_of(kind)[:most]
    shape = (spec.video_latent_channels, spec.head_grid, spec.head_grid)
    if not crops:
        return torch.zeros(0, *shape)
    pixels = [crop.pixels for crop in crops]
    if kind == "head" and spec.head_placing is not None:
        pixels = [lay_crop(one, spec.head_placing) for one in pixels]
    latents = encode_crops(pipeline, np.stack(pixels))
    _expect(f"{kind} crop latents of this backbone", latents.shape[1:], shape)
    return latents.cpu()


def lay_crop(
    crop: NDArray[np.uint8], placing: tuple[float, float, float], size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """A picture with the crop where a close-up would show it, its border repeated around it; (H, W, 3).

    Args:
        crop: RGB uint8, shape (h, w, 3).
        placing: see ``head_placing`` of the adapter.
        size: (W, H) of the picture; None for that of the crop.
    """
    scale, x, y = placing
    height, width = crop.shape[:2]
    across, down = size or (width, height)
    matrix = np.array([[scale * across / width, 0, x * across], [0, scale * down / height, y * down]], np.float32)
    laid = cv2.warpAffine(crop, matrix, (across, down), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return laid.astype(np.uint8, copy=False)


def _speech(speech: Speech | None, pipeline: LTX2Pipeline, spec: AdapterSpec) -> torch.Tensor:
    if speech is None or len(speech.samples) < _SHORTEST_SPEECH:
        return torch.zeros(0, spec.audio_latent_dim)
    config = pipeline.audio_vae.config
    seconds = (
        spec.max_speech * pipeline.audio_vae_temporal_compression_ratio * config.mel_hop_length / config.sample_rate
    )
    latents = encode_speech(pipeline, speech.samples[: round(seconds * speech.sample_rate)], speech.sample_rate)[0]
    _expect("audio latents of this backbone", latents.shape[1:], (spec.audio_latent_dim,))
    return latents[: spec.max_speech].cpu()


def _expect(what: str, got: Any, expected: tuple[int, ...]) -> None:
    if tuple(got) != expected:
        raise AdapterMismatch(f"{what} have shape {tuple(got)}, the adapter expects {expected}")
