"""A speaker encoder of made-up voices, for judging only.

    python -m cameo.training.speakers --max-minutes 20 --to cameo/evaluation/speakers

A generator is conditioned on GE2E, which therefore must not be the judge of its voices. This one learns to tell made-up
speakers apart (additive angular margin; Deng et al., 2019), from words over the sounds of places, and never hears a
voice that is held out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from speechbrain.lobes.models.ECAPA_TDNN import Classifier
from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper
from torch import Tensor, nn

from cameo.evaluation.speakers import DIM, NAME, SpeakerNet, write
from cameo.synth.clips import SAMPLE_RATE, WORDS
from cameo.synth.settings import SETTINGS
from cameo.synth.sounds import ambience
from cameo.synth.voices import Voice, speak
from cameo.training.run import Ema, Stage

_SHORTEST, _LONGEST = 0.8, 2.0
_MARGIN, _SCALE = 0.2, 30.0
_PLACES, _PLACE_SECONDS = 60, 12.0


class Speakers:
    """Sounds of speakers, each of the seed of its number.

    Args:
        count: of speakers.
        rng: draws who says what, where.
    """

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self._count, self._rng = count, rng
        settings = list(SETTINGS)
        self._places = [
            ambience(settings[n % len(settings)], _PLACE_SECONDS, seed=int(rng.integers(2**31))).astype(np.float32)
            for n in range(_PLACES)
        ]

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """(size, N) in [-1, 1] of one length, and (size, 1), who speaks."""
        rng = self._rng
        length = round(rng.uniform(_SHORTEST, _LONGEST) * SAMPLE_RATE)
        who = rng.integers(self._count, size=size)
        return torch.from_numpy(np.stack([self._one(int(n), length) for n in who])), torch.from_numpy(who)[:, None]

    def _one(self, who: int, length: int) -> np.ndarray:
        rng = self._rng
        words = [str(word) for word in rng.choice(WORDS, 5)]
        heard = speak(Voice.from_seed(who), words, seed=int(rng.integers(2**31))).samples.astype(np.float32)
        heard = np.resize(heard, max(length, len(heard)))
        start = int(rng.integers(len(heard) - length + 1))
        place = self._places[int(rng.integers(len(self._places)))]
        noise = np.roll(place, int(rng.integers(len(place))))[:length]
        loud = rng.uniform(0.3, 1.2), rng.uniform(0.0, 0.8)
        return np.asarray(heard[start : start + length] * loud[0] + noise * loud[1], np.float32)


def main() -> None:
    stage = Stage.parse("speakers", __doc__, _options)
    options = stage.options
    network, classes = SpeakerNet().train(), Classifier(DIM, out_neurons=options.speakers)
    model = nn.ModuleDict({"network": network.net, "classes": classes}).to(stage.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=1e-3)
    ema = Ema(model, 0.995)
    stage.resume({"model": model}, [optimiser], ema)
    loss_of = LogSoftmaxWrapper(AdditiveAngularMargin(margin=_MARGIN, scale=_SCALE))
    speakers = Speakers(options.speakers, np.random.default_rng([options.seed, stage.step]))
    running = right = 0.0
    for progress in stage.steps():
        for group in optimiser.param_groups:
            group["lr"] = options.lr * min(1.0, (stage.step + 1) / 50) * (1.02 - progress)
        sounds, who = (tensor.to(stage.device) for tensor in speakers.batch(options.batch))
        said = classes(network(sounds)[:, None])
        loss = loss_of(said, who)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        ema.update(model)
        share = 0.03 if stage.step else 1.0
        running += share * (loss.item() - running)
        right += share * (float((said[:, 0].argmax(1) == who[:, 0]).float().mean()) - right)
        if stage.step % 50 == 49:
            stage.log(loss=running, right=right)
        if stage.step % 400 == 399:
            stage.save({"model": model}, [optimiser], ema)
    stage.save({"model": model}, [optimiser], ema)
    with ema.averaged(model):
        write(
            network,
            options.to,
            {"name": NAME, "speakers": options.speakers, "steps": stage.step, "licence": "Apache-2.0"},
        )
    stage.say(f"{options.to}")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, required=True, help="folder for the weights that judge")
    parser.add_argument("--speakers", type=int, default=800, help="how many voices it learns to tell apart")
    parser.add_argument("--batch", type=int, default=48, help="sounds a step")
    parser.add_argument("--lr", type=float, default=2e-3)


if __name__ == "__main__":
    main()
