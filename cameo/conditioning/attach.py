"""Putting an identity adapter on an LTX-2 transformer, giving it people for one generation, taking it off again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from weakref import WeakKeyDictionary

import torch
from diffusers import LTX2VideoTransformer3DModel
from torch import nn

from cameo.conditioning.adapter import IdentityAdapter, IdentityProjection, check_shape
from cameo.conditioning.attention import Conditioning, IdentityAttnProcessor, Positions
from cameo.conditioning.errors import AdapterMismatch
from cameo.conditioning.types import IdentityTokens

__all__ = ["attach", "attached", "conditioned", "detach"]

_ATTACHED: WeakKeyDictionary[nn.Module, IdentityAdapter] = WeakKeyDictionary()
_POSITIONS: WeakKeyDictionary[nn.Module, Positions] = WeakKeyDictionary()


def attach(transformer: LTX2VideoTransformer3DModel, adapter: IdentityAdapter) -> None:
    """Put the adapter's projections on ``attn2`` and ``audio_attn2`` of every block, in place of any adapter there.

    The projections become part of ``transformer``'s modules (they move and cast with it; freezing the transformer
    afterwards freezes them; detach before saving it). Until ``conditioned`` gives it people, the transformer computes
    what it did before.

    Raises:
        AdapterMismatch: the adapter was made for a transformer of another shape.
    """
    check_shape(adapter, transformer)
    detach(transformer)
    for block, video, audio in zip(
        transformer.transformer_blocks, adapter.video_layers, adapter.audio_layers, strict=True
    ):
        for attn, projection in ((block.attn2, video), (block.audio_attn2, audio)):
            attn.set_processor(IdentityAttnProcessor(cast(IdentityProjection, projection), attn.get_processor()))
    _ATTACHED[transformer] = adapter
    if adapter.config.head_placing is not None:
        _POSITIONS[transformer] = Positions(transformer)


def attached(transformer: LTX2VideoTransformer3DModel) -> IdentityAdapter | None:
    """The adapter that sits on ``transformer``, if one does."""
    return _ATTACHED.get(transformer)


def detach(transformer: LTX2VideoTransformer3DModel) -> None:
    """Put the original processors back. Nothing happens when no adapter is attached."""
    _ATTACHED.pop(transformer, None)
    if (positions := _POSITIONS.pop(transformer, None)) is not None:
        positions.remove()
    for block in transformer.transformer_blocks:
        for attn in (block.attn2, block.audio_attn2):
            processor = attn.get_processor()
            if isinstance(processor, IdentityAttnProcessor):
                processor.condition(None)
                attn.set_processor(processor.original)


@contextmanager
def conditioned(
    transformer: LTX2VideoTransformer3DModel,
    tokens: IdentityTokens,
    scale: float = 1.0,
    audio_scale: float | None = None,
    video_mask: torch.Tensor | None = None,
    audio_mask: torch.Tensor | None = None,
) -> Iterator[None]:
    """Within the block, the transformer draws and voices the people of ``tokens``; afterwards nobody, also on errors.

    A pass over as many rows as ``tokens`` has is conditional; over twice as many, guided: first half unconditional,
    with null tokens. With gradient checkpointing, ``backward`` belongs inside the block, for it runs the pass again.

    Args:
        transformer: one that an adapter is attached to.
        tokens: one row for each scene of the batch.
        scale: strength of the likeness in the picture; 0 is the base model.
        audio_scale: strength in the sound; None for the same.
        video_mask: (B or 1, 1, Q, N) bool, which video query (packed latent) sees which token. None: all see all.
        audio_mask: (B or 1, 1, Q, M) bool, likewise for the sound.

    Raises:
        AdapterMismatch: no adapter is attached, or a mask is not for these tokens.
    """
    adapter = attached(transformer)
    if adapter is None:
        raise AdapterMismatch("no identity adapter is attached to this transformer", hint="call attach() first")
    _check_routing("video_mask", video_mask, tokens.video)
    _check_routing("audio_mask", audio_mask, tokens.audio)
    null = adapter.null_tokens(len(tokens))
    video = Conditioning(
        tokens.video,
        tokens.video_mask,
        null.video,
        null.video_mask,
        scale,
        video_mask,
        tokens.video_places,
        _POSITIONS.get(transformer),
    )
    audio = Conditioning(
        tokens.audio,
        tokens.audio_mask,
        null.audio,
        null.audio_mask,
        scale if audio_scale is None else audio_scale,
        audio_mask,
    )
    pairs = [
        (attn.get_processor(), conditioning)
        for block in transformer.transformer_blocks
        for attn, conditioning in ((block.attn2, video), (block.audio_attn2, audio))
    ]
    previous = [processor.condition(conditioning) for processor, conditioning in pairs]
    try:
        yield
    finally:
        for (processor, _), before in zip(pairs, previous, strict=True):
            processor.condition(before)


def _check_routing(name: str, mask: torch.Tensor | None, tokens: torch.Tensor) -> None:
    if mask is None:
        return
    fits = mask.ndim == 4 and mask.shape[0] in (1, len(tokens)) and mask.shape[1] == 1
    if not fits or mask.shape[3] != tokens.shape[1] or mask.dtype != torch.bool:
        raise AdapterMismatch(
            f"{name} is {mask.dtype} of shape {tuple(mask.shape)}, "
            f"expected bool of shape ({len(tokens)} or 1, 1, queries, {tokens.shape[1]})"
        )
