"""What routing leaves of an attention: queries that see the same tokens, with those alone.

Attention under a mask pays for all that it does not look at. Where a query sees all of a token or nothing of it, and
people have regions of their own, there are a few groups of queries, and each needs to attend to its own people only:
four of them then cost what one does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

__all__ = ["Part", "attend_parts", "both", "parts_of"]


@dataclass(frozen=True, repr=False)
class Part:
    """Some queries of some rows of a pass, and what they attend to.

    Attributes:
        rows: of the pass.
        queries: their numbers, (K,); None: all of these rows.
        key: (B, L, H, d); ``value`` likewise.
        mask: (B, 1 or H, 1 or K, L), bool or what is added to logits; None: all is seen.
    """

    rows: slice
    queries: torch.Tensor | None
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None


def parts_of(
    rows: slice,
    seen: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    bias: torch.Tensor | None,
) -> list[Part] | None:
    """The groups of queries that see the same tokens; queries that see none are in no part.

    Args:
        rows: of the pass that this is for.
        seen: which query sees which token, (Q, N) bool.
        key: of those rows, (B, N, H, d); ``value`` likewise.
        mask: which tokens there are, (B, 1, 1, N) bool; None: all.
        bias: what is added to logits, (B, H, Q, N); None: nothing.

    Returns:
        None where somebody is seen of whom some row has no token: a softmax over nothing is undefined.
    """
    patterns, number = torch.unique(seen, dim=0, return_inverse=True)
    parts = []
    for group, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        queries, tokens = torch.nonzero(number == group).flatten(), torch.nonzero(pattern).flatten()
        there = None if mask is None or mask[..., tokens].all() else mask[..., tokens]
        if there is not None and not there.any(-1).all():
            return None
        told = both(there, None if bias is None else bias[:, :, queries][..., tokens])
        parts.append(Part(rows, queries, key[:, tokens], value[:, tokens], told))
    return parts


def both(mask: torch.Tensor | None, bias: torch.Tensor | None) -> torch.Tensor | None:
    """A mask, bool or added to logits, and what is added to them beside it, as one."""
    if mask is None or bias is None:
        return mask if bias is None else bias
    return bias.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else bias + mask


def attend_parts(
    query: torch.Tensor,
    parts: Sequence[Part],
    attend: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor],
) -> torch.Tensor:
    """(B, Q, H, d): what each query attends to, 0 for those in no part."""
    out = torch.zeros_like(query)
    for part in parts:
        if part.queries is None:
            out[part.rows] = attend(query[part.rows], part.key, part.value, part.mask)
        else:
            asked = query[part.rows].index_select(1, part.queries)
            out[part.rows].index_copy_(1, part.queries, attend(asked, part.key, part.value, part.mask))
    return out
