"""Proof that an identity adapter works: every weight has a say, and what it says moves the picture and the sound.

An adapter that loads and does nothing looks like one that works, until somebody looks at the faces.
"""

from __future__ import annotations

import torch

from cameo.conditioning.adapter import IdentityAdapter, IdentityProjection
from cameo.conditioning.errors import AdapterMismatch, AdapterUnreadable
from cameo.conditioning.types import IdentityFeatures

__all__ = ["prove", "somebody"]


def prove(adapter: IdentityAdapter) -> None:
    """Follow the gradient from what the attentions are given back to every weight of the adapter.

    No transformer is run: a few tokens of made-up features go through the adapter and its projections, once with
    everything known of a person and once with nothing.

    Raises:
        AdapterUnreadable: a weight is no number.
        AdapterMismatch: a weight moves nothing.
    """
    weights = dict(adapter.named_parameters())
    for name, weight in weights.items():
        if not bool(weight.isfinite().all()):
            raise AdapterUnreadable(f"the adapter's weight {name!r} holds numbers that are none; get it again")
    wanted = {name: weight.requires_grad for name, weight in weights.items()}
    adapter.requires_grad_(True)
    try:
        with torch.enable_grad():
            said = _said(adapter, somebody(adapter)) + _said(adapter, somebody(adapter).null_like())
        gradients = torch.autograd.grad(said, list(weights.values()), allow_unused=True)
    finally:
        for name, weight in weights.items():
            weight.requires_grad_(wanted[name])
    idle = [
        name
        for name, gradient in zip(weights, gradients, strict=True)
        if gradient is None or not bool(gradient.count_nonzero())
    ]
    if idle:
        raise AdapterMismatch(
            f"{len(idle)} of the adapter's {len(weights)} weights move nothing, the first is {idle[0]!r}",
            hint="it was never trained, or only in part: with it nobody would be recognised",
        )


def _said(adapter: IdentityAdapter, features: IdentityFeatures) -> torch.Tensor:
    """A number in which every weight that has a say is."""
    tokens = adapter(features)
    total = torch.zeros((), device=adapter.device)
    for layers, sequence, places in (
        (adapter.video_layers, tokens.video, tokens.video_places),
        (adapter.audio_layers, tokens.audio, None),
    ):
        generator = torch.Generator().manual_seed(1)
        for layer in layers:
            assert isinstance(layer, IdentityProjection)  # noqa: S101
            total = total + _attended(layer, sequence, places, generator)
    return total


def _attended(
    layer: IdentityProjection, tokens: torch.Tensor, places: torch.Tensor | None, generator: torch.Generator
) -> torch.Tensor:
    """Attention of one made-up query to the tokens, summed with made-up weights."""
    key, value = layer.to_k_id(tokens).float(), layer.to_v_id(tokens).float()

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(tokens.device)

    logits = key @ noise(key.shape[-1], 1) / key.shape[-1] ** 0.5  # (1, N, 1)
    if places is not None and hasattr(layer, "near_gain"):
        distances = (places - 0.5).square().sum(-1)[:, None]
        logits = logits + layer.nearness(distances)[:, :, 0].transpose(1, 2).float()  # (1, N, H)
    weight = logits.softmax(1).mean(-1, keepdim=True)
    return ((weight * value).sum(1) * noise(value.shape[-1])).sum()


def somebody(adapter: IdentityAdapter, seed: int = 0) -> IdentityFeatures:
    """One person of noise, of whom everything is known that this adapter reads."""
    config, generator = adapter.config, torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, generator=generator).to(adapter.device, adapter.dtype)

    def known(count: int) -> torch.Tensor:
        return torch.ones(1, count, dtype=torch.bool, device=adapter.device)

    crop = (config.video_latent_channels, config.head_grid, config.head_grid)
    return IdentityFeatures(
        face=noise(config.face_views, config.face_dim),
        face_mask=known(config.face_views),
        body=noise(config.body_dim),
        voice=noise(config.voice_dim),
        head_latents=noise(config.head_crops, *crop),
        head_mask=known(config.head_crops),
        head_times=torch.full((1, config.head_crops), torch.nan, device=adapter.device),
        body_latents=noise(1, *crop),
        body_mask=known(1),
        speech_latents=noise(config.max_speech, config.audio_latent_dim),
        speech_mask=known(config.max_speech),
    )
