"""Stage 2b: the video decoder alone, with the encoder frozen: clips above all, and in them the faces.

    python -m cameo.training.decoder --max-minutes 40

The encoder, and with it every latent there is, stays as it was; so this stage may run while the transformer learns. A
patch discriminator (Isola et al., 2017; hinge loss) asks for the detail that an average leaves out, a recogniser
(``recognition``) for what tells one face from another. With ``--redrawn`` half of the steps are on clips that the
generator drew again (``redrawn``), so that its flaws are seen to as well.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Video
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from cameo.training.flow import Dataset
from cameo.training.optimisers import by_size, set_rate
from cameo.training.parts import autoencoders
from cameo.training.pictures import Pictures, Windows
from cameo.training.redrawn import Redrawn
from cameo.training.run import Ema, Stage
from cameo.training.shards import HELD_OUT, Shards, training_people
from cameo.training.transform import has_transform
from cameo.training.video_vae import (
    draw,
    exact_enough,
    fold_time,
    picture_options,
    psnr,
    recogniser,
    reconstruction_loss,
    sample,
)

_CLIP = 17
"""Frames: most of a scene lies between its first latent and its last, and those decode otherwise."""
_NOISE = 0.05
_WARM_UP, _UNJUDGED = 200, 300
_JUDGE_RATE = 2e-4
_AGAIN = 0.5
_TRIED = 8
_SAVED_EVERY = 5.0
"""Minutes."""


class PatchDiscriminator(nn.Module):
    """Real or drawn, for each 32 px patch of a still, (B, 3, H, W) to (B, 1, H/8, W/8)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.net = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1)))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.net(pictures)


def main() -> None:
    stage = Stage.parse("decoder", __doc__, _options)
    options = stage.options
    vae = autoencoders(options.runs).vae.to(stage.device)
    fold_time(vae)
    vae.decoder.train().requires_grad_(True)
    judge = PatchDiscriminator().to(stage.device)
    drawing = torch.optim.AdamW(
        by_size(vae.decoder, options.lr, has_transform(vae)), betas=(0.9, 0.99), weight_decay=1e-4
    )
    judging = torch.optim.AdamW(judge.parameters(), betas=(0.5, 0.99))
    ema = Ema(vae.decoder, 0.998)
    parts = {"decoder": vae.decoder, "judge": judge}
    stage.resume(parts, [drawing], ema)
    begun, saved, rng = stage.step, stage.minutes(), np.random.default_rng([options.seed, stage.step, 2])
    shards = training_people(stage.folder("people"))
    pictures, how_unlike = Pictures.load(shards, stage.device), recogniser(stage)
    redrawn = _redrawn(stage, pictures, shards)
    running: dict[str, float] = {}
    for progress in stage.steps():
        course = min(1.0, (stage.step - begun + 1) / _WARM_UP) * (1.02 - progress) ** 0.6
        set_rate((drawing,), course)
        for group in judging.param_groups:
            group["lr"] = _JUDGE_RATE * course
        if redrawn is not None and rng.uniform() < _AGAIN:
            seen, latents = redrawn.window(options.edge, rng)
        else:
            seen, latents = _encoded(stage, vae, draw(pictures, stage, rng, _CLIP))
        with exact_enough(stage, vae):
            drawn = vae.decode(latents).sample
        drawn = drawn.float()
        loss = reconstruction_loss(drawn, seen.frames, seen.weight)
        kind = {1: "stills", _CLIP: "clips"}.get(drawn.shape[2], "redrawn")
        running[kind] = running.get(kind, loss.item()) * 0.97 + loss.item() * 0.03
        if how_unlike is not None and (unlike := how_unlike(drawn, seen, options.faces, rng)) is not None:
            loss = loss + options.recognition * unlike
        if stage.step - begun > _UNJUDGED:
            with stage.mixed():
                loss = loss - options.adversarial * judge(_stills(drawn)).float().mean()
        drawing.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        drawing.step()
        ema.update(vae.decoder)
        _learn_to_judge(stage, judge, judging, seen.frames, drawn.detach())
        if stage.step % 100 == 99:
            stage.log(**running)
        if stage.minutes() - saved > _SAVED_EVERY:
            saved = stage.minutes()
            _keep(stage, vae, parts, drawing, ema, shards, pictures, how_unlike)
    _keep(stage, vae, parts, drawing, ema, shards, pictures, how_unlike)


def _encoded(stage: Stage, vae: AutoencoderKLLTX2Video, seen: Windows) -> tuple[Windows, Tensor]:
    """With latents, a little beside what they should be."""
    with exact_enough(stage, vae), torch.no_grad():
        latents = vae.encode(seen.frames).latent_dist.mode()
    return seen, latents + _NOISE * latents.std() * torch.randn_like(latents)


def _redrawn(stage: Stage, pictures: Pictures, shards: Shards) -> Redrawn | None:
    count = stage.options.redrawn
    if not count:
        return None
    data = Dataset(stage.folder("latents"), HELD_OUT, stage.device)
    seeds = [int(path.stem) for path in shards.paths]
    made = Redrawn.of(stage.options.runs, data, pictures, seeds, count, stage.step)
    stage.say(f"{len(made.latents)} clips drawn again")
    return made


def _keep(
    stage: Stage,
    vae: AutoencoderKLLTX2Video,
    parts: dict[str, nn.Module],
    drawing: torch.optim.Optimizer,
    ema: Ema,
    shards: Shards,
    pictures: Pictures,
    how_unlike: Callable[..., Tensor | None] | None,
) -> None:
    """Save, and say how the averaged weights do on windows that are always the same."""
    stage.save(parts, [drawing], ema)
    sample(stage, vae, ema.averaged(vae.decoder), shards)
    with ema.averaged(vae.decoder), torch.no_grad():
        seen = pictures.moving(_TRIED, stage.options.edge, np.random.default_rng(0), _CLIP)
        drawn = vae.decode(vae.encode(seen.frames).latent_dist.mode()).sample
        figures = {"averaged_db": psnr(drawn, seen.frames)}
        if how_unlike is not None:
            unlike = how_unlike(drawn, seen, 4 * stage.options.faces, np.random.default_rng(0))
            figures |= {} if unlike is None else {"averaged_recognition": unlike.item()}
    stage.log(**figures)


def _learn_to_judge(
    stage: Stage, judge: nn.Module, optimiser: torch.optim.Optimizer, real: Tensor, drawn: Tensor
) -> None:
    with stage.mixed():
        doubt = functional.relu(1 - judge(_stills(real)).float()).mean()
        trust = functional.relu(1 + judge(_stills(drawn)).float()).mean()
    optimiser.zero_grad(set_to_none=True)
    (doubt + trust).backward()
    optimiser.step()


def _stills(frames: Tensor) -> Tensor:
    """(B, 3, T, H, W) to (B * T, 3, H, W)."""
    return frames.transpose(1, 2).flatten(0, 1)


def _options(parser: argparse.ArgumentParser) -> None:
    picture_options(parser)
    parser.set_defaults(clips=0.8, edge=96, batch=12)
    parser.add_argument("--lr", type=float, default=3e-3, help="as a share of the size of each weight")
    parser.add_argument("--redrawn", type=int, default=0, help="clips that the generator draws again first")
    parser.add_argument("--adversarial", type=float, default=0.05, help="weight of the discriminator's opinion")


if __name__ == "__main__":
    main()
