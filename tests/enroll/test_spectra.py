"""Spectrograms by pieces are those of the whole."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from enroll.spectra import bins, magnitudes

RATE = 16_000


@pytest.mark.parametrize(("size", "hop"), [(512, 160), (2048, 512)])
@pytest.mark.parametrize("samples", [3000, 20 * RATE, 47 * RATE + 123])
def test_pieces_make_the_whole(size: int, hop: int, samples: int) -> None:
    sound = np.random.default_rng(0).normal(size=samples).astype(np.float32)
    pieces = list(magnitudes(sound, size, hop))
    whole = np.abs(librosa.stft(sound, n_fft=size, hop_length=hop, window="hann", pad_mode="constant"))
    found = np.concatenate(pieces, axis=1)
    assert found.shape == (size // 2 + 1, samples // hop + 1) == whole.shape
    # scipy divides by the window's sum.
    assert np.allclose(found * size / 2, whole, rtol=1e-3, atol=1e-3)
    assert max(piece.shape[1] for piece in pieces) <= 20 * RATE // hop


def test_bins_are_those_within_the_band() -> None:
    frequencies = np.arange(257) * RATE / 512
    rows = bins(1000.0, 3000.0, 512)
    assert np.array_equal(frequencies[rows], frequencies[(frequencies >= 1000) & (frequencies < 3000)])
