"""Queries in groups attend as they would under a mask, and pay for their own people alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from cameo.conditioning import IdentityTokens, attach, conditioned
from cameo.conditioning.groups import attend_parts, parts_of
from cameo.conditioning.routing import Presence, Routing

ROWS, QUERIES, TOKENS, HEADS, WIDTH = 2, 7, 6, 2, 4


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """PyTorch's own, heads third as diffusers has them."""
    told = (one.transpose(1, 2) for one in (query, key, value))
    return scaled_dot_product_attention(*told, attn_mask=mask).transpose(1, 2)


@given(st.integers(0, 2**31), st.booleans(), st.booleans())
def test_a_part_for_each_group_is_the_masked_whole(seed: int, masked: bool, biased: bool):
    g = torch.Generator().manual_seed(seed)
    query = torch.randn(ROWS, QUERIES, HEADS, WIDTH, generator=g)
    key, value = torch.randn(2, ROWS, TOKENS, HEADS, WIDTH, generator=g)
    seen = torch.rand(QUERIES, TOKENS, generator=g) < 0.5
    mask = torch.rand(ROWS, 1, 1, TOKENS, generator=g) < 0.8 if masked else None
    bias = torch.randn(ROWS, HEADS, QUERIES, TOKENS, generator=g) if biased else None
    there = seen[None, None].expand(ROWS, 1, -1, -1) & (torch.ones(1, dtype=torch.bool) if mask is None else mask)
    parts = parts_of(slice(0, ROWS), seen, key, value, mask, bias)
    if parts is None:
        assert (seen.any(-1) & ~there.any(-1)).any(), "given up without need"
        return
    logits = torch.zeros(()) if bias is None else bias
    whole = attend(query, key, value, logits.masked_fill(~there, -torch.inf)).nan_to_num()
    assert torch.allclose(attend_parts(query, parts, attend), whole, atol=1e-6)


@pytest.mark.parametrize("guided", [False, True])
def test_a_scene_is_what_it_is_under_masks(transformer, trained, features, run, guided: bool, monkeypatch):
    attach(transformer, trained)
    people = [trained(features(seed=seed)) for seed in (3, 4)]
    both = IdentityTokens.beside(people)
    lengths = [[getattr(one, stream).shape[1] for one in people] for stream in ("video", "audio")]
    sides = [Presence(Presence.at(0, 0, 0.5, 1).path, ((0.0, 0.1),)), Presence(Presence.at(0.5, 0, 1, 1).path, ())]
    keys: list[int] = []
    processor = type(transformer.transformer_blocks[0].attn2.get_processor())
    stock = processor._attend

    def counted(self, query, key, value, mask):
        keys.append(query.shape[0] * query.shape[1] * key.shape[1])
        return stock(self, query, key, value, mask)

    monkeypatch.setattr(processor, "_attend", counted)
    seen = []
    # Where gradients are wanted, masks are used.
    for wanted in (False, True):
        keys.clear()
        with torch.set_grad_enabled(wanted), conditioned(transformer, both, routing=Routing(sides, *lengths, 64, 64)):
            seen.append((run(1 + guided), sum(keys)))
    (grouped, cheap), (masked, dear) = seen
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(grouped, masked, strict=True))
    assert cheap < dear
