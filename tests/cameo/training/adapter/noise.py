"""The smallest generators, prepared clips of people made of noise, and a run on them: what processes share out in the
tests."""

from __future__ import annotations

from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import LTX2Pipeline, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from torch import Tensor

from cameo.backbones.nano import build
from cameo.conditioning import IdentityAdapter
from cameo.training.adapter.examples import Clip, Examples
from cameo.training.adapter.learn import Losses, Training
from cameo.training.adapter.learner import Learner
from cameo.training.adapter.settings import Settings
from tests.cameo.conditioning.conftest import GENERATIONS
from tests.cameo.tiny import TINY, make_adapter, make_features

SETTINGS = Settings(
    model="tiny",
    base="tiny",
    version="1",
    height=64,
    width=64,
    frames=9,
    fps=12,
    face_space="face",
    body_space="body",
    voice_space="voice",
    token_dim=32,
    depth=1,
    rank=2,
    batch=4,
    steps=4,
    lr=1e-2,
    warmup=2,
    precision="float32",
    ema=0.9,
)


def tiny(generation: str = "2.3") -> LTX2Pipeline:
    """A pipeline of this generation of LTX-2, untrained."""
    pipeline = build(TINY, ["a", "person", "talking", "to", "the", "camera"], seed=0)
    stock = pipeline.transformer.config
    names = ("in_channels", "out_channels", "vae_scale_factors", "num_attention_heads", "attention_head_dim")
    names += ("cross_attention_dim", "pos_embed_max_pos", "base_height", "base_width", "audio_in_channels")
    names += ("audio_out_channels", "audio_num_attention_heads", "audio_attention_head_dim", "caption_channels")
    names += ("audio_cross_attention_dim", "audio_pos_embed_max_pos", "audio_sampling_rate", "num_layers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipeline.register_modules(
            transformer=LTX2VideoTransformer3DModel(
                **{name: stock[name] for name in names}, rope_double_precision=False, **GENERATIONS[generation]
            )
        )
        if generation != "2.0":
            pipeline.register_modules(connectors=_connectors())
    return pipeline


def _connectors() -> LTX2TextConnectors:
    """As 2.3 has them: a projection for each stream, to the width its cross-attention reads."""
    return LTX2TextConnectors(
        caption_channels=TINY.text_width,
        text_proj_in_factor=TINY.text_layers + 1,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=32,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=16,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=64,
        rope_double_precision=False,
        per_modality_projections=True,
        video_hidden_dim=64,
        audio_hidden_dim=32,
    )


def entry(seed: int) -> dict[str, Tensor]:
    """What is prepared of one clip: two scenes of 9 frames of 64×64, and somebody of noise."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    # Not everybody shows as much of themselves.
    features = make_features(seed=seed, crops=1 + seed % 2, speech=3 + seed % 3)
    crops = {
        name: noise(1, getattr(features, name).shape[1], TINY.latent_channels, 2, 2)
        for name in ("head_latents", "body_latents")
    }
    spoken = {"speech_latents": noise(1, features.speech_latents.shape[1], TINY.audio_latent_dim)}
    return {
        **{f"video/{n}": noise(TINY.latent_channels, 2, 2, 2) for n in range(2)},
        **{f"audio/{n}": noise(19, TINY.audio_latent_dim) for n in range(2)},
        "heard": torch.tensor(seed % 4 != 0),
        "prompt/video": noise(6, 64),
        "prompt/audio": noise(6, 32),
        "prompt/mask": torch.tensor([0, 1, 1, 1, 1, 1]),
        **{f"features/{name}": tensor for name, tensor in (features.tensors() | crops | spoken).items()},
    }


def examples(people: int = 3) -> Examples:
    """Of each person two clips."""
    clips = [Clip(f"person-{n // 2}", f"consent-{n}", lambda n=n: entry(n)) for n in range(2 * people)]
    return Examples(clips, seed=0, drop=0.2)


def learner(rank: int = SETTINGS.rank, generation: str = "2.3", dtype: torch.dtype = torch.float32) -> Learner:
    """A tiny generator, in an arithmetic of its own, with an untrained adapter on it."""
    pipeline = tiny(generation)
    pipeline.transformer.to(dtype)
    pipeline.transformer.enable_gradient_checkpointing()
    torch.manual_seed(0)
    return Learner(pipeline.transformer, small_adapter(), pipeline.scheduler, SETTINGS.fps, rank)


def small_adapter() -> IdentityAdapter:
    return make_adapter(
        video_latent_channels=TINY.latent_channels,
        audio_latent_dim=TINY.audio_latent_dim,
        video_dim=64,
        video_heads=1,
        audio_dim=32,
    )


def trained(
    accelerator: Accelerator, run: Path, until: int, settings: Settings = SETTINGS, dtype: torch.dtype = torch.float32
) -> tuple[Training, list[Losses]]:
    """A run up to a step, gone on with where it was, and saved; of a generator that is frozen in ``dtype``."""
    training = Training(accelerator, learner(settings.rank, dtype=dtype), settings, run)
    losses = list(training.steps(examples(), until))
    training.save()
    return training, losses
