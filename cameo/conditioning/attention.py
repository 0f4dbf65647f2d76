"""The processor that adds a person to one cross-attention of LTX-2.

What the stock processors do, with one term more: between attention and gate, ``scale * attention(q, k_id, v_id)``. It
reuses ``norm_q`` and ``norm_k`` and passes the same gate and ``to_out``, so that ``to_out``'s bias counts once and the
gates of 2.3 and 2.5 act on the identity as on everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention
from torch import nn
from torch.nn.functional import pad

from cameo.conditioning.adapter import IdentityProjection
from cameo.conditioning.errors import AdapterMismatch

__all__ = ["Conditioning", "IdentityAttnProcessor", "Positions"]


@dataclass(frozen=True, repr=False)
class Conditioning:
    """What one attention adds during one generation or training step.

    Attributes:
        tokens: (n, N, D), for the conditional rows.
        mask: (n, N) bool.
        null: (n, M, D), for the unconditional rows of a guidance batch.
        null_mask: (n, M) bool.
        scale: strength; 0 is the base model to the bit.
        routing: (n or 1, 1, Q, N) bool, which query sees which token; None: every query sees every token.
        places: (n, N, 2), where in the picture each token belongs, see ``IdentityTokens``; None: none of them anywhere.
        positions: what knows where the queries are, when tokens belong to places.
    """

    tokens: torch.Tensor
    mask: torch.Tensor
    null: torch.Tensor
    null_mask: torch.Tensor
    scale: float
    routing: torch.Tensor | None = None
    places: torch.Tensor | None = None
    positions: Positions | None = None


class Positions:
    """How far the queries of the pass that is running are from the places that tokens belong to.

    Cross-attention with text has no positions, and self-attention only relative ones: a query would not know what part
    of a face it is to draw. The transformer's rotary embedding is given the coordinates of every pass; there they are
    read.
    """

    def __init__(self, transformer: LTX2VideoTransformer3DModel) -> None:
        rope = transformer.rope
        self._edges = torch.tensor([rope.base_height, rope.base_width], dtype=torch.float32)
        self._queries: torch.Tensor | None = None
        self._watch = rope.register_forward_pre_hook(self._see)

    def remove(self) -> None:
        self._watch.remove()

    def distances(self, places: torch.Tensor) -> torch.Tensor:
        """Squared distances as shares of the picture's edges, (B, Q, N), NaN to tokens that belong nowhere.

        Args:
            places: (B, N, 2), (x, y), see ``IdentityTokens``.

        Raises:
            AdapterMismatch: no pass is running.
        """
        if self._queries is None:
            raise AdapterMismatch("this adapter needs positions: run the whole transformer, not one of its blocks")
        queries = self._queries.to(places.device)
        if len(queries) not in (1, len(places)):
            # A guided pass has twice the rows, at the same places.
            queries = queries.repeat(len(places) // len(queries), 1, 1)
        return (queries[:, :, None] - places.float().flip(-1)[:, None]).square().sum(-1)

    def _see(self, rope: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        middles = arguments[0].float().mean(-1)  # (B, 3, Q): time, then height and width in pixels
        self._queries = middles[:, 1:].transpose(1, 2) / self._edges.to(middles.device)


@dataclass(frozen=True, repr=False)
class _KeysValues:
    """(B, N, H, d) each; ``mask`` (B, 1, 1 or Q, N) bool or None; ``answered`` (B, Q, 1, 1) bool or None, False for
    queries to which no token is visible; ``places`` (B, N, 2) or None."""

    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    answered: torch.Tensor | None
    places: torch.Tensor | None


class IdentityAttnProcessor(nn.Module):
    """Stands in for a stock processor on ``attn2`` or ``audio_attn2``; does as it did until ``condition`` is called.

    ``projection`` is the adapter's own module, not a copy: training one trains the other. Under
    ``torch.is_grad_enabled()`` keys and values are computed anew on each pass; otherwise once for each kind of batch.
    """

    # Set from outside by diffusers, as on the stock processors.
    _attention_backend: Any = None
    _parallel_config: Any = None

    def __init__(self, projection: IdentityProjection, original: Any) -> None:
        super().__init__()
        self.projection = projection
        self.original = original
        self._attention_backend = original._attention_backend
        self._parallel_config = original._parallel_config
        self._conditioning: Conditioning | None = None
        self._cache: dict[tuple[bool, torch.dtype], _KeysValues] = {}

    @property
    def to_k_id(self) -> nn.Linear:
        return self.projection.to_k_id

    @property
    def to_v_id(self) -> nn.Linear:
        return self.projection.to_v_id

    def condition(self, conditioning: Conditioning | None) -> Conditioning | None:
        """Set what is added, or nothing; whatever was computed for the previous one is forgotten. Returns that."""
        previous, self._conditioning = self._conditioning, conditioning
        self._cache.clear()
        return previous

    def forward(
        self,
        attn: LTX2Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        query_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        key_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Shapes as in ``LTX2AudioVideoAttnProcessor``. Cross-attention with text has no rotary embeddings."""
        if encoder_hidden_states is None or query_rotary_emb is not None or key_rotary_emb is not None:
            raise AdapterMismatch("identity attention belongs on text cross-attention, where LTX-2 has no positions")
        batch, length, _ = encoder_hidden_states.shape
        if attention_mask is not None:
            attention_mask = attn.prepare_attention_mask(attention_mask, length, batch)
            attention_mask = attention_mask.view(batch, attn.heads, -1, attention_mask.shape[-1])
        gate_logits = attn.to_gate_logits(hidden_states) if attn.to_gate_logits is not None else None

        query = attn.norm_q(attn.to_q(hidden_states)).unflatten(2, (attn.heads, -1))
        key = attn.norm_k(attn.to_k(encoder_hidden_states)).unflatten(2, (attn.heads, -1))
        value = attn.to_v(encoder_hidden_states).unflatten(2, (attn.heads, -1))
        out = self._attend(query, key, value, attention_mask)
        if self._conditioning is not None and self._conditioning.scale != 0:
            out = out + self._conditioning.scale * self._identity(attn, query, self._conditioning)
        if gate_logits is not None:
            # Twice the sigmoid: logits that start at zero make gates of 1.
            out = out * (2.0 * torch.sigmoid(gate_logits)).unsqueeze(-1)
        out = attn.to_out[0](out.flatten(2, 3))
        return attn.to_out[1](out)

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        out = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=mask,
            dropout_p=0.0,
            is_causal=False,
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        return out.to(query.dtype)

    def _identity(self, attn: LTX2Attention, query: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        rows, people = len(query), len(conditioning.tokens)
        if rows not in (people, 2 * people):
            raise AdapterMismatch(
                f"identity tokens for {people} scenes, but a pass over {rows}",
                hint="give one row of tokens for each scene of the batch; guidance doubles it by itself",
            )
        guided = rows == 2 * people
        if torch.is_grad_enabled():
            known = self._keys_values(attn, conditioning, guided, query)
        else:
            kind = (guided, query.dtype)
            if kind not in self._cache:
                self._cache[kind] = self._keys_values(attn, conditioning, guided, query)
            known = self._cache[kind]
        mask = known.mask
        if known.places is not None and conditioning.positions is not None:
            nearness = self.projection.nearness(conditioning.positions.distances(known.places)).to(query.dtype)
            mask = nearness if mask is None else nearness.masked_fill(~mask, -torch.inf)
        out = self._attend(query, known.key, known.value, mask)
        return out if known.answered is None else out * known.answered

    def _keys_values(
        self, attn: LTX2Attention, conditioning: Conditioning, guided: bool, query: torch.Tensor
    ) -> _KeysValues:
        tokens, mask, routing = conditioning.tokens, conditioning.mask, conditioning.routing
        if routing is not None:
            routing = routing.expand(len(tokens), -1, -1, -1)
        if guided:
            # diffusers puts the unconditional half first.
            length = max(tokens.shape[1], conditioning.null.shape[1])
            tokens = torch.cat([_pad(conditioning.null, length), _pad(tokens, length)])
            mask = torch.cat([_pad_mask(conditioning.null_mask, length), _pad_mask(mask, length)])
            if routing is not None:
                routing = _pad_mask(routing, length)
                routing = torch.cat([torch.ones_like(routing), routing])
        # Under offloading the weights may be elsewhere until now; the tokens come to where the pass runs.
        tokens, mask = tokens.to(query.device, query.dtype), mask.to(query.device)
        key = attn.norm_k(self.to_k_id(tokens)).unflatten(2, (attn.heads, -1))
        value = self.to_v_id(tokens).unflatten(2, (attn.heads, -1))
        places = None
        if conditioning.places is not None and conditioning.positions is not None:
            places = conditioning.places.to(query.device)
            if guided:
                places = torch.cat([torch.full_like(places, torch.nan), places])
            places = pad(places, (0, 0, 0, tokens.shape[1] - places.shape[1]), value=torch.nan)
        visible, answered = mask[:, None, None], None
        if routing is not None:
            visible = visible & routing.to(query.device)
            sees = visible.any(-1, keepdim=True)
            # A softmax over nothing is undefined: such queries see all and their answer is discarded.
            visible, answered = visible | ~sees, sees.transpose(1, 2)
        # Without a mask faster backends serve.
        return _KeysValues(key, value, None if bool(visible.all()) else visible, answered, places)


def _pad(tokens: torch.Tensor, length: int) -> torch.Tensor:
    return pad(tokens, (0, 0, 0, length - tokens.shape[1]))


def _pad_mask(mask: torch.Tensor, length: int) -> torch.Tensor:
    return pad(mask, (0, length - mask.shape[-1]))
