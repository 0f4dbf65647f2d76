"""The log-mel front end, against librosa's, which was written by others."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from cameo.backbones.mel import FLOOR, log_mel


def chirp(seconds: float = 1.0, rate: int = 16_000) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (0.3 * np.sin(2 * np.pi * (200 * t + 1500 * t**2)) + 0.01 * noise).astype(np.float32)


def test_it_is_librosas_slaney_mel_of_magnitudes():
    sound = chirp()
    expected = librosa.feature.melspectrogram(
        y=sound, sr=16_000, n_fft=1024, hop_length=160, n_mels=64, power=1.0, pad_mode="reflect", norm="slaney"
    )
    got = log_mel(sound)[0].numpy().T
    np.testing.assert_allclose(np.exp(got), np.maximum(expected[:, :100], FLOOR), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((16_000,), (2, 100, 64)),
        ((1, 16_000), (2, 100, 64)),
        ((2, 8_000), (2, 50, 64)),
        ((3, 1, 16_159), (3, 2, 100, 64)),
        ((3, 2, 16_160), (3, 2, 101, 64)),
    ],
)
def test_shapes(shape, expected):
    assert log_mel(torch.zeros(shape)).shape == expected


def test_mono_is_on_both_channels_and_stereo_is_kept_apart():
    left, right = torch.from_numpy(chirp()), torch.from_numpy(chirp()[::-1].copy())
    mono, stereo = log_mel(left), log_mel(torch.stack([left, right]))
    assert torch.equal(mono[0], mono[1])
    assert torch.equal(stereo[0], mono[0])
    assert torch.equal(stereo[1], log_mel(right)[0])


def test_silence_is_the_floor():
    assert torch.allclose(log_mel(torch.zeros(8_000)), torch.tensor(FLOOR).log())


def test_a_tone_is_where_it_belongs():
    t = torch.arange(16_000) / 16_000
    centres = librosa.mel_frequencies(66, fmin=0, fmax=8_000)[1:-1]
    for hertz in (440.0, 1_000.0, 3_000.0):
        loudest = int(log_mel(0.5 * torch.sin(2 * torch.pi * hertz * t))[0, 20:80].mean(0).argmax())
        assert abs(centres[loudest] / hertz - 1) < 0.08


def test_gradient_reaches_the_samples():
    sound = torch.from_numpy(chirp()).requires_grad_()
    log_mel(sound).mean().backward()
    assert sound.grad.abs().sum() > 0


def test_a_first_call_under_inference_mode_does_not_spoil_later_gradients():
    with torch.inference_mode():
        log_mel(torch.randn(4000), hop=200, n_fft=800)
    samples = torch.randn(4000, requires_grad=True)
    log_mel(samples, hop=200, n_fft=800).sum().backward()
    assert samples.grad is not None
