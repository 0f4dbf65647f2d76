"""Resamplers that others have trained on faces, for an adapter to begin from.

From nothing, on a frozen generator, a resampler learns little likeness; one that has seen millions of faces knows what
in an embedding tells them apart. Read are the layouts of IP-Adapter (arXiv:2308.06721): the Perceiver resampler of its
Plus kind, which InstantID (arXiv:2401.07519) has too, and the MLP of its FaceID kind; both by diffusers' own classes
and loader. Files are safetensors: a pickle is never opened. A file says neither which encoder it was trained behind nor
how long its embeddings were.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.loaders.unet import UNet2DConditionLoadersMixin
from diffusers.models.embeddings import IPAdapterFaceIDImageProjection, IPAdapterPlusImageProjection
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cameo.conditioning.errors import AdapterMismatch, AdapterUnreadable

__all__ = ["PublishedResampler", "ResamplerShape", "begin_from", "read_resampler"]

ResamplerShape = dict[str, int]
"""What ``IPAdapterPlusImageProjection`` or ``IPAdapterFaceIDImageProjection`` are made with, by their own names."""

_PREFIX = "image_proj."


class PublishedResampler(nn.Module):
    """A resampler of a published layout, and a linear map from its tokens to an adapter's.

    Args:
        in_dim: of an embedding.
        token_dim: of a token.
        shape: of the resampler, see ``read_resampler``.

    Raises:
        AdapterMismatch: the resampler reads embeddings of another width.
    """

    def __init__(self, in_dim: int, token_dim: int, shape: ResamplerShape) -> None:
        super().__init__()
        plus = "num_queries" in shape
        self.tokens = shape["num_queries" if plus else "num_tokens"]
        reads = shape["embed_dims" if plus else "image_embed_dim"]
        if reads != in_dim:
            raise AdapterMismatch(
                f"the resampler reads embeddings of {reads} dimensions, this space has {in_dim}",
                hint="name the space it was trained behind",
            )
        self.one_at_a_time = plus
        self.published: nn.Module = (
            IPAdapterPlusImageProjection(**shape) if plus else IPAdapterFaceIDImageProjection(**shape)
        )
        # Ours are of unit length; those of some networks are not, before they are normalised.
        self.length = nn.Parameter(torch.ones(()))
        self.to_token = nn.Linear(shape["output_dims" if plus else "cross_attention_dim"], token_dim)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, V, in_dim) to (B, V, tokens * token_dim)."""
        views = embeddings.flatten(0, 1) * self.length
        # A Perceiver reads a sequence, here of one: that is how it was trained.
        tokens = self.to_token(self.published(views[:, None] if self.one_at_a_time else views))
        return tokens.flatten(1).unflatten(0, embeddings.shape[:2])


def read_resampler(path: Path) -> tuple[ResamplerShape, dict[str, Tensor]]:
    """What a published resampler is shaped like, and its weights by diffusers' names.

    Args:
        path: safetensors with the keys of IP-Adapter's or InstantID's ``image_proj``, with that prefix or without.

    Raises:
        AdapterUnreadable: it is no safetensors, no such resampler, incomplete, or holds numbers that are none.
    """
    try:
        held = load_file(path)
    except (OSError, SafetensorError) as error:
        raise AdapterUnreadable(
            f"{path} cannot be read as safetensors; convert a pickle where it is safe to"
        ) from error
    within = {name.removeprefix(_PREFIX): weight for name, weight in held.items() if name.startswith(_PREFIX)} or held
    if not all(bool(weight.isfinite().all()) for weight in within.values()):
        raise AdapterUnreadable(f"the resampler in {path} holds numbers that are none; get it again")
    try:
        # The library's own reading of the layouts, underscore or not: a second version of it could drift.
        made = UNet2DConditionLoadersMixin()._convert_ip_adapter_image_proj_to_diffusers(
            within, low_cpu_mem_usage=False
        )
    except (KeyError, IndexError, RuntimeError, ValueError, ZeroDivisionError) as error:
        raise AdapterUnreadable(
            f"{path} holds no resampler of a layout that is known: IP-Adapter Plus or FaceID"
        ) from error
    if isinstance(made, IPAdapterPlusImageProjection):
        shape = {
            "embed_dims": made.proj_in.in_features,
            "output_dims": made.proj_out.out_features,
            "hidden_dims": made.proj_in.out_features,
            "depth": len(made.layers),
            "heads": made.layers[0].attn.heads,
            "num_queries": made.latents.shape[1],
        }
    elif isinstance(made, IPAdapterFaceIDImageProjection):
        first = made.ff.net[0].proj
        shape = {
            "image_embed_dim": first.in_features,
            "cross_attention_dim": made.cross_attention_dim,
            "mult": first.out_features // first.in_features,
            "num_tokens": made.num_tokens,
        }
    else:
        raise AdapterUnreadable(f"{path} holds a resampler that reads more than an embedding ({type(made).__name__})")
    return shape, made.state_dict()


def begin_from(resampler: PublishedResampler, weights: dict[str, Tensor], length: float = 1.0) -> None:
    """Have an untrained one begin as it was published; its linear map to tokens stays random.

    Args:
        resampler: made with the shape that ``read_resampler`` gave.
        weights: from there too.
        length: of the embeddings that the resampler was trained on: 1 for IP-Adapter, which normalises them.
    """
    resampler.published.load_state_dict(weights)
    with torch.no_grad():
        resampler.length.fill_(length)
