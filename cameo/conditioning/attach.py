"""Putting an identity adapter on an LTX-2 transformer, giving it people for one generation, taking it off again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from weakref import WeakKeyDictionary

from diffusers import LTX2VideoTransformer3DModel
from torch import nn

from cameo.conditioning.adapter import IdentityAdapter, IdentityProjection, check_shape
from cameo.conditioning.attention import Conditioning, IdentityAttnProcessor, Positions
from cameo.conditioning.errors import AdapterMismatch
from cameo.conditioning.routing import Routing
from cameo.conditioning.types import IdentityTokens

__all__ = ["attach", "attached", "conditioned", "detach", "nobody"]

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
    routing: Routing | None = None,
) -> Iterator[None]:
    """Within the block, the transformer draws and voices the people of ``tokens``; afterwards nobody, also on errors.

    A pass over as many rows as ``tokens`` has is conditional; over twice as many, guided: first half unconditional,
    with null tokens. With gradient checkpointing, ``backward`` belongs inside the block, for it runs the pass again.

    Args:
        transformer: one that an adapter is attached to.
        tokens: one row for each scene of the batch.
        scale: strength of the likeness in the picture; 0 is the base model.
        audio_scale: strength in the sound; None for the same.
        routing: who is drawn where and heard when. None: everybody everywhere and always.

    Raises:
        AdapterMismatch: no adapter is attached, or the routing is not for these tokens.
    """
    adapter = attached(transformer)
    if adapter is None:
        raise AdapterMismatch("no identity adapter is attached to this transformer", hint="call attach() first")
    if routing is not None:
        _check_lengths(routing, tokens)
    null, positions = adapter.null_tokens(len(tokens)), _POSITIONS[transformer]
    video = Conditioning(
        tokens.video,
        tokens.video_mask,
        null.video,
        null.video_mask,
        scale,
        positions,
        None if routing is None else routing.video,
        routing is not None and routing.soft,
        # An adapter that lays no crops learned nothing about being near.
        None if adapter.config.head_placings is None else tokens.video_places,
    )
    audio = Conditioning(
        tokens.audio,
        tokens.audio_mask,
        null.audio,
        null.audio_mask,
        scale if audio_scale is None else audio_scale,
        positions,
        None if routing is None else routing.audio,
        routing is not None and routing.soft,
    )
    with _telling(transformer, video, audio):
        yield


@contextmanager
def nobody(transformer: LTX2VideoTransformer3DModel) -> Iterator[None]:
    """Within a block of ``conditioned``: passes draw and voice nobody in particular, as the unconditional half does.
    Without an adapter they do anyway."""
    if attached(transformer) is None:
        yield
        return
    block = transformer.transformer_blocks[0]
    video, audio = (attn.get_processor().conditioning for attn in (block.attn2, block.audio_attn2))
    with _telling(transformer, video.nobody(), audio.nobody()):
        yield


@contextmanager
def _telling(transformer: LTX2VideoTransformer3DModel, video: Conditioning, audio: Conditioning) -> Iterator[None]:
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


def _check_lengths(routing: Routing, tokens: IdentityTokens) -> None:
    routed = (sum(routing.video_lengths), sum(routing.audio_lengths))
    given = (tokens.video.shape[1], tokens.audio.shape[1])
    if routed != given:
        raise AdapterMismatch(f"the routing is for {routed} tokens of picture and sound, these are {given}")
