"""Which optimiser learns which weights of the generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import LTX2VideoTransformer3DModel
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

__all__ = ["StackedMuon", "by_size", "generator_optimisers", "set_rate"]

_ADAPTER_RATE = 3.0
"""The adapter begins by saying nothing and has the farthest to go."""

_SMALLEST, _FITTED = 5e-3, 0.1
"""Size that silent weights count as, and share of the rate for what was fitted; see ``by_size``."""


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
        StackedMuon(those(True), lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        AdamW(those(False), lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    )


def by_size(module: nn.Module, rate: float, fitted: bool) -> list[dict[str, Any]]:
    """A group for every weight, with a ``rate`` that is a share of its size.

    Where an autoencoder began as a fitted transform, its weights differ in size by a hundred, and steps of one size
    undo the fit within some hundred of them.

    Args:
        module: an autoencoder, or half of one.
        rate: of what was not fitted.
        fitted: whether the rest of it was: then that moves by a tenth of the rate.
    """
    return [
        {
            "params": [weight],
            "rate": rate
            * max(_SMALLEST, float(weight.detach().square().mean().sqrt()))
            * (_FITTED if fitted and "resnets" not in name else 1.0),
        }
        for name, weight in module.named_parameters()
        if weight.requires_grad
    ]


def set_rate(optimisers: tuple[Optimizer, ...], lr: float) -> None:
    """Give every group this learning rate, times its own ``rate``."""
    for group in (group for optimiser in optimisers for group in optimiser.param_groups):
        group["lr"] = group["rate"] * lr


class StackedMuon(Muon):
    """PyTorch's Muon with all matrices of one shape orthogonalised at once: one by one, thousands of small products
    cost an accelerator more than the step they belong to. Its options and its state are Muon's, with Nesterov momentum
    and rates as AdamW's."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in alike.items():
                self._update(group, shape, parameters)
        return loss

    def _update(self, group: dict[str, Any], shape: torch.Size, parameters: list[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(gradient)
        momenta = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
        turned = _orthogonal(torch.stack(ahead), group["ns_coefficients"], group["ns_steps"]).to(parameters[0].dtype)
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        # The root mean square of AdamW's updates, as Liu et al., "Muon is scalable for LLM training" (2025).
        torch._foreach_add_(parameters, list(turned.unbind()), alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)


def _orthogonal(matrices: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """The nearest orthogonal matrices to (K, M, N), about, by Newton and Schulz's iteration in bfloat16."""
    a, b, c = coefficients
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
