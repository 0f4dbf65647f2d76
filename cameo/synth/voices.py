"""Made-up speakers: traits drawn from a seed, and speech from traits and words.

A voice is what stays the same from one occasion to the next (``Voice``); an occasion is what ``speak``'s own seed
draws: where the accents fall, how fast this once, the small timing. Nobody's recording went into any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from cameo.errors import UsageError
from cameo.synth.articulation import FRAME, Phone, articulate
from cameo.synth.phonemes import PHONEMES, SILENCE
from cameo.synth.tract import render

__all__ = ["Phone", "Utterance", "Voice", "mouth_track", "speak"]

SPEECH_LEVEL = 0.09
"""RMS of the voiced parts of every utterance."""


@dataclass(frozen=True)
class Voice:
    """Everything that makes one made-up speaker sound like themselves.

    Attributes:
        pitch: mean of the fundamental, Hz, geometric over an utterance.
        pitch_range: height of an ordinary accent, semitones.
        declination: how far the pitch sinks from the start of a phrase to its end, semitones.
        final: where the last syllable goes against the line, semitones; positive rises.
        accent_lag: where in a syllable its accent peaks, 0 its beginning to 1 its end.
        vibrato: depth in semitones.
        vibrato_rate: Hz.
        jitter: relative standard deviation of single periods.
        shimmer: relative standard deviation of single pulses' strength.
        creak: chance that the end of a phrase breaks into creak.
        tract: formants relative to those of an adult male tract of 17.5 cm; above 1 is shorter.
        formants: factors of F1 to F4 on top of ``tract``.
        front, back, open: factors of F1 and F2 in front, back and open vowels on top of these.
        bandwidth: factor of all formant bandwidths.
        open_quotient: share of a period in which the glottis is open, 0.35 (pressed) to 0.85 (lax).
        asymmetry: sharpness of the glottal formant.
        tilt: Hz from which the closing of the glottis is too soft to sound (a first-order low-pass).
        breath: RMS of the breath in the voice relative to the voice.
        nasality: how far the nose is open in vowels, 0 to 1.
        sinus: Hz of the notch that the piriform sinuses leave.
        sinus_depth: width of that notch relative to its pole, 1 none.
        ring: how far F4 and F5 draw together (a trained or a sharp voice), 0 to 1.
        sibilance: factor of the frequencies of s, sh and the like on top of ``tract``.
        hiss: factor of the loudness of all turbulence.
        clarity: how closely vowels reach their targets, 0.75 to 1.1.
        rate: speed relative to an ordinary one.
        rhythm: how much longer stressed syllables are than others, 0.7 to 1.4.
    """

    pitch: float
    pitch_range: float
    declination: float
    final: float
    accent_lag: float
    vibrato: float
    vibrato_rate: float
    jitter: float
    shimmer: float
    creak: float
    tract: float
    formants: tuple[float, float, float, float]
    front: tuple[float, float]
    back: tuple[float, float]
    open: tuple[float, float]
    bandwidth: float
    open_quotient: float
    asymmetry: float
    tilt: float
    breath: float
    nasality: float
    sinus: float
    sinus_depth: float
    ring: float
    sibilance: float
    hiss: float
    clarity: float
    rate: float
    rhythm: float

    @classmethod
    def from_seed(cls, seed: int) -> Voice:
        """The speaker of this seed: always the same one, unlike that of any other seed."""
        draw = np.random.default_rng([0x701CE, seed % 2**63])

        def spread(low: float, high: float) -> float:
            return float(draw.uniform(low, high))

        def about(middle: float, deviation: float, limit: float = 2.2) -> float:
            return float(middle + deviation * np.clip(draw.normal(), -limit, limit))

        def factor(deviation: float) -> float:
            return float(np.exp(about(0.0, deviation)))

        low = draw.uniform() < 0.5
        pitch = float(np.exp(spread(np.log(78), np.log(165)) if low else spread(np.log(150), np.log(285))))
        # Higher voices mostly come from shorter tracts, but by far not always as much shorter.
        tract = float(np.clip(about(1.0 + 0.15 * np.log2(pitch / 115), 0.065), 0.84, 1.25))
        return cls(
            pitch=pitch,
            pitch_range=spread(0.8, 5.0),
            declination=spread(0.0, 4.0),
            final=spread(-4.0, 2.5),
            accent_lag=spread(0.2, 0.8),
            vibrato=float(draw.uniform() < 0.3) * spread(0.1, 0.5),
            vibrato_rate=spread(4.0, 7.0),
            jitter=float(np.exp(spread(np.log(0.003), np.log(0.02)))),
            shimmer=spread(0.02, 0.15),
            creak=float(draw.uniform() < 0.35) * spread(0.3, 0.9),
            tract=tract,
            formants=(factor(0.045), factor(0.045), factor(0.045), factor(0.045)),
            front=(factor(0.05), factor(0.05)),
            back=(factor(0.06), factor(0.06)),
            open=(factor(0.05), factor(0.05)),
            bandwidth=float(np.exp(spread(np.log(0.65), np.log(1.7)))),
            open_quotient=spread(0.35, 0.85),
            asymmetry=spread(0.6, 1.7),
            tilt=float(np.exp(spread(np.log(900), np.log(7000)))),
            breath=float(np.exp(spread(np.log(0.01), np.log(0.22)))),
            nasality=float(draw.uniform() < 0.45) * spread(0.2, 1.0),
            sinus=spread(3400, 5600),
            sinus_depth=spread(1.0, 4.0),
            ring=spread(0.0, 1.0),
            sibilance=factor(0.09),
            hiss=factor(0.3),
            clarity=spread(0.82, 1.08),
            rate=float(np.exp(spread(np.log(0.78), np.log(1.25)))),
            rhythm=spread(0.75, 1.35),
        )


@dataclass(frozen=True, repr=False)
class Utterance:
    """What was said, and when.

    Attributes:
        samples: mono float32 in [-1, 1], shape (N,).
        sample_rate: Hz.
        phones: in order, pauses included, covering the whole of ``samples``.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    phones: tuple[Phone, ...]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


