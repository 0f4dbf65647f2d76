"""Stage 3: the audio autoencoder, on log-mel spectrograms of made-up speech.

python -m cameo.training.audio_vae --max-minutes 10
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from torch.nn import functional

from cameo.backbones.mel import log_mel
from cameo.backbones.nano import build
from cameo.training.run import Ema, Stage
from cameo.training.sounds import sound_options, sounds

# As for the picture: fixed noise and a pull to zero instead of a learned variance.
_NOISE = 0.1
_DECAY = 1e-3


def main() -> None:
    stage = Stage.parse("audio_vae", __doc__, _options)
    vae = build(stage.config, ["a"], seed=stage.options.seed).audio_vae.to(stage.device).train()
    optimiser = torch.optim.AdamW(vae.parameters(), lr=stage.options.lr, betas=(0.9, 0.98), weight_decay=1e-4)
    ema = Ema(vae, 0.998)
    stage.resume({"vae": vae}, [optimiser], ema)
    pool = sounds(stage)
    running = torch.zeros((), device=stage.device)
    for progress in stage.steps():
        mel = log_mel(pool.batch(stage.options.batch)[:, None].to(stage.device))
        for group in optimiser.param_groups:
            group["lr"] = stage.options.lr * min(1.0, (stage.step + 1) / 100) * (1.02 - progress) ** 0.7
        with stage.mixed():
            mean = vae.encode(mel).latent_dist.mode()
            drawn = vae.decode(mean + _NOISE * torch.randn_like(mean)).sample.float()
        error = spectral_error(drawn, mel)
        loss = error + _DECAY * mean.float().square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        ema.update(vae)
        running = running + (error.detach() - running) * (0.05 if stage.step else 1.0)
        if stage.step % 50 == 49:
            stage.log(error=running.item())
        if stage.step % 400 == 399:
            stage.save({"vae": vae}, [optimiser], ema)
    stage.save({"vae": vae}, [optimiser], ema)


def spectral_error(drawn: Tensor, mel: Tensor) -> Tensor:
    """Absolute error of the log-mel spectrogram and of its differences in time and frequency, in nepers.

    The decoder may give a few frames less than it was given; what it does not give is not judged.
    """
    mel = mel[:, :, : drawn.shape[2], : drawn.shape[3]]
    error = drawn - mel
    slopes = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return functional.l1_loss(drawn, mel) + 0.5 * slopes


def _options(parser: argparse.ArgumentParser) -> None:
    sound_options(parser)
    parser.add_argument("--lr", type=float, default=4e-4)


if __name__ == "__main__":
    main()
