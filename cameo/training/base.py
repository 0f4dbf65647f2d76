"""Stage 7: text side, joint transformer and a first identity adapter, together.

    python -m cameo.training.base --max-minutes 30 --moments 0.8
    python -m cameo.training.base --max-minutes 8 --batch 192 --compile      # on an accelerator

Without an accelerator many steps may be on moments, single frames of the video latent with the whole sound: they cost a
fifth of a clip and teach what somebody looks like and how words sound. What moves is taught by the rest, and by a last
run with ``--moments 0``. Some clips hold two people, each told on their side.

The adapter learns along from the start: a dropped identity teaches the transformer to do without, a given one teaches
it where to look. A transformer that never met an identity hardly learns to heed one afterwards.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import LTX2Pipeline
from torch import Tensor, nn

from cameo.conditioning.attach import attach
from cameo.conditioning.types import IdentityFeatures
from cameo.training.casting import cast
from cameo.training.flow import Batch, Dataset, compile_blocks, noised, velocities, velocity_loss
from cameo.training.latents import new_adapter
from cameo.training.optimisers import generator_optimisers, set_rate
from cameo.training.parts import LEARNED_BY_BASE, autoencoders
from cameo.training.preview import preview
from cameo.training.run import Ema, Stage
from cameo.training.shards import HELD_OUT, training_people
from cameo.training.video_vae import recogniser, recognition_options

if TYPE_CHECKING:
    from cameo.training.resemblance import Resemblance

_MOMENTS_A_CLIP = 5
"""As many moments as take as long as a clip."""
_NO_TEXT, _NO_ONE, _NO_FACE, _NO_BODY, _NO_VOICE = 0.1, 0.05, 0.1, 0.15, 0.15
_TWO = 0.2
_WARM_UP = 100
_SAVED_EVERY, _SHOWN_EVERY = 5.0, 20.0
"""Minutes. A preview is twelve scenes, in whose time nothing is learned."""


def main() -> None:
    stage = Stage.parse("base", __doc__, _options)
    pipeline, adapter = autoencoders(stage.options.runs), new_adapter(stage.config)
    pipeline.to(stage.device)
    adapter.to(stage.device)
    parts = {n: getattr(pipeline, n) for n in LEARNED_BY_BASE}
    # The adapter first: once attached, its projections are the transformer's too, and the first name counts.
    nano = nn.ModuleDict({"adapter": adapter} | parts).train().requires_grad_(True)
    optimisers = generator_optimisers(nano, pipeline.transformer, stage.options.lr)
    ema = Ema(nano, 0.999)
    stage.resume({"nano": nano}, optimisers, ema)
    attach(pipeline.transformer, adapter)
    if stage.options.compile:
        compile_blocks(pipeline.transformer)
    begun, rng = stage.step, np.random.default_rng([stage.options.seed, stage.step])
    saved = shown = stage.minutes()
    data = Dataset(stage.folder("latents"), HELD_OUT, stage.device)
    stage.say(f"{len(data)} people")
    # Kept where the work is: to fetch a figure each step holds up an accelerator.
    errors, looks = torch.ones(2, device=stage.device), torch.full((), 3.0, device=stage.device)
    resemblance = _resemblance(stage, pipeline, data)
    for progress in stage.steps():
        warm = min(1.0, (stage.step - begun + 1) / _WARM_UP)
        set_rate(optimisers, stage.options.lr * warm * (1.02 - progress))
        nobody, two = rng.uniform() < _NO_ONE, rng.uniform() < _TWO and data.has_couples
        batch = without(data.couples(stage.options.batch, rng) if two else draw(data, stage, rng), rng)
        with ExitStack() as told:
            if nobody or two:
                # Seldom seen: not worth compiling for.
                told.enter_context(torch.compiler.set_stance("force_eager"))
            told.enter_context(stage.mixed())
            # Now and then no identity at all, so that the base stands on its own.
            if not nobody:
                told.enter_context(cast(pipeline.transformer, adapter, batch))
            noisy = noised(pipeline, batch, rng)
            towards = velocities(pipeline, noisy)
            video, audio = velocity_loss(noisy, *towards)
        loss = video + audio
        if resemblance is not None and not nobody and (unlike := resemblance(noisy, towards[0], rng)) is not None:
            loss = loss + stage.options.recognition * unlike
            looks.lerp_(unlike.detach(), 0.02)
        nano.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(nano.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        ema.update(nano)
        errors.lerp_(torch.stack([video, audio]).detach(), 0.02)
        if stage.step % 50 == 49:
            stage.log(video=errors[0].item(), audio=errors[1].item(), looks=looks.item())
        if stage.minutes() - saved > _SAVED_EVERY:
            saved = stage.minutes()
            stage.save({"nano": nano}, optimisers, ema)
        if stage.minutes() - shown > _SHOWN_EVERY:
            shown = stage.minutes()
            preview(stage, pipeline, adapter, ema.averaged(nano))
    stage.save({"nano": nano}, optimisers, ema)
    preview(stage, pipeline, adapter, ema.averaged(nano))


def draw(data: Dataset, stage: Stage, rng: np.random.Generator) -> Batch:
    """Clips, or as many moments as take as long."""
    if rng.uniform() < stage.options.moments:
        return data.batch(_MOMENTS_A_CLIP * stage.options.batch, rng, frames=1)
    return data.batch(stage.options.batch, rng)


def _resemblance(stage: Stage, pipeline: LTX2Pipeline, data: Dataset) -> Resemblance | None:
    if recogniser(stage) is None:
        return None
    from cameo.training.resemblance import Resemblance

    return Resemblance.of(pipeline, data, training_people(stage.folder("people")), stage.options.faces)


def without(batch: Batch, rng: np.random.Generator) -> Batch:
    """The batch with some captions and some of what is known of people left out: what guidance contrasts with."""
    captions = [c if rng.uniform() >= _NO_TEXT else "" for c in batch.captions]
    return replace(partly_known(batch, rng), captions=captions)


def partly_known(batch: Batch, rng: np.random.Generator) -> Batch:
    """Some people without face, body or voice, as some consent to."""
    partners = None if batch.partners is None else _partly(batch.partners, rng)
    return replace(batch, people=_partly(batch.people, rng), partners=partners)


def _partly(people: IdentityFeatures, rng: np.random.Generator) -> IdentityFeatures:

    def keep(share: float) -> Tensor:
        return torch.from_numpy(rng.uniform(size=len(people)) >= share)

    return people.keep(face=keep(_NO_FACE), body=keep(_NO_BODY), voice=keep(_NO_VOICE))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--batch", type=int, default=16, help="clips a step")
    parser.add_argument("--moments", type=float, default=0.0, help="share of steps on moments instead of clips")
    recognition_options(parser, weight=0.1, faces=6)
    parser.add_argument("--compile", action="store_true", help="minutes of compiling, then steps a third quicker")


if __name__ == "__main__":
    main()
