"""Stage 4: the vocoder, from log-mel spectrograms to sound.

    python -m cameo.training.vocoder --max-minutes 25

It learns by multi-resolution spectral distance (Yamamoto et al., "Parallel WaveGAN", 2020) and by what a speaker
encoder hears, half of the time from spectrograms that the audio autoencoder made, which is what it will be given.
"""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderKLLTX2Audio
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from torch import Tensor

from cameo.backbones.mel import log_mel
from cameo.backbones.nano import build
from cameo.training.hearing import Hearing, hearing_options
from cameo.training.parts import autoencoders
from cameo.training.run import Ema, Stage
from cameo.training.sounds import sound_options, sounds

_SAMPLES = 16_000
_MEL = 15.0
"""Weight of the log-mel error. The finer a spectrum, the more of its error is the phase of noise, which nothing tells;
and by the coarse one speakers are known."""

_RESOLUTIONS = ((1024, 160), (512, 80), (256, 40), (2048, 320))


def main() -> None:
    stage = Stage.parse("vocoder", __doc__, _options)
    vocoder = build(stage.config, ["a"], seed=stage.options.seed).vocoder.to(stage.device).train()
    optimiser = torch.optim.AdamW(vocoder.parameters(), lr=stage.options.lr, betas=(0.8, 0.98), weight_decay=1e-4)
    ema = Ema(vocoder, 0.998)
    stage.resume({"vocoder": vocoder}, [optimiser], ema)
    tie_channels(vocoder, ema.average)
    begun = stage.step
    hearing = Hearing().to(stage.device) if stage.options.hearing else None
    autoencoder = autoencoders(stage.options.runs).audio_vae.to(stage.device)
    pool = sounds(stage, salt=7)
    running = torch.zeros(2, device=stage.device)
    for progress in stage.steps():
        sound = pool.batch(stage.options.batch).to(stage.device)
        mel = heard_through(autoencoder, log_mel(sound[:, None]))
        start = int(torch.randint(0, mel.shape[2] - _SAMPLES // 160, ()).item()) * 160
        mel = mel[:, :, start // 160 : (start + _SAMPLES) // 160]
        sound = sound[:, None, start : start + _SAMPLES]
        for group in optimiser.param_groups:
            group["lr"] = stage.options.lr * min(1.0, (stage.step - begun + 1) / 100) * (1.02 - progress) ** 0.7
        with stage.mixed():
            drawn = vocoder(mel)
        both = drawn.float().flatten(0, 1), sound.expand(-1, 2, -1).flatten(0, 1)
        distance = spectral_distance(*both)
        loss = distance if hearing is None else distance + stage.options.hearing * hearing(*both)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vocoder.parameters(), 1.0)
        optimiser.step()
        ema.update(vocoder)
        figures = torch.stack([distance, loss - distance]).detach()
        running = running + (figures - running) * (0.02 if stage.step else 1.0)
        if stage.step % 50 == 49:
            stage.log(distance=running[0].item(), hearing=running[1].item())
        if stage.step % 400 == 399:
            stage.save({"vocoder": vocoder}, [optimiser], ema)
    stage.save({"vocoder": vocoder}, [optimiser], ema)


def tie_channels(vocoder: LTX2Vocoder, average: dict[str, Tensor]) -> None:
    """Have both channels say the same, now and, as they learn from the same, from now on; likewise the running average.

    What is learned from is mono. Two channels that each find phases of their own cancel each other wherever they are
    mixed.
    """
    for name, weight in vocoder.conv_out.named_parameters():
        for tensor in (weight.data, average[f"conv_out.{name}"]):
            tensor[1:] = tensor[:1]


@torch.no_grad()
def heard_through(autoencoder: AutoencoderKLLTX2Audio, mel: Tensor) -> Tensor:
    """Spectrograms (B, 2, T, M), all but the first half of them as the autoencoder gives them back; it may give a few
    frames less, and then all are cut to that."""
    own = len(mel) // 2
    back = autoencoder.decode(autoencoder.encode(mel[own:]).latent_dist.mode()).sample.float()
    return torch.cat([mel[:own, :, : back.shape[2]], back])


def spectral_distance(drawn: Tensor, sound: Tensor) -> Tensor:
    """Spectral convergence plus log-magnitude error at four resolutions, and the log-mel error; both (B, N)."""
    loss = (log_mel(drawn[:, None]) - log_mel(sound[:, None])).abs().mean() * _MEL
    for n_fft, hop in _RESOLUTIONS:
        window = torch.hann_window(n_fft, device=sound.device)
        a, b = (
            torch.stft(x, n_fft, hop, window=window, return_complex=True).abs().clamp(min=1e-4) for x in (drawn, sound)
        )
        loss = loss + torch.linalg.norm(a - b) / torch.linalg.norm(b) + (a.log() - b.log()).abs().mean()
    return loss


def _options(parser: argparse.ArgumentParser) -> None:
    sound_options(parser)
    parser.add_argument("--lr", type=float, default=5e-4)
    hearing_options(parser)


if __name__ == "__main__":
    main()
