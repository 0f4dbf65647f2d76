"""Stage 4b: the audio decoder, with the encoder before it and the vocoder behind it frozen.

    python -m cameo.training.audio_decoder --max-minutes 20

What a mean absolute error leaves of a spectrogram is smooth, and a vocoder makes a stranger's voice of it. So here the
decoder learns by what is heard at the end: multi-resolution spectral distance, and what a speaker encoder hears, as the
vocoder itself did. Latents stay as they are, so this stage may run while the transformer learns.
"""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderKLLTX2Audio
from torch import Tensor

from cameo.backbones.mel import log_mel
from cameo.training.audio_vae import spectral_error
from cameo.training.hearing import Hearing, hearing_options
from cameo.training.parts import autoencoders
from cameo.training.run import Ema, Stage
from cameo.training.sounds import sound_options, sounds
from cameo.training.vocoder import spectral_distance

_CONTEXT, _HEARD = 16, 100
"""Frames of a spectrogram: ahead of what is heard, so that it does not begin out of nothing, and of that."""
_HOP = 160
_SPECTRUM = 5.0
"""Weight of the spectrogram's own error."""
_NOISE = 0.05
"""Of the latents, by their size: a generator's are a little beside what they should be."""


def main() -> None:
    stage = Stage.parse("audio_decoder", __doc__, _options)
    pipeline = autoencoders(stage.options.runs).to(stage.device)
    vae, vocoder = pipeline.audio_vae, pipeline.vocoder
    vae.decoder.train().requires_grad_(True)
    optimiser = torch.optim.AdamW(vae.decoder.parameters(), lr=stage.options.lr, betas=(0.8, 0.98), weight_decay=1e-4)
    ema = Ema(vae.decoder, 0.998)
    stage.resume({"decoder": vae.decoder}, [optimiser], ema)
    begun = stage.step
    hearing = Hearing().to(stage.device) if stage.options.hearing else None
    pool = sounds(stage, salt=11)
    running = torch.zeros(3, device=stage.device)
    for progress in stage.steps():
        sound = pool.batch(stage.options.batch).to(stage.device)
        mel = log_mel(sound[:, None])
        for group in optimiser.param_groups:
            group["lr"] = stage.options.lr * min(1.0, (stage.step - begun + 1) / 100) * (1.02 - progress) ** 0.7
        with stage.mixed():
            drawn = vae.decode(_encoded(vae, mel)).sample.float()
        error = spectral_error(drawn, mel)
        start = int(torch.randint(0, drawn.shape[2] - _CONTEXT - _HEARD + 1, ()).item())
        with stage.mixed():
            heard = vocoder(drawn[:, :, start : start + _CONTEXT + _HEARD])
        first, last = (start + _CONTEXT) * _HOP, (start + _CONTEXT + _HEARD) * _HOP
        both = heard[:, 0, _CONTEXT * _HOP :].float(), sound[:, first:last]
        distance = spectral_distance(*both)
        loss = distance + _SPECTRUM * error
        if hearing is not None:
            loss = loss + stage.options.hearing * hearing(*both)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        optimiser.step()
        ema.update(vae.decoder)
        figures = torch.stack([error, distance, loss - distance - _SPECTRUM * error]).detach()
        running = running + (figures - running) * (0.02 if stage.step - begun else 1.0)
        if stage.step % 50 == 49:
            stage.log(**dict(zip(("error", "distance", "hearing"), running.tolist(), strict=True)))
        if stage.step % 400 == 399:
            stage.save({"decoder": vae.decoder}, [optimiser], ema)
    stage.save({"decoder": vae.decoder}, [optimiser], ema)


@torch.no_grad()
def _encoded(vae: AutoencoderKLLTX2Audio, mel: Tensor) -> Tensor:
    """Latents of spectrograms (B, 2, T, M), a little beside what they should be."""
    latents = vae.encode(mel).latent_dist.mode()
    return latents + _NOISE * latents.std() * torch.randn_like(latents)


def _options(parser: argparse.ArgumentParser) -> None:
    sound_options(parser)
    parser.add_argument("--lr", type=float, default=2e-4)
    hearing_options(parser)


if __name__ == "__main__":
    main()
