"""A vocoder's sound, brought back to its spectrogram: judged by librosa's, and by who is heard."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from cameo.backbones import load
from cameo.backbones.checkpoint import NANO
from cameo.backbones.mel import log_mel
from cameo.evaluation.speakers import speaker_vector
from cameo.evaluation.voice_round_trip import open_voices, sayings
from cameo.restoration import as_its_spectrogram, vocoder_keeps_to_spectrogram
from cameo.synth.voices import Voice, speak
from enroll.errors import BadInput

RATE, HOP = 16_000, 160


def spoken(seed: int = 3) -> torch.Tensor:
    """(1, 2, N), both channels alike."""
    samples = speak(Voice.from_seed(seed), ["hello", "seven", "good", "morning"], seed=seed).samples
    whole = samples[: len(samples) // HOP * HOP].astype(np.float32)
    return torch.from_numpy(whole)[None, None].expand(1, 2, -1).contiguous()


def dulled(sound: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Every band of a spectrogram louder or softer by some factor, changing as it goes on."""
    window, rng = torch.hann_window(1024), torch.Generator().manual_seed(seed)
    spectrum = torch.stft(sound.flatten(0, -2), 1024, HOP, window=window, return_complex=True)
    coarse = torch.randn(1, 1, 20, spectrum.shape[-1] // 20, generator=rng) * 0.6
    factor = torch.nn.functional.interpolate(coarse, spectrum.shape[-2:], mode="bilinear")[0].exp()
    return torch.istft(spectrum * factor, 1024, HOP, window=window, length=sound.shape[-1]).reshape(sound.shape)


def distance(sound: torch.Tensor, other: torch.Tensor) -> float:
    """Of two sounds' log-mel spectrograms by librosa, nepers, where either is loud."""
    a, b = (
        librosa.feature.melspectrogram(y=one[0, 0].numpy(), sr=RATE, n_fft=1024, hop_length=HOP, n_mels=64, power=1.0)
        for one in (sound, other)
    )
    return float(np.abs(np.log(a + 1e-3) - np.log(b + 1e-3)).mean())


def test_it_has_the_spectrogram_it_was_made_from() -> None:
    true = spoken()
    drawn = dulled(true)
    back = as_its_spectrogram(drawn, log_mel(true), RATE, HOP, 4)
    assert back.shape == drawn.shape and back.dtype == torch.float32
    assert distance(back, true) < 0.4 * distance(drawn, true)
    assert float((back - true).norm()) < 0.6 * float((drawn - true).norm()), "phases too"


def test_what_keeps_to_it_already_stays_as_it_is() -> None:
    true = spoken()
    back = as_its_spectrogram(true, log_mel(true), RATE, HOP, 4)
    inside = slice(1024, -1024)
    assert float((back - true)[..., inside].norm()) < 0.05 * float(true[..., inside].norm())
    assert torch.equal(as_its_spectrogram(true, log_mel(dulled(true)), RATE, HOP, 0), true)


def test_silence_stays_silent_and_nothing_is_louder_than_full_scale() -> None:
    hushed = as_its_spectrogram(spoken(), log_mel(torch.zeros_like(spoken())), RATE, HOP, 4)
    assert float(hushed.abs().max()) < 1e-3
    shouted = as_its_spectrogram(spoken(), log_mel(spoken()) + 6, RATE, HOP, 4)
    assert float(shouted.abs().max()) == 1.0 and torch.isfinite(shouted).all()
    nothing = as_its_spectrogram(torch.zeros_like(spoken()), log_mel(spoken()), RATE, HOP, 4)
    assert torch.equal(nothing, torch.zeros_like(nothing)), "there are no phases to begin from"


def test_each_sound_of_a_batch_by_itself_and_less_than_whole_frames() -> None:
    first, length = spoken(), 80 * HOP
    both = torch.cat([first[..., :length], spoken(4)[..., :length]])
    mels = log_mel(both)
    together = as_its_spectrogram(dulled(both), mels, RATE, HOP, 3)
    alone = as_its_spectrogram(dulled(both)[1:], mels[1:], RATE, HOP, 3)
    assert torch.allclose(together[1:], alone, atol=1e-5)
    short = as_its_spectrogram(first[..., : length - 70], mels[:1], RATE, HOP, 3)
    assert short.shape == (1, 2, length - 70)


def test_the_shipped_vocoders_voices_are_more_their_own() -> None:
    people = sayings(6)
    vae, vocoder = open_voices(NANO)
    plain, kept = [], []
    for one in people:
        with torch.inference_mode():
            mel = vae.decode(vae.encode(log_mel(torch.from_numpy(one.take)[None, None])).latent_dist.mode()).sample
            made = vocoder(mel)
        own = speaker_vector(one.enrolled)
        for found, sound in ((plain, made), (kept, as_its_spectrogram(made, mel, RATE, HOP, 4))):
            found.append(float(own @ speaker_vector(sound[0].mean(0).numpy())))
    # Of somebody too little may be said to tell.
    assert np.nanmean(kept) > np.nanmean(plain) + 0.05


def test_a_pipeline_keeps_to_it_within_the_block_only(tiny_model: Path) -> None:
    pipeline = load(str(tiny_model)).pipeline
    mel = log_mel(spoken())
    with torch.inference_mode():
        plain = pipeline.vocoder(mel)
        with vocoder_keeps_to_spectrogram(pipeline, 0):
            assert torch.equal(pipeline.vocoder(mel), plain)
        with pytest.raises(RuntimeError, match="amid"), vocoder_keeps_to_spectrogram(pipeline, 2):
            kept = pipeline.vocoder(mel)
            raise RuntimeError("amid the scene")
        assert torch.equal(pipeline.vocoder(mel), plain)
    assert torch.equal(kept, as_its_spectrogram(plain, mel, RATE, HOP, 2)) and not torch.equal(kept, plain)


def test_a_vocoder_of_another_rate_is_refused(tiny_model: Path) -> None:
    pipeline = load(str(tiny_model)).pipeline
    pipeline.vocoder.register_to_config(output_sampling_rate=24_000)
    with (
        pytest.raises(BadInput, match="24000 Hz from a spectrogram of 16000 Hz") as refused,
        vocoder_keeps_to_spectrogram(pipeline, 1),
    ):
        pass
    assert "vocoder_iterations" in refused.value.hint
