"""A voice by example: reference speech ahead of the scene, at negative time.

ID-LoRA's way (arXiv:2603.10256): clean latents of a reference stand before those of the scene in the audio sequence, at
times that end just before it begins, told to be free of noise. Self-attention of the sound reads how somebody sounds;
the picture does not see them, for no mouth in the scene says what the reference says. The stock transformer computes
all that once it is given a longer sequence: here are the hooks that lengthen it on the way in, and cut it on the way
out.

Made for LoRAs that were trained so; ``load_lora`` loads them. Without one, a model may take the reference for the
beginning of the scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from diffusers import LTX2VideoTransformer3DModel
from torch import nn

from cameo.conditioning.errors import AdapterMismatch

__all__ = ["led_in", "without_lead_in"]

_SILENCED: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


@contextmanager
def led_in(transformer: LTX2VideoTransformer3DModel, latents: torch.Tensor, gap: float = 0.04) -> Iterator[None]:
    """Within the block, each pass hears ``latents`` before its scene begins. Shapes in and out stay as they are.

    Args:
        transformer: any LTX-2.
        latents: (1, R, D), reference speech as ``encode_speech`` gives it, for every scene of the batch.
        gap: seconds between the end of the reference and the scene; one latent by default.

    Raises:
        AdapterMismatch: the latents are none of this transformer's.
    """
    width = transformer.config.audio_in_channels
    if latents.ndim != 3 or len(latents) != 1 or latents.shape[1] == 0 or latents.shape[2] != width:
        raise AdapterMismatch(f"reference speech has shape {tuple(latents.shape)}, expected (1, R, {width})")
    length = latents.shape[1]
    with ExitStack() as stack:
        before = transformer.register_forward_pre_hook(_Lengthen(transformer, latents, gap), with_kwargs=True)
        after = transformer.register_forward_hook(_cut(length))
        stack.callback(before.remove)
        stack.callback(after.remove)
        for block in transformer.transformer_blocks:
            unseen = block.audio_to_video_attn.register_forward_pre_hook(_unseen(transformer, length), with_kwargs=True)
            stack.callback(unseen.remove)
        yield


@contextmanager
def without_lead_in(transformer: LTX2VideoTransformer3DModel) -> Iterator[None]:
    """Within the block, passes hear no reference: what guidance for identity contrasts with."""
    before = _SILENCED.get(transformer, False)
    _SILENCED[transformer] = True
    try:
        yield
    finally:
        _SILENCED[transformer] = before


class _Lengthen:
    def __init__(self, transformer: LTX2VideoTransformer3DModel, latents: torch.Tensor, gap: float) -> None:
        self._latents = latents
        self._rope = transformer.audio_rope
        times = self._rope.prepare_audio_coords(1, latents.shape[1], "cpu")
        # The rotary embedding's own function clamps at zero: laid out from there, then moved.
        self._times = times - times.amax() - gap

    def __call__(
        self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if _SILENCED.get(module):
            return None
        sound = named["audio_hidden_states"]
        rows, length = sound.shape[:2]
        told = named.get("audio_timestep")
        # One level for the scene, or one for every latent.
        noise = (told if told is not None else named["timestep"]).reshape(rows, -1)
        times = named.get("audio_coords")
        if times is None:
            times = self._rope.prepare_audio_coords(rows, length, sound.device)
        ahead = self._times.to(times).expand(len(times), -1, -1, -1)
        reference = self._latents.to(sound).expand(rows, -1, -1)
        return arguments, named | {
            "audio_hidden_states": torch.cat([reference, sound], 1),
            "audio_coords": torch.cat([ahead, times], 2),
            "audio_timestep": torch.cat([noise.new_zeros(rows, reference.shape[1]), noise.expand(rows, length)], 1),
            "audio_num_frames": reference.shape[1] + length,
        }


def _cut(length: int) -> Any:
    def cut(module: nn.Module, arguments: tuple[Any, ...], out: tuple[torch.Tensor, ...]) -> Any:
        if _SILENCED.get(module):
            return None
        video, audio = out
        return video, audio[:, length:]

    return cut


def _unseen(transformer: LTX2VideoTransformer3DModel, length: int) -> Any:
    """The picture looks at the scene's own sound."""

    def hide(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if _SILENCED.get(transformer):
            return None
        # Heads may come before time or not: time is last but one either way.
        cosine, sine = (part[..., length:, :] for part in named["key_rotary_emb"])
        sound = named["encoder_hidden_states"][:, length:]
        return arguments, named | {"encoder_hidden_states": sound, "key_rotary_emb": (cosine, sine)}

    return hide
