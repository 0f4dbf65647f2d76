"""Sound from the states of a vocal tract: glottal pulses and turbulence through resonators, in short-time spectra.

The source is a train of unit pulses at exact (fractional) times, one to a period, so that jitter and shimmer are what
they say. Glottis and tract are filters given in closed form at the frequencies of an FFT: the glottal flow's
derivative as a resonance run backwards in time plus a tilt (the causal-anticausal model: Doval, d'Alessandro and
Henrich, 2003), the tract as Klatt's cascade of digital resonators with a nasal pole and zero. Frames overlap by three
quarters and are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cameo.synth.articulation import FRAME, Tracks

if TYPE_CHECKING:
    from cameo.synth.voices import Voice

__all__ = ["render"]

_OVERLAP = 4
_SINC_TAPS = 16


def render(voice: Voice, tracks: Tracks, draw: np.random.Generator, sample_rate: int) -> NDArray[np.float32]:
    """The sound of the tracks, mono float32, shape (N,), voiced parts at an RMS near 1."""
    hop = round(FRAME * sample_rate)
    count = len(tracks.pitch)
    total = count * hop
    # One state to a hop; sample-wise tracks are read between the states' middles.
    at = (np.arange(total) + 0.5) / hop - 0.5
    states = np.arange(count)
    pitch = np.interp(at, states, tracks.pitch)
    voicing = np.interp(at, states, tracks.voicing)
    breath = np.interp(at, states, tracks.breath)
    pulses, phase = _pulses(voice, pitch, voicing, np.interp(at, states, tracks.creak), draw, sample_rate)
    white = draw.standard_normal(total).astype(np.float32)

    size = scipy.fft.next_fast_len(round(0.032 * sample_rate), real=True)
    frequencies = np.arange(size // 2 + 1) * sample_rate / size
    tract = _tract(voice, tracks, frequencies, sample_rate)
    glottis = _glottis(voice, tracks.pitch, frequencies)

    voiced = _filter(pulses, tract * glottis, hop, size)
    sounding = voicing > 0.5
    norm = np.sqrt(np.mean(voiced[sounding] ** 2)) if sounding.any() else 1.0
    voiced /= max(float(norm), 1e-9)
    # Breath is loudest while the glottis is open, half a period in every period.
    open_glottis = 0.55 + 0.45 * np.cos(2 * np.pi * phase)
    level = voice.breath * voicing * open_glottis * 1.6 + breath * voice.hiss
    hush = _filter(white * level.astype(np.float32), tract * _breath_shape(frequencies), hop, size)
    power = np.mean(np.abs(tract * _breath_shape(frequencies)) ** 2)
    return voiced + hush / np.float32(np.sqrt(power)) + _turbulence(voice, tracks, total, hop, size, draw, sample_rate)


def _pulses(
    voice: Voice,
    pitch: NDArray[np.float64],
    voicing: NDArray[np.float64],
    creak: NDArray[np.float64],
    draw: np.random.Generator,
    sample_rate: int,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """One band-limited pulse per period, shape (N,), and the phase in periods, shape (N,)."""
    phase = np.cumsum(pitch) / sample_rate
    periods = int(phase[-1])
    whole = np.arange(1, periods + 1)
    times = np.interp(whole, phase, np.arange(len(phase)))
    creaky = np.interp(times, np.arange(len(creak)), creak)
    period = sample_rate / np.interp(times, np.arange(len(pitch)), pitch)
    times = times + period * draw.normal(0, 1, periods) * (voice.jitter + 0.06 * creaky)
    strength = np.interp(times, np.arange(len(voicing)), voicing)
    strength = strength * (1 + draw.normal(0, 1, periods) * (voice.shimmer + 0.1 * creaky))
    # In creak every second period is nearly lost.
    strength = strength * np.where(whole % 2 == 0, 1.0, 1.0 - 0.75 * creaky)
    first = np.floor(times).astype(int) - _SINC_TAPS // 2 + 1
    index = first[:, None] + np.arange(_SINC_TAPS)
    offset = index - times[:, None]
    taps = np.sinc(offset) * np.cos(np.pi * offset / (_SINC_TAPS + 1)) ** 2
    train = np.zeros(len(pitch))
    inside = (index >= 0) & (index < len(train))
    np.add.at(train, index[inside], (strength[:, None] * taps)[inside])
    return train.astype(np.float32), phase


def _resonator(
    centre: NDArray[np.float64] | float, width: NDArray[np.float64] | float, delay: NDArray[np.complex64], rate: int
) -> NDArray[np.complex64]:
    """Inverse response of Klatt's digital resonator (gain 1 at 0 Hz); ``delay`` is z⁻¹ at the frequencies."""
    radius = np.exp(-np.pi * np.asarray(width) / rate)
    b = 2 * radius * np.cos(2 * np.pi * np.asarray(centre) / rate)
    c = -(radius**2)
    gain = (1 - b - c)[..., None].astype(np.float32)
    b, c = b[..., None].astype(np.float32), c[..., None].astype(np.float32)
    return (1 - delay * (b + c * delay)) / gain


