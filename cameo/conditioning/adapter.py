"""The identity adapter: from what is known of a person to tokens, and from tokens to keys and values in every block.

Global tokens come from recognition embeddings, dense ones from latents of crops and speech (Lynx, arXiv:2509.15496,
shows that the two add up); a small masked transformer mixes them, separately for picture and sound. ``to_v_id`` starts
at zero, so that an untrained adapter changes nothing (IP-Adapter, arXiv:2308.06721, has the decoupled attention).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from cameo.conditioning.encoder import Embedder, MixingLayer, Resampler, hidden
from cameo.conditioning.errors import AdapterMismatch, AdapterUnreadable
from cameo.conditioning.pretrained import read_module
from cameo.conditioning.published import PublishedResampler, ResamplerShape
from cameo.conditioning.types import IdentityFeatures, IdentityTokens

__all__ = ["IdentityAdapter", "IdentityProjection", "check_shape", "load_adapter"]


_FARTHEST = 8.0
"""Logits by which a token is disliked at most for where it belongs."""


class IdentityProjection(nn.Module):
    """Keys and values of the identity for one attention. Shared with the processor that sits on that attention.

    Args:
        token_dim: width of a token.
        inner_dim: of the attention.
        near_heads: heads that prefer tokens which belong to where the query is, see ``nearness``; 0 for none.
    """

    def __init__(self, token_dim: int, inner_dim: int, near_heads: int = 0) -> None:
        super().__init__()
        if near_heads:
            # From cell to neighbourhood: the first head reaches a thirtieth of the picture's edge, the last a quarter.
            # It begins with a gain at which the first has most of its weight on the query's own cell.
            reach = 0.03 * 2 ** torch.linspace(0, 3, near_heads)
            self.near_gain = nn.Parameter(torch.full((near_heads,), 4.0))
            self.near_log_reach = nn.Parameter(reach.log())
        self.to_k_id = nn.Linear(token_dim, inner_dim, bias=False)
        self.to_v_id = nn.Linear(token_dim, inner_dim, bias=False)
        nn.init.zeros_(self.to_v_id.weight)

    def nearness(self, distances: torch.Tensor) -> torch.Tensor:
        """What each head adds to its logits: a bell over the distance, nothing for tokens that belong nowhere.

        Args:
            distances: (B, Q, N), squared, NaN where there is none.

        Returns:
            (B, H, Q, N).
        """
        steepness = (-2 * self.near_log_reach).exp().view(-1, 1, 1) / 2
        bell = self.near_gain.view(-1, 1, 1) - steepness * distances.nan_to_num()[:, None]
        # Far away is far away: the floor keeps a softmax over distant tokens alone from being that of the nearest.
        return torch.where(distances.isnan()[:, None], 0.0, bell.clamp(min=-_FARTHEST))


class IdentityAdapter(ModelMixin, ConfigMixin):
    """Identity features in, identity tokens out; and the per-block projections of those tokens.

    Args:
        face_space: name of the face embedding space it was trained on, e.g. ``dlib-resnet-128``.
        face_dim: its dimension. Likewise ``body_…`` and ``voice_…``.
        video_latent_channels: channels of the backbone's video VAE.
        head_grid: edge of a crop's latent, in latent pixels.
        audio_latent_dim: width of a packed audio latent.
        max_speech: the longest reference speech, in audio latents.
        face_views: the most face embeddings it is given, the mean included.
        face_resampler: shape of a resampler of a published layout that makes tokens of a face embedding, see
            ``cameo.conditioning.published``; None for an MLP of our own.
        head_crops: the most head crops it is given.
        head_placings: by the words of a caption that ask for a shot, where it shows a head: (scale, x, y), the edge of
            the crop, its left and its top, in shares of the picture's edges; the first where a caption names none.
            Crops, those that look into the camera first, are laid into a picture there, see
            ``cameo.conditioning.placing``. Their tokens belong to places in it, and each head of the attention prefers,
            by a reach it learns, what lies near a query. None: a crop is read as it was cut, and belongs nowhere. Not
            together with ``resample_to``.
        token_dim: width of a token.
        tokens_per_embedding: global tokens made of each embedding.
        embedder_width: hidden units between an embedding and its tokens; None: twice ``token_dim``.
        depth: layers that mix the tokens; without any, a dense token is no more than a linear map of its latent.
        heads: of those layers.
        resample_to: number of tokens after a Perceiver resampler; None keeps every token.
        num_layers: blocks of the transformer it conditions.
        video_dim: inner dimension of that transformer's ``attn2``.
        video_heads: and its heads; matters with ``head_placings`` only.
        audio_dim: and of its ``audio_attn2``.
        base_model: the backbone it was trained on; ``base_version`` likewise. Empty strings fit any.

    Raises:
        AdapterMismatch: both ``head_placings`` and ``resample_to``.
    """

    @register_to_config
    def __init__(
        self,
        face_space: str = "dlib-resnet-128",
        face_dim: int = 128,
        body_space: str = "appearance",
        body_dim: int = 240,
        voice_space: str = "ge2e-256",
        voice_dim: int = 256,
        video_latent_channels: int = 128,
        head_grid: int = 4,
        audio_latent_dim: int = 64,
        max_speech: int = 50,
        face_views: int = 4,
        face_resampler: ResamplerShape | None = None,
        head_crops: int = 4,
        head_placings: dict[str, tuple[float, float, float]] | None = None,
        token_dim: int = 256,
        tokens_per_embedding: int = 4,
        embedder_width: int | None = None,
        depth: int = 2,
        heads: int = 4,
        resample_to: int | None = None,
        num_layers: int = 6,
        video_dim: int = 256,
        video_heads: int = 4,
        audio_dim: int = 128,
        base_model: str = "",
        base_version: str = "",
    ) -> None:
        super().__init__()
        per = tokens_per_embedding
        width = embedder_width or 2 * token_dim
        if face_resampler:
            published = PublishedResampler(face_dim, token_dim, face_resampler)
            self.face = Embedder(published, published.tokens, token_dim)
        else:
            self.face = Embedder(hidden(face_dim, width, per * token_dim), per, token_dim)
        self.body = Embedder(hidden(body_dim, width, per * token_dim), per, token_dim)
        self.voice = Embedder(hidden(voice_dim, width, per * token_dim), per, token_dim)
        self.crop = nn.Linear(video_latent_channels, token_dim)
        self.speech = nn.Linear(audio_latent_dim, token_dim)
        self.crop_position = nn.Parameter(torch.randn(head_grid**2, token_dim) * 0.02)
        self.speech_position = nn.Parameter(torch.randn(max_speech, token_dim) * 0.02)
        # Kinds: mean face, single view, body, head crop, body crop, voice, speech.
        self.kind = nn.Embedding(7, token_dim)
        nn.init.normal_(self.kind.weight, std=0.5)  # as loud as what a token tells
        self.video_mixer = nn.ModuleList(MixingLayer(token_dim, heads) for _ in range(depth))
        self.audio_mixer = nn.ModuleList(MixingLayer(token_dim, heads) for _ in range(depth))
        self.video_resampler = Resampler(token_dim, heads, resample_to) if resample_to else None
        self.audio_resampler = Resampler(token_dim, heads, resample_to) if resample_to else None
        # How bright a cell of a crop is, is in the size of its token: only mixing needs all of one size.
        self.video_norm = nn.LayerNorm(token_dim) if depth else nn.Identity()
        self.audio_norm = nn.LayerNorm(token_dim) if depth else nn.Identity()
        if head_placings is not None and resample_to:
            raise AdapterMismatch("resampled tokens belong nowhere: give head_placings or resample_to, not both")
        near = 0 if head_placings is None else video_heads
        self.video_layers = nn.ModuleList(IdentityProjection(token_dim, video_dim, near) for _ in range(num_layers))
        self.audio_layers = nn.ModuleList(IdentityProjection(token_dim, audio_dim) for _ in range(num_layers))

    def forward(self, features: IdentityFeatures) -> IdentityTokens:
        """Tokens of the people in ``features``; B rows in, B rows out. An absent modality is told by learned tokens.

        Raises:
            AdapterMismatch: widths, grid or length of the features are not this adapter's.
        """
        self._check(features)
        features = features.to(self.device, self.dtype)
        video, video_mask, places = self._video(features)
        audio, audio_mask = self._audio(features)
        return IdentityTokens(video, audio, video_mask, audio_mask, places)

    def null_tokens(self, batch: int = 1) -> IdentityTokens:
        """Tokens that say "nobody in particular": what the unconditional pass sees. (batch, few, D)."""
        config, device, dtype = self.config, self.device, self.dtype

        def zeros(*shape: int, kind: torch.dtype = dtype) -> torch.Tensor:
            return torch.zeros(batch, *shape, device=device, dtype=kind)

        crops = (0, config.video_latent_channels, config.head_grid, config.head_grid)
        nobody = IdentityFeatures(
            face=zeros(1, config.face_dim),
            face_mask=zeros(1, kind=torch.bool),
            body=zeros(config.body_dim),
            voice=zeros(config.voice_dim),
            head_latents=zeros(*crops),
            head_mask=zeros(0, kind=torch.bool),
            head_times=zeros(0),
            body_latents=zeros(*crops),
            body_mask=zeros(0, kind=torch.bool),
            speech_latents=zeros(0, config.audio_latent_dim),
            speech_mask=zeros(0, kind=torch.bool),
        )
        return cast(IdentityTokens, self(nobody))

    def _video(self, features: IdentityFeatures) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        faces, faces_mask = self.face(features.face, features.face_mask)
        bodies, bodies_mask = self.body(features.body[:, None], features.body.ne(0).any(-1, keepdim=True))
        per = self.face.tokens
        face_kind = torch.cat(
            [self.kind.weight[0].expand(per, -1), self.kind.weight[1].expand(faces.shape[1] - per, -1)]
        )
        heads, heads_mask = self._crops(features.head_latents, features.head_mask)
        torsos, torsos_mask = self._crops(features.body_latents, features.body_mask)
        tokens = torch.cat(
            [
                faces + face_kind,
                bodies + self.kind.weight[2],
                heads + self.kind.weight[3],
                torsos + self.kind.weight[4],
            ],
            dim=1,
        )
        mask = torch.cat([faces_mask, bodies_mask, heads_mask, torsos_mask], dim=1)
        video, video_mask = _mix(tokens, mask, self.video_mixer, self.video_resampler, self.video_norm)
        places = torch.full((*video.shape[:2], 3), torch.nan, device=video.device)
        if self.config.head_placings is not None:
            begin = faces.shape[1] + bodies.shape[1]
            of_heads = places[:, begin : begin + heads.shape[1]]
            of_heads[..., :2] = _grid(self.config.head_grid, features.head_latents)
            of_heads[..., 2] = features.head_times.repeat_interleave(len(self.crop_position), dim=1)
        return video, video_mask, places

    def _audio(self, features: IdentityFeatures) -> tuple[torch.Tensor, torch.Tensor]:
        voice, voice_mask = self.voice(features.voice[:, None], features.voice.ne(0).any(-1, keepdim=True))
        speech = self.speech(features.speech_latents) + self.speech_position[: features.speech_latents.shape[1]]
        tokens = torch.cat([voice + self.kind.weight[5], speech + self.kind.weight[6]], dim=1)
        mask = torch.cat([voice_mask, features.speech_mask], dim=1)
        return _mix(tokens, mask, self.audio_mixer, self.audio_resampler, self.audio_norm)

    def _crops(self, latents: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, K, C, h, w) to tokens (B, K * h * w, D) and their mask."""
        tokens = self.crop(latents.flatten(3).transpose(2, 3)) + self.crop_position
        return tokens.flatten(1, 2), mask.repeat_interleave(len(self.crop_position), dim=1)

    def _check(self, features: IdentityFeatures) -> None:
        config = self.config
        crop = (config.video_latent_channels, config.head_grid, config.head_grid)
        for name, got, expected in (
            ("face embedding", features.face.shape[2:], (config.face_dim,)),
            ("body embedding", features.body.shape[1:], (config.body_dim,)),
            ("voice embedding", features.voice.shape[1:], (config.voice_dim,)),
            ("head crop latent", features.head_latents.shape[2:], crop),
            ("body crop latent", features.body_latents.shape[2:], crop),
            ("speech latent", features.speech_latents.shape[2:], (config.audio_latent_dim,)),
        ):
            if tuple(got) != expected:
                raise AdapterMismatch(f"{name} has shape {tuple(got)}, this adapter expects {expected}")
        length = features.speech_latents.shape[1]
        if length > config.max_speech:
            raise AdapterMismatch(
                f"reference speech has {length} latents, this adapter reads {config.max_speech} at most"
            )


