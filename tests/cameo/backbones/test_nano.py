"""Nano as built: sizes, words, and the same weights for the same seed."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from transformers import PreTrainedTokenizerFast

from cameo.backbones.nano import NanoConfig, build
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
