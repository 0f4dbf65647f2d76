"""Each person's face in their region, each voice in its time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cameo.conditioning import AdapterMismatch, CastRefused, IdentityTokens, attach, conditioned, detach
from cameo.conditioning.routing import Box, Presence, Routing, check_cast

# The pass of ``run`` is over a picture of 64 × 64 px in 3 × 2 × 2 latents, and 9 audio latents.
HEIGHT = WIDTH = 64
LEFT, RIGHT = [0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]
NOWHERE = Presence(path=((0.0, Box(0.0, 0.0, 0.01, 0.01)),), speaks=())


def routing(people: list[IdentityTokens], *presences: Presence) -> Routing:
    lengths = [[getattr(one, stream).shape[1] for one in people] for stream in ("video", "audio")]
    return Routing(presences, *lengths, HEIGHT, WIDTH)


def near(a, b) -> bool:
    return all(torch.allclose(x, y, atol=1e-5) for x, y in zip(a, b, strict=True))


@torch.no_grad()
def test_who_is_hidden_is_not_there(transformer, trained, features, run):
    attach(transformer, trained)
    a, b = trained(features(seed=3)), trained(features(seed=4))
    both = IdentityTokens.beside([a, b])
    with conditioned(transformer, a):
        alone = run(1)
    with conditioned(transformer, both, routing=routing([a, b], Presence(), NOWHERE)):
        assert near(run(1), alone)
    with conditioned(transformer, both, routing=routing([a, b], NOWHERE, NOWHERE)):
        hidden = run(1)
        assert all(out.isfinite().all() for out in run(2)), "guided"
    detach(transformer)
    assert all(torch.equal(x, y) for x, y in zip(hidden, run(1), strict=True)), "everybody hidden: the base model"


@pytest.mark.parametrize("soft", [0.0, 0.1])
def test_outside_their_region_and_time_nobody_has_influence(transformer, trained, features, run, soft):
    """One block only: in the next, self-attention carries everything everywhere."""
    del transformer.transformer_blocks[1:]
    del trained.video_layers[1:], trained.audio_layers[1:]
    trained.register_to_config(num_layers=1)
    attach(transformer, trained)
    people = [trained(features(seed=seed)) for seed in (3, 4)]
    both = IdentityTokens.beside(people)
    both = IdentityTokens(
        both.video.detach().requires_grad_(), both.audio, both.video_mask, both.audio_mask, both.video_places
    )
    sides = [Presence.at(0, 0, 0.4, 1, soft), Presence.at(0.6, 0, 1, 1, soft)]
    seen = {}
    attention = transformer.transformer_blocks[0].attn2
    hook = attention.register_forward_hook(lambda module, given, out: seen.update(out=out))
    with conditioned(transformer, both, routing=routing(people, *sides)):
        run(1)
    hook.remove()
    length = people[0].video.shape[1]
    for queries, own, other in (
        (LEFT, slice(0, length), slice(length, None)),
        (RIGHT, slice(length, None), slice(length)),
    ):
        (gradient,) = torch.autograd.grad(seen["out"][:, queries].square().sum(), both.video, retain_graph=True)
        assert float(gradient[:, own].abs().sum()) > 0
        assert float(gradient[:, other].abs().max()) == 0


@torch.no_grad()
def test_a_voice_is_heard_in_its_time(transformer, trained, features, run):
    attach(transformer, trained)
    tokens = trained(features())
    speaking = routing([tokens], Presence(speaks=((0.1, 0.2),)))
    seen: dict[str, torch.Tensor] = {}
    attention = transformer.transformer_blocks[0].audio_attn2
    hook = attention.register_forward_hook(lambda module, given, out: seen.update(out=out))
    base = run(1) and seen["out"]
    with conditioned(transformer, tokens, routing=speaking):
        run(1)
    hook.remove()
    changed = (seen["out"] != base).any(-1)[0]
    # An audio latent is 40 ms, the first one shorter: its middle is at 5 ms, the next ones' at 30, 70, …
    middles = torch.tensor([0.005, *(0.03 + 0.04 * n for n in range(8))])
    assert changed.tolist() == ((middles >= 0.1) & (middles <= 0.2)).tolist()


@torch.no_grad()
def test_soft_edges_fade(transformer, trained, features, run):
    attach(transformer, trained)
    tokens = trained(features())
    seen: list[torch.Tensor] = []
    hook = (
        transformer.transformer_blocks[0]
        .attn2.to_out[0]
        .register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    )
    run(1)
    with conditioned(transformer, tokens):
        run(1)
    # Middles are at a quarter and three quarters of the width; the box ends 0.1 before the second.
    with conditioned(transformer, tokens, routing=routing([tokens], Presence.at(0, 0, 0.65, 1, softness=0.4))):
        run(1)
    hook.remove()
    base, full, soft = seen
    if transformer.transformer_blocks[0].attn2.to_gate_logits is None:
        assert torch.allclose(soft[:, LEFT], full[:, LEFT], atol=1e-6)
        assert torch.allclose(soft[:, RIGHT], base[:, RIGHT].lerp(full[:, RIGHT], 0.75), atol=1e-5)


def test_boxes_move_between_keyframes():
    presence = Presence(path=((0.0, Box(0, 0, 0.2, 1)), (2.0, Box(0.8, 0, 1, 1))))
    at = torch.tensor([-1.0, 0.0, 1.0, 2.0, 9.0])
    inside = {x: presence.drawn(at, torch.full_like(at, x), torch.full_like(at, 0.5)).tolist() for x in (0.1, 0.5, 0.9)}
    assert inside == {0.1: [1, 1, 0, 0, 0], 0.5: [0, 0, 1, 0, 0], 0.9: [0, 0, 0, 1, 1]}


@given(
    times=st.lists(st.floats(0, 10), min_size=2, max_size=5, unique=True),
    seed=st.integers(0, 2**16),
    softness=st.sampled_from([0.0, 0.05, 0.5]),
)
def test_a_moving_box_by_numpy(times: list[float], seed: int, softness: float):
    times = sorted(times)
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(0, 1, (len(times), 2, 2)), 1)  # (K, begin and end, x and y)
    path = tuple(
        (at, Box(*map(float, (c[0, 0], c[0, 1], c[1, 0], c[1, 1])))) for at, c in zip(times, corners, strict=True)
    )
    seconds, x, y = rng.uniform(-1, 11, 20), rng.uniform(0, 1, 20), rng.uniform(0, 1, 20)
    left, top, right, bottom = (np.interp(seconds, times, corners[:, e, axis]) for e in (0, 1) for axis in (0, 1))
    away = np.maximum.reduce([left - x, x - right, top - y, y - bottom, np.zeros(20)])
    expected = (away == 0).astype(float) if softness == 0 else np.clip(1 - away / softness, 0, 1)
    found = Presence(path=path, softness=softness).drawn(*map(torch.from_numpy, (seconds, x, y)))
    assert np.allclose(found.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    "corners", [(-0.1, 0, 1, 1), (0, 0, 1.1, 1), (0.5, 0, 0.5, 1), (0, 0.9, 1, 0.1), (float("nan"), 0, 1, 1)]
)
def test_a_region_outside_the_picture_is_refused(corners):
    with pytest.raises(CastRefused, match="no part of the picture"):
        Box(*corners)


@pytest.mark.parametrize(
    "fields",
    [
        {"path": ((1.0, Box(0, 0, 1, 1)), (0.5, Box(0, 0, 1, 1)))},
        {"path": ((1.0, Box(0, 0, 1, 1)), (1.0, Box(0, 0, 1, 1)))},
        {"speaks": ((1.0, 1.0),)},
        {"speaks": ((float("nan"), 1.0),)},
        {"path": ((float("nan"), Box(0, 0, 1, 1)),)},
        {"softness": float("nan")},
        {"softness": -0.1},
        {"fade": -1.0},
    ],
)
def test_a_presence_that_makes_no_sense_is_refused(fields):
    with pytest.raises(CastRefused):
        Presence(**fields)


def test_five_people_are_refused():
    check_cast([Presence()] * 4)
    with pytest.raises(CastRefused, match="5 people"):
        check_cast([Presence()] * 5)


def test_two_in_one_region_are_refused():
    check_cast([Presence.at(0, 0, 0.5, 1), Presence.at(0.4, 0, 1, 1)])
    with pytest.raises(CastRefused, match=r"person 1 and person 3 are in one region at 0 s"):
        check_cast([Presence.at(0, 0, 0.5, 1), Presence(), Presence.at(0.02, 0, 0.5, 1)])
    crossing = Presence(path=((0.0, Box(0.5, 0, 1, 1)), (1.0, Box(0, 0, 0.5, 1))))
    with pytest.raises(CastRefused, match="at 1 s"):
        check_cast([Presence.at(0, 0, 0.5, 1), crossing])


def test_a_routing_for_other_tokens_is_refused(transformer, trained, features):
    attach(transformer, trained)
    tokens = trained(features())
    with (
        pytest.raises(AdapterMismatch, match="the routing is for"),
        conditioned(transformer, tokens, routing=routing([tokens, tokens], Presence(), Presence())),
    ):
        pass
