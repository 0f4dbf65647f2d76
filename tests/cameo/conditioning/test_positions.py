"""Queries and crops that belong to the same place in the picture find each other."""

from __future__ import annotations

import pytest
import torch

from cameo.conditioning import AdapterMismatch, attach, conditioned, detach
from cameo.conditioning.attention import Positions


def see(positions: Positions, transformer, pixels: torch.Tensor) -> None:
    """Have a pass whose queries are at ``pixels`` (Q, 2), height and width, each at a time of its own."""
    times = torch.arange(len(pixels)).float()[:, None]
    coords = torch.cat([times, pixels], 1).T[None, :, :, None].expand(-1, -1, -1, 2)
    transformer.rope(coords)


@torch.no_grad()
def test_what_matters_is_how_far_a_query_is_from_a_place_and_not_when(transformer):
    rope, positions = transformer.rope, Positions(transformer)
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 2, 16, generator=generator).expand(-1, -1, 6, -1, -1)
    pixels = torch.rand(6, 2, generator=generator) * 300

    def scores(shift: float) -> torch.Tensor:
        see(positions, transformer, pixels + shift)
        places = (pixels + shift).flip(-1) / torch.tensor([rope.base_width, rope.base_height])
        return torch.einsum("bqhd,bkhd->hqk", positions.rotate_queries(q), positions.rotate_keys(k, places[None]))

    assert torch.allclose(scores(0), scores(64), atol=0.01)
    # In its own place every query sees the key as if neither were turned.
    plain = torch.einsum("bqhd,bqhd->hq", q, k)
    assert torch.allclose(scores(32).diagonal(dim1=1, dim2=2), plain, atol=0.01)
    elsewhere = scores(0) - plain[:, :, None]
    assert elsewhere.abs().flatten(1).amax(1).min() > 0.1


@torch.no_grad()
def test_keys_that_belong_nowhere_are_not_turned(transformer):
    positions = Positions(transformer)
    k, places = torch.randn(1, 3, 2, 16), torch.tensor([[[0.2, 0.3], [torch.nan] * 2, [0.7, 0.1]]])
    turned = positions.rotate_keys(k, places)
    assert torch.equal(turned[:, 1], k[:, 1])
    assert not torch.equal(turned[:, 0], k[:, 0])


@torch.no_grad()
def test_a_crop_reaches_another_part_of_the_picture_than_the_same_crop_elsewhere(
    transformer, adapter_with, features, run
):
    adapter = adapter_with(head_placing=(1.0, 0.0, 0.0))
    for layer in adapter.video_layers:
        torch.nn.init.normal_(layer.to_v_id.weight)
    attach(transformer, adapter)
    tokens = adapter(features())
    placed = ~tokens.video_places.isnan().any(-1)
    assert int(placed.sum()) == 2 * 2 * 2, "two crops of four cells, and nothing else"
    with conditioned(transformer, tokens):
        here = run()
    moved = type(tokens)(
        tokens.video, tokens.audio, tokens.video_mask, tokens.audio_mask, (tokens.video_places + 0.01).clone()
    )
    with conditioned(transformer, moved):
        there = run()
    assert not torch.allclose(here[0], there[0], atol=1e-4)


@torch.no_grad()
def test_a_guided_pass_draws_the_person_as_an_unguided_one_does(transformer, trained, features, run):
    attach(transformer, trained)
    with conditioned(transformer, trained(features())):
        alone = run(1)
        guided = run(2, same=True)
    assert torch.allclose(alone[0][0], guided[0][1], atol=1e-5)


def test_a_block_by_itself_has_no_positions(transformer):
    with pytest.raises(AdapterMismatch, match="whole transformer"):
        Positions(transformer).rotate_queries(torch.zeros(1, 1, 2, 16))


def test_detaching_stops_watching(transformer, adapter_with):
    attach(transformer, adapter_with(head_placing=(0.8, 0.1, 0.1)))
    assert transformer.rope._forward_pre_hooks
    detach(transformer)
    assert not transformer.rope._forward_pre_hooks
