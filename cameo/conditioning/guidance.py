"""Guidance for identity apart from guidance for text.

Classifier-free guidance (Ho and Salimans, 2022) contrasts a pass that knows everything with one that knows nothing, so
that likeness and obedience to the prompt grow together. With one pass more, which reads the prompt and knows nobody,
the two are told apart (Brooks et al., 2023, contrast text and picture in this way):

    nobody + w * (somebody - nobody)

takes the place of ``somebody`` in whatever the pipeline computes from it. ``w`` is 1 for no such guidance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import LTX2VideoTransformer3DModel
from torch import nn

from cameo.conditioning.attach import nobody

__all__ = ["identity_guided"]


@contextmanager
def identity_guided(
    transformer: LTX2VideoTransformer3DModel, rows: int, scale: float = 1.0, audio_scale: float | None = None
) -> Iterator[None]:
    """Within the block, passes of a conditioned ``transformer`` return the guided velocity. Where both scales are 1
    nothing is computed twice and nothing changes.

    Args:
        transformer: within ``conditioned``.
        rows: scenes in the batch; of a pass over twice as many, the second half is guided.
        scale: for the picture; below 1 weakens the likeness, above strengthens it.
        audio_scale: for the sound; None for the same.
    """
    scales = (scale, scale if audio_scale is None else audio_scale)
    if scales == (1.0, 1.0):
        yield
        return
    within = False

    def guide(
        module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], out: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, ...] | None:
        nonlocal within
        if within:
            return None
        within = True
        try:
            batch = len(named["hidden_states"])
            with nobody(transformer):
                without = module(**{name: _last(value, batch, rows) for name, value in named.items()})
        finally:
            within = False
        return tuple(_guided(one, other, w) for one, other, w in zip(out, without, scales, strict=True))

    hook = transformer.register_forward_hook(guide, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def _guided(somebody: torch.Tensor, nobody: torch.Tensor, scale: float) -> torch.Tensor:
    rows = len(nobody)
    return torch.cat([somebody[:-rows], nobody + scale * (somebody[-rows:] - nobody)])


def _last(value: Any, batch: int, rows: int) -> Any:
    """The conditional half of what has a row for every scene."""
    per_scene = isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == batch
    return value[-rows:] if per_scene else value
