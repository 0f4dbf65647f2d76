"""Nano: an LTX-2-format pipeline small enough to be trained from nothing and to run on two cores.

Every part is the class that the large checkpoints use, so that one code path serves both. The video VAE compresses as
LTX's does (32 in space, 8 in time) or less; the audio VAE by 4, as theirs. What ``build`` returns is untrained.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from pydantic import BaseModel, ConfigDict
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
)

from cameo.backbones.words import SPECIAL, word_tokenizer

__all__ = ["PRESETS", "NanoConfig", "build"]

# How each compression (space, time) is reached: four steps down from patches of 4, three steps up again, each in space,
# in time or in both. What can be done to fewer positions is: for stills, which most of training is on, doubling time
# on the finest grid would cost as much as all the rest.
_DOWN = {
    (32, 8): ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    (32, 4): ("spatial", "temporal", "spatiotemporal", "spatial"),
    (16, 8): ("spatial", "temporal", "spatiotemporal", "temporal"),
    (16, 4): ("spatial", "temporal", "temporal", "spatial"),
}
_UP = {
    (32, 8): ("spatiotemporal", "spatiotemporal", "spatiotemporal"),
    (32, 4): ("spatial", "spatiotemporal", "spatiotemporal"),
    (16, 8): ("temporal", "spatiotemporal", "spatiotemporal"),
    (16, 4): ("spatiotemporal", "temporal", "spatial"),
}


class NanoConfig(BaseModel):
    """Sizes of nano.

    Attributes:
        space: pixels of the picture's edge to one of the video latent's.
        time: frames to one of the video latent's; the first frame has one of its own.
        latent_channels: of the video VAE, and width of a video latent.
        encoder_widths: of the video VAE's four downsampling stages.
        decoder_width: of the video decoder's first stage; the second has half of it.
        decoder_middle: residual blocks of the decoder at the latent's own grid.
        decoder_last: of its last stage, at a quarter of the picture's edge.
        audio_channels: latent channels of the audio VAE; times 16 frequencies is the width of an audio latent.
        vocoder_width: hidden channels of the vocoder, halved at each of four upsamplings.
        layers: blocks of the transformer.
        video_heads: times 64 is the width of the picture's stream.
        audio_heads: times 32 is the width of the sound's stream.
        text_width: of the text encoder and the captions.
        text_layers: of the text encoder.
        max_tokens: longest prompt, in words and punctuation marks.
        picture: edge in pixels at which positions span 0 to 1.
        seconds: likewise for time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: Literal[16, 32] = 32
    time: Literal[4, 8] = 8
    latent_channels: int = 128
    encoder_widths: tuple[int, int, int, int] = (64, 64, 64, 128)
    decoder_width: int = 96
    decoder_middle: int = 1
    decoder_last: int = 32
    audio_channels: int = 4
    mel_bins: int = 64
    sample_rate: int = 16_000
    vocoder_width: int = 192
    layers: int = 4
    video_heads: int = 3
    audio_heads: int = 3
    text_width: int = 128
    text_layers: int = 2
    max_tokens: int = 48
    picture: int = 128
    seconds: int = 8

    @property
    def audio_latent_dim(self) -> int:
        """Width of a packed audio latent; ``AutoencoderKLLTX2Audio`` wants as many base channels."""
        return self.audio_channels * self.mel_bins // 4

    def video_grid(self, frames: int) -> tuple[int, int, int]:
        """Shape (F, h, w) of the latents of a clip at the full picture; their product is its number of tokens."""
        return (frames - 1) // self.time + 1, self.picture // self.space, self.picture // self.space


PRESETS = {
    "32x8": NanoConfig(),
    "16x8": NanoConfig(space=16, latent_channels=64, decoder_width=128, decoder_last=64),
    "16x4": NanoConfig(space=16, time=4, decoder_width=128, decoder_last=64, video_heads=4, audio_heads=5),
}
"""By the compression of their video VAE, in space and in time."""


def build(config: NanoConfig, words: Iterable[str], seed: int = 0) -> LTX2Pipeline:
    """An untrained nano: the same ``config``, ``words`` and ``seed`` give the same weights, the caller's random state
    is left alone.

    Args:
        config: sizes.
        words: vocabulary; lower-cased, duplicates fall together.
        seed: of the initial weights.
    """
    tokenizer = word_tokenizer(words, config.max_tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LTX2Pipeline(
            scheduler=_scheduler(),
            vae=_video_vae(config),
            audio_vae=_audio_vae(config),
            text_encoder=_text_encoder(config, tokenizer),
            tokenizer=tokenizer,
            connectors=_connectors(config),
            transformer=_transformer(config),
            vocoder=_vocoder(config),
        )


def _scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )


