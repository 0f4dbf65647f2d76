"""The processor that adds a person to one cross-attention of LTX-2.

What the stock processors do, with one term more: between attention and gate, ``scale * attention(q, k_id, v_id)``. It
reuses ``norm_q`` and ``norm_k`` and passes the same gate and ``to_out``, so that ``to_out``'s bias counts once and the
gates of 2.3 and 2.5 act on the identity as on everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention
from torch import nn
from torch.nn.functional import pad

from cameo.conditioning.adapter import IdentityProjection
from cameo.conditioning.errors import AdapterMismatch
from cameo.conditioning.groups import Part, attend_parts, both, parts_of

__all__ = ["Conditioning", "IdentityAttnProcessor", "Positions"]


_EDGES_A_SECOND = 1.5
"""So that a latent frame of nano, a third of a second, is half the picture away from the next."""


@dataclass(frozen=True, repr=False)
class Conditioning:
    """What one attention adds during one generation or training step.

    Attributes:
        tokens: (n, N, D), for the conditional rows.
        mask: (n, N) bool.
        null: (n, M, D), for the unconditional rows of a guidance batch.
        null_mask: (n, M) bool.
        scale: strength; 0 is the base model to the bit.
        positions: where the queries of the running pass are.
        routing: how much each of them sees of each token, from their positions: (B or 1, Q, N), 0 to 1. None: all of
            every one.
        soft: whether ``routing`` gives weights other than 0 and 1.
        places: (n, N, 3), where and when each token belongs, see ``IdentityTokens``; None: none of them anywhere.
    """

    tokens: torch.Tensor
    mask: torch.Tensor
    null: torch.Tensor
    null_mask: torch.Tensor
    scale: float
    positions: Positions
    routing: Callable[[Positions], torch.Tensor] | None = None
    soft: bool = False
    places: torch.Tensor | None = None

    def nobody(self) -> Conditioning:
        """What the unconditional rows are told, for all rows."""
        return Conditioning(self.null, self.null_mask, self.null, self.null_mask, self.scale, self.positions)


class Positions:
    """Where and when the queries of the pass that is running are.

    Cross-attention with text has no positions, and self-attention only relative ones: a query would not know what part
    of a face it is to draw. The transformer's rotary embeddings are given the coordinates of every pass; there they are
    read.
    """

    def __init__(self, transformer: LTX2VideoTransformer3DModel) -> None:
        rope = transformer.rope
        self._edges = (float(rope.base_height), float(rope.base_width))
        self._middles: dict[str, torch.Tensor] = {}
        self._watches = [
            rope.register_forward_pre_hook(partial(self._see, "video")),
            transformer.audio_rope.register_forward_pre_hook(partial(self._see, "audio")),
        ]

    def remove(self) -> None:
        for watch in self._watches:
            watch.remove()

    @property
    def video(self) -> torch.Tensor:
        """(B or 1, 3, Q): seconds, then pixels from the top and from the left.

        Raises:
            AdapterMismatch: no pass is running.
        """
        return self._of("video")

    @property
    def audio(self) -> torch.Tensor:
        """(B or 1, 1, T): seconds. Raises as ``video`` does."""
        return self._of("audio")

    def distances(self, places: torch.Tensor) -> torch.Tensor:
        """Squared distances as shares of the picture's edges, (B, Q, N), NaN to tokens that belong nowhere.

        A second counts as ``_EDGES_A_SECOND`` edges of the picture; a token that belongs to all times is never far.

        Args:
            places: (B, N, 3), (x, y, seconds), see ``IdentityTokens``.

        Raises:
            AdapterMismatch: no pass is running.
        """
        video, (height, width) = self.video, self._edges
        seconds, y, x = video.unbind(1)
        queries = torch.stack([x / width, y / height, seconds * _EDGES_A_SECOND], -1).to(places.device)
        if len(queries) not in (1, len(places)):
            # A guided pass has twice the rows, at the same places.
            queries = queries.repeat(len(places) // len(queries), 1, 1)
        x, y, seconds = places.float().unbind(-1)
        at = torch.stack([x, y, seconds * _EDGES_A_SECOND], -1)
        away = (queries[:, :, None] - at[:, None]).square()
        return away[..., :2].sum(-1) + away[..., 2].nan_to_num()

    def _of(self, stream: str) -> torch.Tensor:
        if stream not in self._middles:
            raise AdapterMismatch("this adapter needs positions: run the whole transformer, not one of its blocks")
        return self._middles[stream]

    def _see(self, stream: str, rope: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        middles, last = arguments[0].float().mean(-1), self._middles.get(stream)
        # Steps of one scene have the same positions; the same tensor then, so that what is computed of it is kept. Not
        # in training, where every batch has its own, and not in a graph, which cannot ask.
        asking = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        if asking and last is not None and last.device == middles.device and torch.equal(last, middles):
            return
        self._middles[stream] = middles


@dataclass(frozen=True, repr=False)
class _KeysValues:
    """(B, N, H, d) each; ``mask`` (B, 1, 1, N) bool or None; ``places`` (B, N, 3) or None."""

    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
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
        self._near: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
        self._parts: tuple[torch.Tensor, _KeysValues, list[Part] | None] | None = None

    @property
    def to_k_id(self) -> nn.Linear:
        return self.projection.to_k_id

    @property
    def to_v_id(self) -> nn.Linear:
        return self.projection.to_v_id

    @property
    def conditioning(self) -> Conditioning | None:
        """What is added now."""
        return self._conditioning

    def condition(self, conditioning: Conditioning | None) -> Conditioning | None:
        """Set what is added, or nothing; whatever was computed for the previous one is forgotten. Returns that."""
        previous, self._conditioning = self._conditioning, conditioning
        self._cache.clear()
        self._near = self._parts = None
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
        mask, answered = known.mask, None
        if conditioning.routing is not None:
            if (parts := self._grouped(conditioning, conditioning.routing, known, guided)) is not None:
                return attend_parts(query, parts, self._attend)
            weights = conditioning.routing(conditioning.positions).to(query.device, query.dtype)
            mask, answered = _routed(weights, mask, guided, known.key.shape[:2], conditioning.soft)
        if known.places is not None:
            nearness = self._nearness(conditioning.positions, known.places).to(query.dtype)
            mask = both(mask, nearness)
        out = self._attend(query, known.key, known.value, mask)
        return out if answered is None else out * answered

    def _grouped(
        self,
        conditioning: Conditioning,
        routing: Callable[[Positions], torch.Tensor],
        known: _KeysValues,
        guided: bool,
    ) -> list[Part] | None:
        """See ``groups``; kept from step to step. None where it does not serve: edges are soft, rows are routed
        differently, or groups cannot be known beforehand, as in training and in a graph."""
        if conditioning.soft or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return None
        weights = routing(conditioning.positions)
        if self._parts is not None:
            # The same weights are the same positions, see ``Routing``.
            seen, of, parts = self._parts
            if seen is weights and of is known:
                return parts
        parts = None
        if len(weights) == 1 or torch.equal(weights, weights[:1].expand_as(weights)):
            parts = self._parted(conditioning, (weights[0] > 0).to(known.key.device), known, guided)
        self._parts = (weights, known, parts)
        return parts

    def _parted(
        self, conditioning: Conditioning, seen: torch.Tensor, known: _KeysValues, guided: bool
    ) -> list[Part] | None:
        near = None
        if known.places is not None:
            near = self._nearness(conditioning.positions, known.places).to(known.key.dtype)
        first = len(known.key) // 2 if guided else 0
        rows, length = slice(first, len(known.key)), seen.shape[1]

        def of(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor[rows][..., :length]

        key, value = known.key[rows, :length], known.value[rows, :length]
        parts = parts_of(rows, seen, key, value, of(known.mask), of(near))
        if parts is None or not guided:
            return parts
        # The unconditional half: null tokens, which belong nowhere and are seen by all.
        null = conditioning.null.shape[1]
        told = None if known.mask is None else known.mask[:first, ..., :null]
        return [Part(slice(0, first), None, known.key[:first, :null], known.value[:first, :null], told), *parts]

    def _nearness(self, positions: Positions, places: torch.Tensor) -> torch.Tensor:
        """See ``IdentityProjection``; kept from step to step, like keys and values."""
        middles = positions.video
        if not torch.is_grad_enabled() and self._near is not None:
            seen, of, nearness = self._near
            if seen is middles and of is places:
                return nearness
        nearness = self.projection.nearness(positions.distances(places))
        self._near = None if torch.is_grad_enabled() else (middles, places, nearness)
        return nearness

    def _keys_values(
        self, attn: LTX2Attention, conditioning: Conditioning, guided: bool, query: torch.Tensor
    ) -> _KeysValues:
        tokens, mask = conditioning.tokens, conditioning.mask
        if guided:
            # diffusers puts the unconditional half first.
            length = max(tokens.shape[1], conditioning.null.shape[1])
            tokens = torch.cat([_pad(conditioning.null, length), _pad(tokens, length)])
            mask = torch.cat([_pad_mask(conditioning.null_mask, length), _pad_mask(mask, length)])
        # Under offloading the weights may be elsewhere until now; the tokens come to where the pass runs.
        tokens, mask = tokens.to(query.device, query.dtype), mask.to(query.device)
        key = attn.norm_k(self.to_k_id(tokens)).unflatten(2, (attn.heads, -1))
        value = self.to_v_id(tokens).unflatten(2, (attn.heads, -1))
        places = None
        if conditioning.places is not None:
            places = conditioning.places.to(query.device)
            if guided:
                places = torch.cat([torch.full_like(places, torch.nan), places])
            places = pad(places, (0, 0, 0, tokens.shape[1] - places.shape[1]), value=torch.nan)
        # Without a mask faster backends serve; but to ask holds up an accelerator, and training seldom has none.
        all_seen = not torch.is_grad_enabled() and bool(mask.all())
        return _KeysValues(key, value, None if all_seen else mask[:, None, None], places)


def _routed(
    weights: torch.Tensor, mask: torch.Tensor | None, guided: bool, size: tuple[int, ...], soft: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """What attention is given of the weights, and by what its answer is multiplied.

    Args:
        weights: (B or 1, Q, N).
        mask: (B, 1, 1, N) bool, or None.
        guided: the first half of the rows is unconditional: nobody's tokens are routed there.
        size: (B, N), N padded to the length of the null tokens.
        soft: the weights are not all 0 or 1.

    Returns:
        (B, 1, Q, N), bool or what is added to logits; and (B, Q, 1, 1), 0 for queries to which no token is visible.
    """
    rows, length = size
    weights = pad(weights, (0, length - weights.shape[-1]))
    # Positions come with a row for every row of the pass, or with one for all.
    weights = weights.expand(rows, -1, -1)
    if guided:
        weights = torch.cat([torch.ones_like(weights[: rows // 2]), weights[rows // 2 :]])
    weights = weights[:, None]
    if mask is not None:
        weights = weights * mask
    answered = weights.amax(-1, keepdim=True)
    # A softmax over nothing is undefined: such queries see all and their answer is discarded.
    weights = torch.where(answered > 0, weights, 1.0)
    return weights.log() if soft else weights > 0, answered.transpose(1, 2)


def _pad(tokens: torch.Tensor, length: int) -> torch.Tensor:
    return pad(tokens, (0, 0, 0, length - tokens.shape[1]))


def _pad_mask(mask: torch.Tensor, length: int) -> torch.Tensor:
    return pad(mask, (0, length - mask.shape[-1]))
