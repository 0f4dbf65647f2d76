"""Queries find what belongs to their place in the picture."""

from __future__ import annotations

import pytest
import torch

from cameo.conditioning import AdapterMismatch, attach, conditioned, detach
from cameo.conditioning.adapter import IdentityProjection
from cameo.conditioning.attention import Positions
from tests.cameo.tiny import same


def see(positions: Positions, transformer, pixels: torch.Tensor) -> None:
    """Have a pass whose queries are at ``pixels`` (Q, 2), height and width, each at a time of its own."""
    times = torch.arange(len(pixels)).float()[:, None]
    coords = torch.cat([times, pixels], 1).T[None, :, :, None].expand(-1, -1, -1, 2)
    transformer.rope(coords)


@torch.no_grad()
def test_distances_are_in_the_picture_and_in_time_where_a_token_has_one(transformer):
    positions, rope = Positions(transformer), transformer.rope
    see(positions, transformer, torch.tensor([[0.0, 0.0], [rope.base_height / 2, rope.base_width / 4]]))
    nan = torch.nan
    places = torch.tensor([[[0.25, 0.5, nan], [0.0, 0.0, nan], [nan, nan, nan], [0.0, 0.0, 1.0]]])
    found = positions.distances(places)
    assert torch.allclose(found[0, :, :2], torch.tensor([[0.3125, 0.0], [0.0, 0.3125]]))
    assert found[0, :, 2].isnan().all()
    assert torch.allclose(found[0, :, 3], torch.tensor([2.25, 0.3125])), "a second is as far as one and a half pictures"
    guided = positions.distances(places.expand(2, -1, -1))
    assert torch.equal(guided[0].nan_to_num(), guided[1].nan_to_num())


@torch.no_grad()
def test_near_is_preferred_far_is_not_and_nowhere_is_left_alone():
    projection = IdentityProjection(8, 16, near_heads=4)
    distances = torch.tensor([0.0, 0.02, 0.1, 0.5, 2.0, torch.nan]).square()
    added = projection.nearness(distances.view(1, 1, -1))[0, :, 0]
    assert added.shape == (4, 6)
    assert (added[:, 0] == 4).all() and (added[:, 5] == 0).all()
    assert (added[:, :4].diff(dim=1) <= 0).all(), "the farther, the less"
    assert (added[:, 2].diff() > 0).all(), "each head reaches farther than the one before"
    assert float(added.min()) == -8, "and nobody is disliked without bound"


def test_the_reach_is_learned(transformer, adapter_with, features, run):
    adapter = adapter_with(head_placings={"close-up": (1.0, 0.0, 0.0)}, video_heads=2)
    for layer in adapter.video_layers:
        torch.nn.init.normal_(layer.to_v_id.weight)
    attach(transformer, adapter)
    with conditioned(transformer, adapter(features())):
        run()[0].square().sum().backward()
    assert all(float(layer.near_log_reach.grad.abs().sum()) > 0 for layer in adapter.video_layers)


@torch.no_grad()
def test_a_crop_elsewhere_draws_another_picture(transformer, adapter_with, features, run):
    adapter = adapter_with(head_placings={"close-up": (1.0, 0.0, 0.0)}, video_heads=2)
    for layer in adapter.video_layers:
        torch.nn.init.normal_(layer.to_v_id.weight)
    attach(transformer, adapter)
    tokens = adapter(features())
    placed = ~tokens.video_places[..., :2].isnan().any(-1)
    assert int(placed.sum()) == 2 * 2 * 2, "two crops of four cells, and nothing else"
    with conditioned(transformer, tokens):
        here = run()
    moved = (tokens.video_places - 0.25).clone()
    with conditioned(
        transformer, type(tokens)(tokens.video, tokens.audio, tokens.video_mask, tokens.audio_mask, moved)
    ):
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
        Positions(transformer).distances(torch.zeros(1, 1, 3))


def test_another_number_of_heads_is_refused(transformer, adapter_with):
    with pytest.raises(AdapterMismatch, match="3 heads, this one has 2"):
        attach(transformer, adapter_with(head_placings={"close-up": (0.8, 0.1, 0.1)}, video_heads=3))


def test_detaching_stops_watching(transformer, adapter_with):
    attach(transformer, adapter_with(head_placings={"close-up": (0.8, 0.1, 0.1)}, video_heads=2))
    assert transformer.rope._forward_pre_hooks
    detach(transformer)
    assert not transformer.rope._forward_pre_hooks


def test_tokens_that_are_resampled_belong_nowhere(adapter_with):
    with pytest.raises(AdapterMismatch, match="not both"):
        adapter_with(head_placings={"close-up": (0.8, 0.1, 0.1)}, resample_to=4)


@torch.no_grad()
def test_what_is_kept_from_step_to_step_is_what_would_be_computed(transformer, trained, features, run):
    aside = [0.0]
    transformer.rope.register_forward_pre_hook(lambda rope, given: (given[0] + aside[0], *given[1:]))
    attach(transformer, trained)
    tokens = trained(features())
    fresh = {}
    for aside[0] in (0.0, 40.0):
        with conditioned(transformer, tokens):
            fresh[aside[0]] = run()
    with conditioned(transformer, tokens):
        # The same positions again, others, and the first ones once more.
        for aside[0] in (0.0, 0.0, 40.0, 40.0, 0.0):
            assert same(run(), fresh[aside[0]])
    assert not same(fresh[0.0], fresh[40.0])