def _video_vae(config: NanoConfig) -> AutoencoderKLLTX2Video:
    # Widths grow where there are few positions; the first encoder stage has no residual block, for it works at the
    # latent's width on the most positions.
    return AutoencoderKLLTX2Video(
        latent_channels=config.latent_channels,
        block_out_channels=config.encoder_widths,
        layers_per_block=(0, 1, 1, 1, 0),
        downsample_type=_DOWN[config.space, config.time],
        decoder_block_out_channels=(config.decoder_last, config.decoder_width // 2, config.decoder_width),
        decoder_layers_per_block=(1, 1, 1, config.decoder_middle),
        upsample_type=_UP[config.space, config.time],
        upsample_factor=(1, 1, 2),
        encoder_causal=True,
        decoder_causal=False,
        spatial_compression_ratio=config.space,
        temporal_compression_ratio=config.time,
    )


def _audio_vae(config: NanoConfig) -> AutoencoderKLLTX2Audio:
    return AutoencoderKLLTX2Audio(
        base_channels=config.audio_latent_dim,
        output_channels=2,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        latent_channels=config.audio_channels,
        mel_bins=config.mel_bins,
        sample_rate=config.sample_rate,
    )


def _vocoder(config: NanoConfig) -> LTX2Vocoder:
    # 5 * 4 * 4 * 2 = 160 samples a frame. Kernel minus stride is even, so that the length is exact.
    return LTX2Vocoder(
        in_channels=2 * config.mel_bins,
        hidden_channels=config.vocoder_width,
        out_channels=2,
        upsample_kernel_sizes=[15, 8, 8, 4],
        upsample_factors=[5, 4, 4, 2],
        resnet_kernel_sizes=[3, 7],
        resnet_dilations=[[1, 3], [1, 3]],
        output_sampling_rate=config.sample_rate,
    )


def _transformer(config: NanoConfig) -> LTX2VideoTransformer3DModel:
    return LTX2VideoTransformer3DModel(
        in_channels=config.latent_channels,
        out_channels=config.latent_channels,
        vae_scale_factors=(config.time, config.space, config.space),
        num_attention_heads=config.video_heads,
        attention_head_dim=64,
        cross_attention_dim=config.video_heads * 64,
        pos_embed_max_pos=config.seconds,
        base_height=config.picture,
        base_width=config.picture,
        audio_in_channels=config.audio_latent_dim,
        audio_out_channels=config.audio_latent_dim,
        audio_num_attention_heads=config.audio_heads,
        audio_attention_head_dim=32,
        audio_cross_attention_dim=config.audio_heads * 32,
        audio_pos_embed_max_pos=config.seconds,
        audio_sampling_rate=config.sample_rate,
        num_layers=config.layers,
        caption_channels=config.text_width,
        rope_double_precision=False,
    )


def _text_encoder(config: NanoConfig, tokenizer: PreTrainedTokenizerFast) -> Gemma3ForConditionalGeneration:
    text = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.text_width,
        intermediate_size=2 * config.text_width,
        num_hidden_layers=config.text_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=config.text_width // 4,
        sliding_window=64,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    # Gemma 3 comes with eyes; nano never opens them.
    eyes = SiglipVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, image_size=14, patch_size=14
    )
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config=text.to_dict(),
            vision_config=eyes.to_dict(),
            mm_tokens_per_image=1,
            image_token_index=SPECIAL.index("<image>"),
            boi_token_index=SPECIAL.index("<boi>"),
            eoi_token_index=SPECIAL.index("<eoi>"),
        )
    ).eval()


def _connectors(config: NanoConfig) -> LTX2TextConnectors:
    return LTX2TextConnectors(
        caption_channels=config.text_width,
        # The pipeline stacks the embedding layer's output and every layer's.
        text_proj_in_factor=config.text_layers + 1,
        video_connector_num_attention_heads=4,
        video_connector_attention_head_dim=config.text_width // 4,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=4,
        audio_connector_attention_head_dim=config.text_width // 4,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=64,
        rope_double_precision=False,
    )
