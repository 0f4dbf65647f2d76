"""What an audio autoencoder and a vocoder leave of a voice: the ceiling of every generator that is heard through them.

    python -m cameo.evaluation.voice_round_trip --people 50 --weights cameo/nano/weights --weights runs

Two seconds of held-out people go through the vocoder, and through the autoencoder and the vocoder, and are compared
with what all of them said elsewhere, by the speaker encoder that no generator is conditioned on; so do two digits each,
for a recogniser to hear. Writes ``voice_round_trip.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Audio
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from cameo.backbones.checkpoint import NANO
from cameo.backbones.mel import HOP, log_mel
from cameo.errors import UsageError
from cameo.evaluation.command import bare_parser_of, make_folder, refusing
from cameo.evaluation.digits import right_digits
from cameo.evaluation.likeness import Share, compare
from cameo.evaluation.speakers import NAME, speaker_vector
from cameo.restoration import as_its_spectrogram
from cameo.synth.clips import SAMPLE_RATE, WORDS
from cameo.synth.settings import SETTINGS
from cameo.synth.sounds import ambience
from cameo.synth.voices import Voice, speak
from cameo.training.shards import HELD_OUT

__all__ = ["Saying", "VoiceRoundTrip", "open_voices", "sayings", "voice_round_trip"]

_ELSEWHERE, _WORDS, _DIGITS = 8, 4, 2
_SECONDS = 2.0

Sound = NDArray[np.float32]


@dataclass(frozen=True, repr=False)
class Saying:
    """One person, three times, mono at 16 kHz: ``enrolled``, some eight words; ``take``, two seconds elsewhere;
    ``recital``, these ``digits``, in silence."""

    enrolled: Sound
    take: Sound
    digits: str
    recital: Sound


class VoiceRoundTrip(BaseModel):
    """What came back of all takes.

    Attributes:
        name: of the weights; ``none`` for the takes themselves.
        through: what they went through.
        speech_found: takes of which enough is heard to tell a speaker.
        rank1: takes whose own speaker is nearest among all enrolled, of those enrolled.
        likeness: mean cosine to the own enrolled voice, 0 where nothing is heard; ``strangers``: to the others'.
        digits: that a recogniser hears in their places, of those said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    through: str
    speech_found: Share
    rank1: Share
    likeness: float
    strangers: float
    digits: Share


def sayings(people: int) -> list[Saying]:
    """Of the first ``people`` held-out people, over the sounds of two places."""
    return [_saying(HELD_OUT + number) for number in range(people)]


def _saying(seed: int) -> Saying:
    rng = np.random.default_rng([0x5A7, seed])
    places = [str(place) for place in rng.permutation(list(SETTINGS))[:2]]
    enrolled = _said(seed, _ELSEWHERE, places[0], rng)
    take = _said(seed, _WORDS, places[1], rng)
    digits = "".join(str(digit) for digit in rng.integers(10, size=_DIGITS))
    recital = speak(Voice.from_seed(seed), [WORDS[int(digit)] for digit in digits], seed=int(rng.integers(2**31)))
    return Saying(enrolled, _as_long(take), digits, _as_long(recital.samples.astype(np.float32)))


def _as_long(sound: Sound) -> Sound:
    """As a scene is, cut or followed by silence."""
    length = round(_SECONDS * SAMPLE_RATE)
    return np.pad(sound[:length], (0, max(0, length - len(sound))))


def _said(seed: int, count: int, place: str, rng: np.random.Generator) -> Sound:
    words = [str(word) for word in rng.choice(WORDS, count)]
    heard = speak(Voice.from_seed(seed), words, seed=int(rng.integers(2**31))).samples
    around = ambience(place, len(heard) / SAMPLE_RATE, seed=int(rng.integers(2**31)))
    return (heard + float(rng.uniform(0.2, 0.5)) * np.resize(around, len(heard))).astype(np.float32)


