"""Stage 2b: the video decoder alone, with the encoder frozen, against a discriminator.

    python -m cameo.training.decoder --max-minutes 40

The encoder, and with it every latent there is, stays as it was; so this stage may run while the transformer learns. A
patch discriminator (Isola et al., 2017; hinge loss) asks for the detail that an average leaves out.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from cameo.training.parts import autoencoders
from cameo.training.pictures import Pictures
from cameo.training.run import Ema, Stage
from cameo.training.shards import training_people
from cameo.training.video_vae import draw, fold_time, picture_options, psnr, reconstruction_loss, sample

_NOISE = 0.05
_WARM_UP = 600


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
    vae = autoencoders(stage.options.runs).vae.to(stage.device)
    fold_time(vae)
    vae.decoder.train().requires_grad_(True)
    judge = PatchDiscriminator().to(stage.device)
    drawing = torch.optim.AdamW(vae.decoder.parameters(), lr=stage.options.lr, betas=(0.9, 0.99), weight_decay=1e-4)
    judging = torch.optim.AdamW(judge.parameters(), lr=stage.options.lr, betas=(0.5, 0.99))
    ema = Ema(vae.decoder, 0.998)
    parts = {"decoder": vae.decoder, "judge": judge}
    stage.resume(parts, [drawing], ema)
    rng = np.random.default_rng([stage.options.seed, stage.step, 2])
    shards = training_people(stage.folder("people"))
    pictures = Pictures.load(shards, stage.device)
    running = 0.0
    for progress in stage.steps():
        frames, weight = draw(pictures, stage, rng)
        for optimiser, rate in ((drawing, 1.0), (judging, 2.0)):
            for group in optimiser.param_groups:
                group["lr"] = rate * stage.options.lr * min(1.0, (stage.step + 1) / 200) * (1.02 - progress) ** 0.6
        with stage.mixed():
            with torch.no_grad():
                latents = vae.encode(frames).latent_dist.mode()
            drawn = vae.decode(latents + _NOISE * latents.std() * torch.randn_like(latents)).sample
        drawn = drawn.float()
        loss = reconstruction_loss(drawn, frames, weight)
        running += (loss.item() - running) * (0.02 if stage.step % 500 else 1.0)
        if stage.step > _WARM_UP:
            with stage.mixed():
                loss = loss - stage.options.adversarial * judge(_stills(drawn)).float().mean()
        drawing.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        drawing.step()
        ema.update(vae.decoder)
        _learn_to_judge(stage, judge, judging, frames, drawn.detach())
        if stage.step % 100 == 99:
            stage.log(loss=running, psnr=psnr(drawn, frames))
        if stage.step % 1000 == 999:
            stage.save(parts, [drawing], ema)
            sample(stage, vae, ema.averaged(vae.decoder), shards)
    stage.save(parts, [drawing], ema)
    sample(stage, vae, ema.averaged(vae.decoder), shards)


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
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--adversarial", type=float, default=0.05, help="weight of the discriminator's opinion")


if __name__ == "__main__":
    main()
