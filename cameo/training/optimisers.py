"""Which optimiser learns which weights of the generator."""

from __future__ import annotations

from diffusers import LTX2VideoTransformer3DModel
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

__all__ = ["generator_optimisers", "set_rate"]

_ADAPTER_RATE = 3.0
"""The adapter begins by saying nothing and has the farthest to go."""


def generator_optimisers(
    parts: nn.ModuleDict, transformer: LTX2VideoTransformer3DModel, lr: float
) -> tuple[Optimizer, Optimizer]:
    """Muon (Jordan et al., 2024) for the matrices inside the transformer and the adapter, AdamW for all else: what
    comes in and goes out, embeddings, tables, gains.

    Args:
        parts: ``adapter`` and what learns with it; a weight that two of them share counts for the first.
        transformer: one of them, not yet attached to.
        lr: the same for both, for Muon's updates are scaled to the size of AdamW's.

    Returns:
        Muon first. Each group of theirs has a ``rate``, which ``set_rate`` multiplies by.
    """
    matrices = {
        id(module.weight)
        for module in (parts["adapter"], transformer.transformer_blocks)
        for module in module.modules()
        if isinstance(module, nn.Linear)
    }
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in parts.named_parameters():
        rate = _ADAPTER_RATE if name.startswith("adapter.") else 1.0
        groups.setdefault((id(parameter) in matrices, rate), []).append(parameter)

    def those(inside: bool) -> list[dict[str, object]]:
        return [{"params": p, "rate": rate} for (matrix, rate), p in groups.items() if matrix == inside]

    return (
        Muon(those(True), lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        AdamW(those(False), lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    )


def set_rate(optimisers: tuple[Optimizer, ...], lr: float) -> None:
    """Give every group this learning rate, times its own ``rate``."""
    for group in (group for optimiser in optimisers for group in optimiser.param_groups):
        group["lr"] = group["rate"] * lr