def open_voices(path: Path) -> tuple[AutoencoderKLLTX2Audio, LTX2Vocoder]:
    """Of saved weights, or of a run's folder, averaged.

    Raises:
        UsageError: the folder holds neither.
    """
    if (path / "vocoder" / "config.json").is_file():
        return (
            AutoencoderKLLTX2Audio.from_pretrained(path / "audio_vae").float().eval(),
            LTX2Vocoder.from_pretrained(path / "vocoder").float().eval(),
        )
    if (path / "vocoder" / "checkpoint.safetensors").is_file():
        # Imported late: of saved ones nothing of training is needed.
        from cameo.training.parts import autoencoders

        pipeline = autoencoders(path)
        return pipeline.audio_vae, pipeline.vocoder
    raise UsageError(f"{path} holds no vocoder", hint="give a folder of weights, or a runs folder")


def voice_round_trip(
    name: str, through: str, people: Sequence[Saying], sent: Callable[[Sound], Sound]
) -> VoiceRoundTrip:
    """Judge what came back.

    Args:
        name: of the weights.
        through: what ``sent`` sends a sound through.
        people: who is enrolled, and what they say.
        sent: a sound, (N,), to what comes back of it.
    """
    enrolled = [speaker_vector(one.enrolled) for one in people]
    back = [speaker_vector(sent(one.take)) for one in people]
    likeness = compare(back, enrolled)
    heard = [right_digits(one.digits, sent(one.recital)) for one in people]
    return VoiceRoundTrip(
        name=name,
        through=through,
        speech_found=Share(right=sum(bool(np.isfinite(one).all()) for one in back), of=len(back)),
        rank1=likeness.rank1,
        likeness=likeness.mean or 0.0,
        strangers=likeness.strangers or 0.0,
        digits=Share(right=sum(heard), of=sum(len(one.digits) for one in people)),
    )


@torch.no_grad()
def _through(vae: AutoencoderKLLTX2Audio | None, vocoder: LTX2Vocoder, iterations: int, sound: Sound) -> Sound:
    mel = log_mel(torch.from_numpy(sound)[None, None])
    if vae is not None:
        mel = vae.decode(vae.encode(mel).latent_dist.mode()).sample
    made = as_its_spectrogram(vocoder(mel), mel, SAMPLE_RATE, HOP, iterations)
    return np.asarray(made[0].mean(0).numpy(), np.float32)


def main() -> None:
    parser = bare_parser_of("voice_round_trip", __doc__)
    parser.add_argument("--people", type=int, default=50, help="how many held-out people, two or more")
    parser.add_argument(
        "--weights", type=Path, action="append", help="weights or a runs folder, repeatable (default: nano's)"
    )
    parser.add_argument(
        "--iterations", type=int, default=4, help="how often a sound is brought back to its spectrogram, as scenes' are"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console = Console()
    with refusing(console):
        if options.people < 2:
            raise UsageError(f"{options.people} people: who is nearest can only be told among two or more")
        make_folder(options.out)
        people = sayings(options.people)
        found = [voice_round_trip("none", "nothing", people, lambda sound: sound)]
        console.print(f"{NAME}; {_line(found[0])}", highlight=False)
        for path in options.weights or [NANO]:
            vae, vocoder = open_voices(path)
            for through, first in (("vocoder", None), ("autoencoder and vocoder", vae)):
                sent = voice_round_trip(
                    str(path), through, people, partial(_through, first, vocoder, options.iterations)
                )
                console.print(_line(sent), highlight=False)
                found.append(sent)
    rows = [json.loads(one.model_dump_json()) for one in found]
    (options.out / "voice_round_trip.json").write_text(json.dumps(rows, indent=1) + "\n")


def _line(one: VoiceRoundTrip) -> str:
    return (
        f"{one.name}, through {one.through}: speech found {one.speech_found}, right speaker nearest {one.rank1}, "
        f"likeness {one.likeness:.3f}, to strangers {one.strangers:.3f}, digits heard right {one.digits}"
    )


if __name__ == "__main__":
    main()
