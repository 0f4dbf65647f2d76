"""From an enrolled Identity to what an adapter reads: embeddings of its spaces, crops and speech as latents.

The same encoders serve training, so that an adapter meets at generation what it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any, Protocol

import numpy as np
import torch
import torchaudio
from diffusers import LTX2Pipeline
from numpy.typing import NDArray

from cameo.backbones.mel import log_mel
from cameo.conditioning.errors import AdapterMismatch
from cameo.conditioning.placing import Placing, frontal, lay_crop
from cameo.conditioning.types import IdentityFeatures
from enroll.identity import CropKind, Embedding, Identity, Modality, Speech

__all__ = ["AdapterSpec", "encode_crops", "encode_speech", "features_from_identity"]

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
    head_placings: Mapping[str, Sequence[float]] | None
    max_speech: int
    video_latent_channels: int
    head_grid: int
    audio_latent_dim: int


def features_from_identity(
    identity: Identity,
    pipeline: LTX2Pipeline,
    adapter_config: AdapterSpec,
    placings: Sequence[tuple[float, Placing]] | None = None,
) -> IdentityFeatures:
    """One person as a batch of one, float32, on the pipeline's device.

    What the identity does not hold (no voice in the consent's scope, say) is absent in the features.

    Args:
        identity: the person.
        pipeline: whose autoencoders encode crops and speech.
        adapter_config: what is to be told.
        placings: where their head is in the scene and when, see ``placings_for``, for an adapter that lays crops into
            the picture; None: where its first shot shows one.

    Raises:
        AdapterMismatch: the identity has a modality, but not in the space this adapter was trained on, or in another
            dimension; or the backbone's latents are not of the adapter's shape.
    """
    spec = adapter_config
    face = _embedding(identity, "face", spec.face_space, spec.face_dim)
    body = _embedding(identity, "body", spec.body_space, spec.body_dim)
    voice = _embedding(identity, "voice", spec.voice_space, spec.voice_dim)
    heads, times = _heads(identity, pipeline, spec, placings)
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
        head_times=times[None],
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


def _heads(
    identity: Identity, pipeline: LTX2Pipeline, spec: AdapterSpec, placings: Sequence[tuple[float, Placing]] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of the head crops (K, C, h, w), laid into the picture where the adapter wants that, and when (K)."""
    if spec.head_placings is None:
        latents = _crops(identity, pipeline, "head", spec.head_crops, spec)
        return latents, torch.full((len(latents),), nan)
    crops = frontal(identity.crops_of("head"))[: spec.head_crops]
    if placings is None:
        placings = [(nan, Placing(*next(iter(spec.head_placings.values()))))]
    edge = spec.head_grid * pipeline.vae_spatial_compression_ratio
    laid = [
        lay_crop(crop.pixels, placing.matrix((edge, edge), len(crop.pixels)), (edge, edge))
        for _, placing in placings
        for crop in crops
    ]
    return _encoded(laid, pipeline, "head", spec), torch.tensor([at for at, _ in placings for _ in crops])


def _crops(identity: Identity, pipeline: LTX2Pipeline, kind: CropKind, most: int, spec: AdapterSpec) -> torch.Tensor:
    return _encoded([crop.pixels for crop in identity.crops_of(kind)[:most]], pipeline, kind, spec)


def _encoded(
    pictures: Sequence[NDArray[np.uint8]], pipeline: LTX2Pipeline, kind: CropKind, spec: AdapterSpec
) -> torch.Tensor:
    shape = (spec.video_latent_channels, spec.head_grid, spec.head_grid)
    if not pictures:
        return torch.zeros(0, *shape)
    latents = encode_crops(pipeline, np.stack(pictures))
    _expect(f"{kind} crop latents of this backbone", latents.shape[1:], shape)
    return latents.cpu()


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
