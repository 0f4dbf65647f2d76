"""Tiny real models of all generations of LTX-2, and people made of noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers import LTX2Pipeline, LTX2VideoTransformer3DModel

from cameo.backbones.nano import build
from cameo.conditioning import IdentityAdapter, IdentityFeatures
from tests.cameo.tiny import TINY, make_adapter, make_features, open_values

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


@pytest.fixture(params=[None, {"close-up": (0.8, 0.1, 0.1)}], ids=["nowhere", "placed"])
def placings(request: pytest.FixtureRequest) -> dict[str, tuple[float, float, float]] | None:
    """Whether head crops are laid into the picture."""
    return request.param


@pytest.fixture
def untrained(placings: dict[str, tuple[float, float, float]] | None) -> IdentityAdapter:
    return make_adapter(head_placings=placings)


@pytest.fixture
def trained(placings: dict[str, tuple[float, float, float]] | None) -> IdentityAdapter:
    return open_values(make_adapter(head_placings=placings))


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
