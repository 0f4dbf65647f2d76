"""Tiny real models of all generations of LTX-2, and people made of noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers import LTX2Pipeline, LTX2VideoTransformer3DModel

from cameo.backbones.nano import NanoConfig, build
from cameo.conditioning import IdentityAdapter, IdentityFeatures

Pass = Callable[..., tuple[torch.Tensor, torch.Tensor]]

GENERATIONS = {
    "2.0": {},
    "2.3": {
        "gated_attn": True,
        "audio_gated_attn": True,
        "cross_attn_mod": True,
        "audio_cross_attn_mod": True,
        "perturbed_attn": True,
        "use_prompt_embeddings": False,
    },
}
GENERATIONS["2.5"] = GENERATIONS["2.3"] | {"ff_bias": False, "use_keyframes_abs_pos_embedding": True}
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


@pytest.fixture(params=list(GENERATIONS))
def transformer(request: pytest.FixtureRequest) -> LTX2VideoTransformer3DModel:
    torch.manual_seed(0)
    model = LTX2VideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=32,
        audio_in_channels=8,
        audio_out_channels=8,
        audio_num_attention_heads=2,
        audio_attention_head_dim=8,
        audio_cross_attention_dim=16,
        num_layers=2,
        caption_channels=24,
        rope_double_precision=False,
        **GENERATIONS[request.param],
    )
    # At their default start gates are all alike; spread, they show a term that is added behind them.
    for name, parameter in model.named_parameters():
        if "to_gate_logits" in name:
            torch.nn.init.normal_(parameter)
    return model.eval()


@pytest.fixture
def run(transformer: LTX2VideoTransformer3DModel) -> Pass:
    """One pass over ``batch`` scenes, (B, 12, 8) and (B, 9, 8); ``same`` makes all rows equal."""

    def run(batch: int = 1, same: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(1)
        config = transformer.config
        widths = (24, 24) if config.use_prompt_embeddings else (config.cross_attention_dim, 16)

        def noise(*shape: int) -> torch.Tensor:
            rows = torch.randn(1 if same else batch, *shape, generator=generator)
            return rows.expand(batch, *shape)

        timestep = torch.full((batch,), 500.0)
        mask = torch.tensor([[0, 1, 1, 1, 1]]).expand(batch, -1)
        return transformer(
            hidden_states=noise(12, 8),
            audio_hidden_states=noise(9, 8),
            encoder_hidden_states=noise(5, widths[0]),
            audio_encoder_hidden_states=noise(5, widths[1]),
            encoder_attention_mask=mask,
            audio_encoder_attention_mask=mask,
            timestep=timestep,
            sigma=timestep,
            num_frames=3,
            height=2,
            width=2,
            fps=12.5,
            audio_num_frames=9,
            return_dict=False,
        )

    return run


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
        body_latents=noise(1, 8, 2, 2),
        body_mask=known(1),
        speech_latents=noise(speech, 6),
        speech_mask=known(speech),
    )


@pytest.fixture(params=[None, (0.8, 0.1, 0.1)], ids=["nowhere", "placed"])
def placing(request: pytest.FixtureRequest) -> tuple[float, float, float] | None:
    """Whether head crops belong to places in the picture."""
    return request.param


@pytest.fixture
def untrained(placing: tuple[float, float, float] | None) -> IdentityAdapter:
    return make_adapter(head_placing=placing)


@pytest.fixture
def trained(placing: tuple[float, float, float] | None) -> IdentityAdapter:
    return open_values(make_adapter(head_placing=placing))


@pytest.fixture
def features() -> Callable[..., IdentityFeatures]:
    return make_features


@pytest.fixture
def adapter_with() -> Callable[..., IdentityAdapter]:
    return make_adapter


@pytest.fixture
def tiny_pipeline() -> LTX2Pipeline:
    pipeline = build(TINY, ["a", "person", "waves"], seed=0)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
