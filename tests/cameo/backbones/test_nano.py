"""Nano as built: sizes, words, and the same weights for the same seed."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from transformers import PreTrainedTokenizerFast

from cameo.backbones.nano import PRESETS, NanoConfig, build
from cameo.backbones.words import SPECIAL, word_tokenizer

WORDS = ["Hello", "the", "sea", "don't", "person", "by", "says"]


@pytest.fixture(scope="module")
def nano():
    return build(NanoConfig(), WORDS, seed=0)


def millions(module: torch.nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_an_unknown_size_is_refused():
    with pytest.raises(ValidationError, match="widht"):
        NanoConfig(widht=3)


def test_it_stays_small(nano):
    assert millions(nano.vae) <= 4.5
    assert millions(nano.audio_vae) <= 1.5
    assert millions(nano.vocoder) <= 1.2
    assert millions(nano.transformer) <= 11


@torch.no_grad()
def test_compression_is_ltx(nano):
    """25 frames of 128 pixels are 64 tokens; two seconds of sound are 50."""
    video = nano.vae.encode(torch.zeros(1, 3, 25, 128, 128)).latent_dist.mode()
    assert video.shape == (1, 128, 4, 4, 4)
    assert nano.vae.decode(video, return_dict=False)[0].shape == (1, 3, 25, 128, 128)
    audio = nano.audio_vae.encode(torch.zeros(1, 2, 200, 64)).latent_dist.mode()
    assert nano._pack_audio_latents(audio).shape == (1, 50, nano.transformer.config.audio_in_channels)
    mel = nano.audio_vae.decode(audio, return_dict=False)[0]
    # The first latent stands for one frame, each other one for four.
    assert mel.shape == (1, 2, 197, 64)
    assert nano.vocoder(mel).shape == (1, 2, 197 * 160)


@torch.no_grad()
@pytest.mark.parametrize(("space", "time"), [(32, 8), (32, 4), (16, 8), (16, 4)])
def test_every_compression_is_what_the_pipeline_is_told(space, time):
    """Shapes through the VAE, and what autoencoder, pipeline and transformer say of them, agree."""
    config = NanoConfig(
        space=space, time=time, latent_channels=32, encoder_widths=(16, 16, 16, 16), decoder_width=32, layers=1
    )
    pipeline = build(config, WORDS)
    for frames in (1, 9, 25):
        grid = config.video_grid(frames)
        assert grid == ((frames - 1) // time + 1, 128 // space, 128 // space)
        latents = pipeline.vae.encode(torch.zeros(1, 3, frames, 128, 128)).latent_dist.mode()
        assert latents.shape == (1, 32, *grid)
        assert pipeline.vae.decode(latents, return_dict=False)[0].shape == (1, 3, frames, 128, 128)
    assert (pipeline.vae_temporal_compression_ratio, pipeline.vae_spatial_compression_ratio) == (time, space)
    # Positions are in pixels and seconds: the last latent ends where the picture does.
    coordinates = pipeline.transformer.rope.prepare_video_coords(1, *config.video_grid(25), device="cpu", fps=12.5)
    assert coordinates[0, :, :, 1].amax(-1).tolist() == pytest.approx([25 / 12.5, 128, 128])


def test_a_scene_through_a_finer_autoencoder():
    config = NanoConfig(
        space=16, time=4, latent_channels=32, encoder_widths=(16, 16, 16, 16), decoder_width=32, layers=1, video_heads=1
    )
    pipeline = build(config, WORDS)
    pipeline.set_progress_bar_config(disable=True)
    scene = pipeline(
        "the person says hello",
        height=64,
        width=64,
        num_frames=5,
        frame_rate=12.5,
        num_inference_steps=2,
        guidance_scale=2.0,
        max_sequence_length=48,
        output_type="np",
    )
    assert scene.frames.shape == (1, 5, 64, 64, 3)


def test_presets_differ_in_compression_and_stay_small():
    assert {name: f"{c.space}x{c.time}" for name, c in PRESETS.items()} == {name: name for name in PRESETS}
    for config in PRESETS.values():
        built = build(config, WORDS)
        parts = (built.vae, built.audio_vae, built.vocoder, built.text_encoder, built.connectors, built.transformer)
        assert millions(built.vae) < 7.5  # in bfloat16 below 15 MB
        assert sum(millions(part) for part in parts) < 17.7  # below 36 MiB, with an adapter of 1.15


def test_the_same_seed_gives_the_same_weights_and_leaves_the_callers_state_alone(nano):
    state = torch.get_rng_state()
    again, other = build(NanoConfig(), WORDS, seed=0), build(NanoConfig(), WORDS, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    for part in ("vae", "audio_vae", "vocoder", "text_encoder", "connectors", "transformer"):
        first, second = getattr(nano, part).state_dict(), getattr(again, part).state_dict()
        assert all(torch.equal(first[name], second[name]) for name in first), part
    assert not torch.equal(nano.transformer.proj_in.weight, other.transformer.proj_in.weight)


def test_words_quotes_and_what_is_unknown():
    tokenizer = word_tokenizer(WORDS, 48)
    assert tokenizer.tokenize('THE person says: "hello" by the sea!') == [
        "the", "person", "says", ":", '"', "hello", '"', "by", "the", "sea", "!",
    ]  # fmt: skip
    assert tokenizer.tokenize("\u201cDon\u2019t\u201d") == ['"', "don't", '"']
    assert tokenizer.tokenize("sea-monster \u2603") == ["sea", "-", "<unk>", "<unk>"]


def test_padding_goes_left_and_an_empty_prompt_has_a_token():
    tokenizer = word_tokenizer(WORDS, 8)
    batch = tokenizer(["", "the sea", "the " * 20], padding="max_length", max_length=8, truncation=True)
    assert batch["attention_mask"][0] == [0] * 7 + [1]
    assert batch["input_ids"][0][-1] == SPECIAL.index("<bos>")
    assert batch["attention_mask"][1] == [0] * 5 + [1] * 3
    assert len(batch["input_ids"][2]) == 8


def test_the_tokenizer_survives_its_file(tmp_path):
    tokenizer = word_tokenizer(WORDS, 48)
    tokenizer.save_pretrained(tmp_path)
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    text = 'the person says "hello, don\'t" by the <unk> sea'
    assert again(text, padding="max_length").input_ids == tokenizer(text, padding="max_length").input_ids
    assert (again.padding_side, again.model_max_length) == ("left", 48)