def _tract(voice: Voice, tracks: Tracks, frequencies: NDArray[np.float64], sample_rate: int) -> NDArray[np.complex64]:
    """Response of throat, mouth and nose, shape (T, frequencies)."""
    delay = np.exp(-2j * np.pi * frequencies / sample_rate).astype(np.complex64)
    inverse = np.ones((len(tracks.pitch), len(frequencies)), np.complex64)
    for j, width in enumerate((70.0, 90.0, 140.0)):
        centre = tracks.formants[:, j]
        # Losses grow with frequency (Hawks and Miller, JASA 1995).
        inverse *= _resonator(centre, voice.bandwidth * tracks.damping * (width + 0.02 * centre), delay, sample_rate)
    f4 = 3450 * voice.tract * voice.formants[3]
    f5 = (4400 - 650 * voice.ring) * voice.tract
    fixed = np.ones(len(frequencies), np.complex64)
    for high, width in ((f4, 200.0), (max(f5, f4 + 250), 260.0)):
        fixed *= _resonator(high, voice.bandwidth * width, delay, sample_rate)
    upper = 5500 * voice.tract
    while upper < sample_rate / 2 - 300:
        fixed *= _resonator(upper, voice.bandwidth * 400.0, delay, sample_rate)
        upper += 1000 * voice.tract
    fixed /= _resonator(voice.sinus, 250.0, delay, sample_rate)
    fixed *= _resonator(voice.sinus, 250.0 * voice.sinus_depth, delay, sample_rate)
    # The nose: a pole at 270 Hz whose zero lies upon it while the velum is closed, and moves up as it opens.
    opened = tracks.nasal
    inverse *= _resonator(270.0, 100.0, delay, sample_rate)
    inverse /= _resonator(270.0 + 190.0 * opened, 100.0, delay, sample_rate)
    return 1.0 / (inverse * fixed)


def _glottis(voice: Voice, pitch: NDArray[np.float64], frequencies: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Spectrum of the glottal flow's derivative, shape (T, frequencies)."""
    centre = pitch * (0.62 / voice.open_quotient)
    ratio = (frequencies / centre[:, None]).astype(np.float32)
    backwards = 1 - ratio**2 - 1j * ratio / np.float32(voice.asymmetry)
    tilt = 1 + 1j * (frequencies / voice.tilt).astype(np.float32)
    return ((-1j * ratio) / (backwards * tilt)).astype(np.complex64)


def _breath_shape(frequencies: NDArray[np.float64]) -> NDArray[np.float32]:
    """Turbulence at the glottis has little below 800 Hz."""
    return (frequencies / (frequencies + 800.0)).astype(np.float32)


def _turbulence(
    voice: Voice, tracks: Tracks, total: int, hop: int, size: int, draw: np.random.Generator, sample_rate: int
) -> NDArray[np.float32]:
    """Noise of fricatives and plosives, each in its own band, shape (total,)."""
    sound = np.zeros(total, np.float32)
    for burst in tracks.bursts:
        first, last = max(0, round(burst.start * sample_rate)), min(total, round(burst.end * sample_rate))
        length = last - first
        if length < 8:
            continue
        time = np.arange(length) / sample_rate
        envelope = np.minimum(1, time / burst.attack) * np.minimum(1, (time[-1] - time) / burst.decay)
        fft = scipy.fft.next_fast_len(length + 64, real=True)
        frequencies = np.arange(fft // 2 + 1) * sample_rate / fft
        distance = frequencies - burst.centre
        width = np.where(distance < 0, burst.noise.width, burst.noise.width * burst.noise.skew)
        band = np.exp(-0.5 * (distance / width) ** 2) + 0.02
        spectrum = scipy.fft.rfft(draw.standard_normal(fft).astype(np.float32)) * band.astype(np.float32)
        noise = scipy.fft.irfft(spectrum, fft)[:length] / np.sqrt(np.mean(band**2))
        sound[first:last] += (noise * envelope * burst.noise.level * voice.hiss).astype(np.float32)
    return sound


def _filter(source: NDArray[np.float32], response: NDArray[np.complex64], hop: int, size: int) -> NDArray[np.float32]:
    """Run ``source``, shape (T * hop,), through a response that changes every hop, shape (T, size // 2 + 1)."""
    count = len(response)
    window_length = _OVERLAP * hop
    lead = (window_length - hop) // 2
    padded = np.pad(source, (lead, window_length))
    window = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(window_length) + 0.5) / window_length)) * 2 / _OVERLAP
    frames = np.lib.stride_tricks.sliding_window_view(padded, window_length)[::hop][:count]
    spectra = scipy.fft.rfft(frames * window.astype(np.float32), size, axis=1)
    parts = -(-size // hop)
    pieces = np.zeros((count, parts * hop), np.float32)
    pieces[:, :size] = scipy.fft.irfft(spectra * response, size, axis=1)
    out = np.zeros((count + parts, hop), np.float32)
    for part in range(parts):
        out[part : part + count] += pieces[:, part * hop : (part + 1) * hop]
    return out.reshape(-1)[lead : lead + count * hop]