def speak(voice: Voice, words: Sequence[str], *, seed: int, sample_rate: int = 16_000) -> Utterance:
    """Let a made-up speaker say something.

    Args:
        voice: who speaks.
        words: in order; a trailing comma or full stop makes a pause, a question mark lets the voice rise.
        seed: the occasion. The same voice, words and seed give the same samples.
        sample_rate: Hz, a multiple of 200.

    Raises:
        UnknownWord: a word holds nothing that can be read.
        UsageError: the sample rate does not hold a whole number of samples in each state of the tract.
    """
    if sample_rate <= 0 or sample_rate % round(1 / FRAME):
        raise UsageError(f"speech at {sample_rate} Hz cannot be made", hint="choose 16000, 24000 or 48000")
    draw = np.random.default_rng([0x5BEEC, seed % 2**63])
    tracks, phones = articulate(voice, words, draw)
    samples = render(voice, tracks, draw, sample_rate)
    peak = float(np.abs(samples).max(initial=0.0))
    samples *= min(SPEECH_LEVEL, 0.95 / max(peak, 1e-9))
    return Utterance(samples, sample_rate, phones)


def mouth_track(utterance: Utterance, fps: float, frames: int, offset: float = 0.0) -> NDArray[np.float32]:
    """What the lips do, for a picture.

    Args:
        fps: pictures a second.
        frames: how many pictures.
        offset: seconds into the picture at which the utterance begins.

    Returns:
        Shape (frames, 2), in [0, 1]: opening and rounding at the middle of each frame; closed outside the utterance.
    """
    edges: list[float] = [-0.1]
    values: list[tuple[float, float]] = [(0.0, 0.0)]
    for phone in utterance.phones:
        sound = PHONEMES[phone.symbol]
        for share, end in ((0.3, 0), (0.7, 1)):
            edges.append(phone.start + share * (phone.end - phone.start))
            closed = phone.symbol == SILENCE
            values.append((0.0, 0.0) if closed else (sound.mouth[end] * phone.emphasis, sound.round[end]))
    edges.append(utterance.seconds + 0.05)
    values.append((0.0, 0.0))
    # Averaged over the frame's own time, so that a closure shorter than a frame still shows.
    fine = (np.arange(frames * 8) + 0.5) / (fps * 8) - offset
    track = np.stack([np.interp(fine, edges, [value[i] for value in values]) for i in (0, 1)], axis=1)
    kernel = np.hanning(11)[1:-1]
    smooth = convolve1d(track, kernel / kernel.sum(), axis=0, mode="constant")
    return smooth.reshape(frames, 8, 2).mean(axis=1).astype(np.float32)
