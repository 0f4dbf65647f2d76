"""The parts an identity adapter is made of: embeddings to tokens, tokens mixed, tokens resampled."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["Embedder", "MixingLayer", "Resampler", "hidden"]


class Embedder(nn.Module):
    """A few tokens from each embedding; learned ones where the first embedding of a row is absent.

    Args:
        net: (B, V, in_dim) to (B, V, tokens * token_dim).
        tokens: how many of each.
        token_dim: width of one.
    """

    def __init__(self, net: nn.Module, tokens: int, token_dim: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.net = net
        self.absent = nn.Parameter(torch.randn(tokens, token_dim) * 0.02)

    def forward(self, embeddings: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, V, in_dim) and (B, V) bool to tokens (B, V * tokens, token_dim) and their mask."""
        tokens = self.net(embeddings).unflatten(-1, (self.tokens, -1))
        first = torch.where(present[:, :1, None, None], tokens[:, :1], self.absent)
        tokens = torch.cat([first, tokens[:, 1:]], dim=1).flatten(1, 2)
        # Somebody always answers: attention over no token at all is undefined.
        valid = torch.cat([torch.ones_like(present[:, :1]), present[:, 1:]], dim=1)
        return tokens, valid.repeat_interleave(self.tokens, dim=1)


def hidden(in_dim: int, width: int, out_dim: int) -> nn.Sequential:
    """What makes tokens of an embedding where nothing published does: through ``width`` hidden units."""
    return nn.Sequential(nn.LayerNorm(in_dim), nn.Linear(in_dim, width), nn.GELU(), nn.Linear(width, out_dim))


class MixingLayer(nn.Module):
    """Pre-norm attention and feed-forward. With ``queries`` it is the cross-attention of a Perceiver."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_q = nn.LayerNorm(dim)
        self.norm_kv = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, dim)
        self.to_kv = nn.Linear(dim, 2 * dim)
        self.to_out = nn.Linear(dim, dim)
        self.ff = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor, queries: torch.Tensor | None = None) -> torch.Tensor:
        """``tokens`` (B, N, D), ``mask`` (B, N) bool with at least one True a row; (B, N or R, D) out."""
        stream = tokens if queries is None else queries
        q = self.to_q(self.norm_q(stream)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.to_kv(self.norm_kv(tokens)).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        stream = stream + self.to_out(mixed.transpose(1, 2).flatten(2))
        return stream + self.ff(stream)


class Resampler(nn.Module):
    """Any number of tokens to a fixed one (Perceiver, arXiv:2103.03206)."""

    def __init__(self, dim: int, heads: int, latents: int, depth: int = 2) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(latents, dim) * 0.02)
        self.layers = nn.ModuleList(MixingLayer(dim, heads) for _ in range(depth))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, N, D) to (B, latents, D)."""
        latents = self.latents.expand(len(tokens), -1, -1)
        for layer in self.layers:
            latents = layer(tokens, mask, latents)
        return latents
