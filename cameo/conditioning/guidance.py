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
from cameo.conditioning.reference import without_lead_in

__all__ = ["identity_guided"]


@contextmanager
def identity_guided(
    transformer: LTX2VideoTransformer3DModel, rows: int, scale: float = 1.0, audio_scale: float | None = None
) -> Iterator[None]:
    """Within the block, passes of a conditioned ``transformer`` return the guided velocity. Where both scales are 1
    nothing is computed twice and nothing changes.

    Args:
        transformer: within ``conditioned``, and within ``led_in`` if the sound has a reference.
        rows: scenes in the batch; of a pass over twice as many, the second half is guided.
        scale: for the picture; below 1 weakens the likeness, above strengthens it.
        audio_scale: for the sound; None for the same.
    """
    scales = (scale, scale if audio_scale is None else audio_scale)
    if scales == (1.0, 1.0):
        yield
        return
    within, asked = False, {}

    def remember(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        # Before any reference is put ahead of it.
        if not within:
            asked.update(named)

    def guide(module: nn.Module, arguments: tuple[Any, ...], out: tuple[torch.Tensor, ...]) -> Any:
        nonlocal within
        if within:
            return None
        within, batch = True, len(asked["hidden_states"])
        try:
            with nobody(transformer), without_lead_in(transformer):
                without = module(**{name: _last(value, batch, rows) for name, value in asked.items()})
        finally:
            within = False
        return tuple(_guided(one, other, w) for one, other, w in zip(out, without, scales, strict=True))

    hooks = (
        transformer.register_forward_pre_hook(remember, with_kwargs=True, prepend=True),
        transformer.register_forward_hook(guide),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _guided(somebody: torch.Tensor, nobody: torch.Tensor, scale: float) -> torch.Tensor:
    rows = len(nobody)
    return torch.cat([somebody[:-rows], nobody + scale * (somebody[-rows:] - nobody)])


def _last(value: Any, batch: int, rows: int) -> Any:
    """The conditional half of what has a row for every scene."""
    per_scene = isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == batch
    return value[-rows:] if per_scene else value
