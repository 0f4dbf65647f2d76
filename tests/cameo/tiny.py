"""The smallest generator of LTX-2's kind, an adapter and people of noise for it."""

from __future__ import annotations

import torch

from cameo.backbones.nano import NanoConfig
from cameo.conditioning import IdentityAdapter, IdentityFeatures

TINY = NanoConfig(
    latent_channels=32,
    encoder_widths=(16, 16, 16, 32),
    decoder_width=32,
    decoder_last=16,
    audio_channels=1,
    vocoder_width=32,
    layers=2,
    video_heads=1,
    audio_heads=1,
    text_width=32,
    text_layers=1,
)


def make_adapter(**changes: object) -> IdentityAdapter:
    torch.manual_seed(2)
    small = {
        "face_dim": 12,
        "body_dim": 10,
        "voice_dim": 14,
        "video_latent_channels": 8,
        "head_grid": 2,
        "audio_latent_dim": 6,
        "token_dim": 32,
        "tokens_per_embedding": 2,
        "heads": 2,
        "num_layers": 2,
        "video_dim": 32,
        "video_heads": 2,
        "audio_dim": 16,
    }
    return IdentityAdapter(**{**small, **changes}).eval()


def adapter_of_tiny(**changes: object) -> IdentityAdapter:
    """One that fits ``TINY``, and says something."""
    torch.manual_seed(0)
    small = {
        "face_dim": 12,
        "body_dim": 10,
        "voice_dim": 14,
        "video_latent_channels": 32,
        "head_grid": 4,
        "audio_latent_dim": 16,
        "token_dim": 32,
        "heads": 2,
        "num_layers": 2,
        "video_dim": 64,
        "video_heads": 1,
        "audio_dim": 32,
    }
    return open_values(IdentityAdapter(**{**small, **changes}).eval())


def open_values(adapter: IdentityAdapter) -> IdentityAdapter:
    """Give ``to_v_id``, which starts at zero, something to say."""
    for layer in (*adapter.video_layers, *adapter.audio_layers):
        torch.nn.init.normal_(layer.to_v_id.weight)
    return adapter


def make_features(batch: int = 1, seed: int = 3, views: int = 3, crops: int = 2, speech: int = 5) -> IdentityFeatures:
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(batch, *shape, generator=generator)

    def known(count: int) -> torch.Tensor:
        return torch.ones(batch, count, dtype=torch.bool)

    return IdentityFeatures(
        face=noise(views, 12),
        face_mask=known(views),
        body=noise(10),
        voice=noise(14),
        head_latents=noise(crops, 8, 2, 2),
        head_mask=known(crops),
        head_times=torch.full((batch, crops), torch.nan),
        body_latents=noise(1, 8, 2, 2),
        body_mask=known(1),
        speech_latents=noise(speech, 6),
        speech_mask=known(speech),
    )


def same(a, b) -> bool:
    """Picture and sound, to the bit."""
    return all(torch.equal(torch.as_tensor(x), torch.as_tensor(y)) for x, y in zip(a, b, strict=True))