def load_adapter(
    folder: Path, transformer: LTX2VideoTransformer3DModel | None = None, base_model: str | None = None
) -> IdentityAdapter:
    """An adapter from a folder that ``save_pretrained`` wrote (safetensors), refused unless it fits.

    Args:
        folder: ``config.json`` and ``diffusion_pytorch_model.safetensors``.
        transformer: the backbone's; its blocks and widths must be the adapter's. None: not asked.
        base_model: the backbone's name; must be the one the adapter names, if it names one. None: not asked.

    Raises:
        AdapterUnreadable: the folder holds no adapter of ours, or a damaged one.
        AdapterMismatch: it was trained on another backbone.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise AdapterUnreadable(f"{folder} holds no identity adapter") from error
    if config.get("_class_name") != IdentityAdapter.__name__:
        raise AdapterUnreadable(f"{folder} holds a {config.get('_class_name')!r}, expected an identity adapter")
    if base_model is not None and config.get("base_model") not in ("", base_model):
        raise AdapterMismatch(
            f"the adapter in {folder} was trained on {config.get('base_model')!r}, not on {base_model!r}",
            hint="use the adapter that was trained on this backbone",
        )
    adapter = read_module(IdentityAdapter, folder, "identity adapter")
    if transformer is not None:
        check_shape(adapter, transformer)
    return adapter


def check_shape(adapter: IdentityAdapter, transformer: LTX2VideoTransformer3DModel) -> None:
    """Verify that the adapter is for a transformer of this shape.

    Raises:
        AdapterMismatch: blocks or widths differ.
    """
    blocks = transformer.transformer_blocks
    found = (len(blocks), blocks[0].attn2.inner_dim, blocks[0].audio_attn2.inner_dim)
    expected = (adapter.config.num_layers, adapter.config.video_dim, adapter.config.audio_dim)
    heads = blocks[0].attn2.heads
    if adapter.config.head_placings is not None and heads != adapter.config.video_heads:
        raise AdapterMismatch(
            f"the adapter is for a transformer of {adapter.config.video_heads} heads, this one has {heads}",
            hint="use the adapter that was trained on this backbone",
        )
    if found != expected:
        raise AdapterMismatch(
            f"the adapter is for a transformer of (blocks, video, audio) = {expected}, this one has {found}",
            hint="use the adapter that was trained on this backbone",
        )


def _grid(edge: int, latents: torch.Tensor) -> torch.Tensor:
    """(K * edge * edge, 2): the middle of each cell of K pictures, (x, y) as shares of their edges."""
    middles = (torch.arange(edge, device=latents.device) + 0.5) / edge
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1).repeat(latents.shape[1], 1)


def _mix(
    tokens: torch.Tensor, mask: torch.Tensor, mixer: nn.ModuleList, resampler: nn.Module | None, norm: nn.Module
) -> tuple[torch.Tensor, torch.Tensor]:
    for layer in mixer:
        tokens = layer(tokens, mask)
    if resampler is not None:
        tokens = resampler(tokens, mask)
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    return norm(tokens), mask
