"""What is trained, as one module: the frozen transformer with the adapter on it, and how far they are off.

Flow matching (Lipman et al., 2023) as the pipeline generates: both streams equally far on their way to noise, at levels
shifted by the number of tokens as the scheduler shifts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers import LTX2Pipeline, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.pipeline_ltx2 import calculate_shift
from torch import Tensor, nn

from cameo.conditioning import IdentityAdapter, add_lora, attach, conditioned
from cameo.training.adapter.examples import Batch, Scenes

__all__ = ["Learner", "losses", "parted", "predictions"]

_LORA = "identity"
_PROJECTION = re.compile(r"transformer\.transformer_blocks\.(\d+)\.(audio_)?attn2\.processor\.projection\.")


def parted(learned: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights by their names in a learner as those of an adapter, and of a LoRA as diffusers names them."""
    adapter, lora = {}, {}
    for name, weight in learned.items():
        if (place := _PROJECTION.match(name)) is not None:
            layers = "audio_layers" if place[2] else "video_layers"
            adapter[f"{layers}.{place[1]}.{name[place.end() :]}"] = weight
        elif name.startswith("adapter."):
            adapter[name.removeprefix("adapter.")] = weight
        else:
            lora[name.replace(f".{_LORA}.", ".")] = weight
    return adapter, lora


def losses(
    transformer: LTX2VideoTransformer3DModel, batch: Scenes, scheduler: Mapping[str, Any], fps: float
) -> tuple[Tensor, Tensor]:
    """How far a transformer is off, (B,) of the picture and (B,) of the sound, 0 where that is not the person's.

    Args:
        transformer: told already who is in the batch.
        batch: on its device.
        scheduler: the configuration of the pipeline's.
        fps: pictures a second of the scenes.
    """
    drawn, voiced = predictions(transformer, batch, scheduler, fps)
    video, noise = LTX2Pipeline._pack_latents(batch.video), LTX2Pipeline._pack_latents(batch.video_noise)
    picture = (drawn - (noise - video)).square().mean((1, 2))
    sound = (voiced - (batch.audio_noise - batch.audio)).square().mean((1, 2))
    return picture, sound * batch.heard


def predictions(
    transformer: LTX2VideoTransformer3DModel, batch: Scenes, scheduler: Mapping[str, Any], fps: float
) -> tuple[Tensor, Tensor]:
    """What a transformer takes the velocities of a batch to be, packed, float32; see ``losses``."""
    video, audio = LTX2Pipeline._pack_latents(batch.video), batch.audio
    noise, hiss = LTX2Pipeline._pack_latents(batch.video_noise), batch.audio_noise
    sigma = _sigma(batch.level, video.shape[1], scheduler)
    share = sigma[:, None, None]
    frames, height, width = batch.video.shape[2:]
    dtype, timestep = transformer.dtype, sigma * 1000
    drawn, voiced = transformer(
        hidden_states=torch.lerp(video, noise, share).to(dtype),
        audio_hidden_states=torch.lerp(audio, hiss, share).to(dtype),
        encoder_hidden_states=batch.picture_prompt.to(dtype),
        audio_encoder_hidden_states=batch.sound_prompt.to(dtype),
        timestep=timestep,
        sigma=timestep,
        encoder_attention_mask=batch.prompt_mask,
        audio_encoder_attention_mask=batch.prompt_mask,
        num_frames=frames,
        height=height,
        width=width,
        fps=fps,
        audio_num_frames=audio.shape[1],
        use_cross_timestep=True,
        return_dict=False,
    )
    return drawn.float(), voiced.float()


def _sigma(level: Tensor, tokens: int, scheduler: Mapping[str, Any]) -> Tensor:
    """(B,), the share of noise. The scheduler's shift of a share s adds ``mu`` to its logit."""
    mu = calculate_shift(
        tokens,
        scheduler.get("base_image_seq_len", 1024),
        scheduler.get("max_image_seq_len", 4096),
        scheduler.get("base_shift", 0.95),
        scheduler.get("max_shift", 2.05),
    )
    return torch.sigmoid(level + mu)


class Learner(nn.Module):
    """Takes batches, gives losses. Only the adapter and its LoRA learn, in float32.

    Args:
        transformer: frozen; the adapter is attached to it.
        adapter: what learns.
        scheduler: the pipeline's.
        fps: pictures a second of the scenes.
        rank: of a LoRA that learns beside the adapter; 0 for none.
    """

    def __init__(
        self, transformer: LTX2VideoTransformer3DModel, adapter: IdentityAdapter, scheduler: Any, fps: float, rank: int
    ) -> None:
        super().__init__()
        self.transformer, self.adapter = transformer.requires_grad_(False), adapter.float().train()
        lora = add_lora(transformer, rank, _LORA) if rank else []
        adapter.requires_grad_(True)
        attach(transformer, adapter)
        # The transformer holds them now. What shards weights must find each of them in one place.
        del adapter.video_layers, adapter.audio_layers
        for weight in lora:
            weight.data = weight.data.float()
        self._shift = scheduler.config
        self._fps = fps
        self._told = ExitStack()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Around a pass and its ``backward``: with gradient checkpointing, that runs parts of the pass again, and they
        must be told of the same people."""
        with ExitStack() as self._told:
            yield

    def forward(self, work: Batch | Callable[[], Any]) -> Any:
        """The losses of a batch, (B,) of the picture and (B,) of the sound, 0 where it is not the person's.

        Anything else that needs the weights goes through here as well, as a function: sharded weights are whole only
        within a pass.
        """
        if callable(work):
            return work()
        self._told.enter_context(conditioned(self.transformer, self.adapter(work.people)))
        return losses(self.transformer, work, self._shift, self._fps)
