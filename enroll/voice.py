"""What is said in a clip: found by Silero VAD, parted among speakers, cut together, embedded window by window."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from enroll.background import Background, Spans, measure
from enroll.clip import SAMPLE_RATE
from enroll.encoders.base import Encoder
from enroll.errors import NoSpeech
from enroll.identity import Embedding, Speech
from enroll.pooling import pool
from enroll.speakers import Speaker, part

__all__ = [
    "ENOUGH_SECONDS",
    "KEPT_SECONDS",
    "MIN_SECONDS",
    "Heard",
    "Hearing",
    "best_speech",
    "embed_voice",
    "length",
    "listen",
    "speech_of",
]

MIN_SECONDS = 0.8
"""Less speech than this tells nobody apart."""
ENOUGH_SECONDS = 5.0
EMBEDDED_SECONDS = 30.0
KEPT_SECONDS = 10.0
"""Speech an Identity keeps as a reference."""

# A seam in the reference is worth this much likeness; stretches of one person differ by a few hundredths.
_PIECE = 0.003


@dataclass(frozen=True)
class Hearing:
    """Who speaks when in a clip, by anonymous number, and before which background.

    Attributes:
        spans: all speech: (first sample, end), in clip order.
        speakers: longest first; each one's spans hold nobody else's speech as far as can be told.
        doubtful: speech that is nobody's for sure, as when two talk at once; between the speakers' spans.
        background: noise, music, clipping.
    """

    spans: tuple[tuple[int, int], ...]
    speakers: tuple[Speaker, ...]
    doubtful: tuple[tuple[int, int], ...]
    background: Background

    @property
    def seconds(self) -> float:
        """Speech in the clip, whoever's."""
        return length(self.spans)


@dataclass(frozen=True, repr=False)
class Heard:
    """One person's speech with its pauses cut out.

    Attributes:
        samples: mono float32 at 16 kHz, shape (N,), at most ``EMBEDDED_SECONDS``.
        segments: where they lie in the clip: (first sample, end), in clip order.
        seconds: this person's speech in the whole clip.
        quality: how far speech stands above the background: 0 (5 dB or less) to 1 (30 dB or more).
        tied: whether this speech was seen to come from the subject's mouth.
    """

    samples: NDArray[np.float32]
    segments: tuple[tuple[int, int], ...]
    seconds: float
    quality: float
    tied: bool = False

    def second(self, sample: int) -> float:
        """Where in the clip a sample of ``samples`` was, in seconds."""
        for begin, end in self.segments:
            if sample < end - begin:
                return (begin + sample) / SAMPLE_RATE
            sample -= end - begin
        return self.segments[-1][1] / SAMPLE_RATE


def listen(sound: NDArray[np.float32] | None) -> Hearing:
    """Finds the speech in mono float32 sound at 16 kHz, shape (N,), and parts it among speakers.

    Args:
        sound: None stands for a clip without sound.

    Raises:
        NoSpeech: there is no sound, it is silent, or holds less than ``MIN_SECONDS`` of speech.
    """
    hint = "film with sound and say a few sentences, or ask for a consent without voice"
    if sound is None:
        raise NoSpeech("the clip has no sound", hint=hint)
    if not len(sound) or float(np.abs(sound).max()) < 1e-4:
        raise NoSpeech("the clip's sound is silent", hint=hint)
    spans = _speech_spans(sound)
    seconds = length(spans)
    if seconds < MIN_SECONDS:
        raise NoSpeech(f"the clip holds {seconds:.1f} s of speech; at least {MIN_SECONDS} s is needed", hint=hint)
    speakers, doubtful = part(sound, spans)
    return Hearing(spans, speakers, doubtful, measure(sound, spans))


def speech_of(
    hearing: Hearing, sound: NDArray[np.float32], speakers: Collection[int] | None = None, *, tied: bool = False
) -> Heard:
    """The speech of some speakers, by number; of everybody, doubtful speech included, when None."""
    if speakers is None:
        spans = list(hearing.spans)
    else:
        spans = sorted(span for speaker in hearing.speakers if speaker.number in speakers for span in speaker.spans)
    left = int(EMBEDDED_SECONDS * SAMPLE_RATE)
    kept = []
    for begin, end in spans:
        if left > 0:
            kept.append((begin, min(end, begin + left)))
            left -= kept[-1][1] - begin
    samples = np.concatenate([np.zeros(0, np.float32), *(sound[begin:end] for begin, end in kept)])
    quality = float(np.clip((hearing.background.snr_db - 5.0) / 25.0, 0.0, 1.0))
    return Heard(samples, tuple(kept), length(spans), quality, tied)


def embed_voice(heard: Heard, encoder: Encoder) -> Embedding:
    """One view for each window of the encoder's length, half overlapping."""
    window = round((encoder.card.window or KEPT_SECONDS) * SAMPLE_RATE)
    starts = list(range(0, max(1, len(heard.samples) - window // 2), window // 2))
    vectors = encoder.encode([heard.samples[at : at + window] for at in starts])
    filled = [min(1.0, (len(heard.samples) - at) / window) for at in starts]
    return pool(
        encoder.card,
        vectors,
        [heard.second(at) for at in starts],
        [heard.quality * share for share in filled],
        length=heard.seconds,
    )


def best_speech(heard: Heard, voice: Embedding | None) -> Speech:
    """At most ``KEPT_SECONDS``: the stretch whose windows sound most like the person as a whole, from few pieces."""
    length = int(KEPT_SECONDS * SAMPLE_RATE)
    if len(heard.samples) <= length:
        return Speech(heard.samples.copy(), SAMPLE_RATE)
    starts = list(range(0, len(heard.samples) - length + 1, SAMPLE_RATE))
    likeness = []
    for at in starts:
        begin, end = heard.second(at), heard.second(at + length - 1)
        inside = [v for v in voice.views if begin <= v.second < end] if voice is not None else []
        typical = float(np.mean([v.vector @ voice.vector for v in inside])) if voice and inside else 0.0
        pieces = sum(b / SAMPLE_RATE < end and e / SAMPLE_RATE > begin for b, e in heard.segments)
        likeness.append(typical - _PIECE * pieces)
    at = starts[int(np.argmax(likeness))]
    return Speech(heard.samples[at : at + length].copy(), SAMPLE_RATE)


def length(spans: Spans) -> float:
    """Seconds of some stretches together."""
    return sum(end - begin for begin, end in spans) / SAMPLE_RATE


def _speech_spans(sound: NDArray[np.float32]) -> tuple[tuple[int, int], ...]:
    # Importing silero_vad sets torch to one thread for the whole process.
    threads = torch.get_num_threads()
    from silero_vad import get_speech_timestamps

    torch.set_num_threads(threads)
    found = get_speech_timestamps(torch.from_numpy(np.ascontiguousarray(sound)), _vad(), sampling_rate=SAMPLE_RATE)
    return tuple((int(span["start"]), min(int(span["end"]), len(sound))) for span in found)


@lru_cache(maxsize=1)
def _vad() -> Any:
    from silero_vad import load_silero_vad

    return load_silero_vad(onnx=True)
