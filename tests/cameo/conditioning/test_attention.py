"""The identity term, by equality on tiny models of both generations of LTX-2."""

from __future__ import annotations

import pytest
import torch

from cameo.conditioning import AdapterMismatch, attach, attached, conditioned, detach
from tests.cameo.tiny import same


def near(a, b) -> bool:
    return all(torch.allclose(x, y, atol=1e-5) for x, y in zip(a, b, strict=True))


def test_conditioning_without_an_adapter_is_refused(transformer, trained, features):
    with pytest.raises(AdapterMismatch, match="attached"), conditioned(transformer, trained(features())):
        pass


@pytest.mark.parametrize("changes", [{"num_layers": 3}, {"video_dim": 48}, {"audio_dim": 32}])
def test_an_adapter_for_another_shape_is_refused_and_leaves_no_trace(transformer, adapter_with, changes):
    before = transformer.attn_processors
    with pytest.raises(AdapterMismatch, match="blocks"):
        attach(transformer, adapter_with(**changes))
    assert transformer.attn_processors == before
    assert attached(transformer) is None


def test_tokens_for_another_number_of_scenes_are_refused(transformer, trained, features, run):
    attach(transformer, trained)
    with (
        torch.no_grad(),
        pytest.raises(AdapterMismatch, match="2 scenes"),
        conditioned(transformer, trained(features(2))),
    ):
        run(3)


@torch.no_grad()
def test_the_base_model_to_the_bit(transformer, untrained, features, run):
    base = run(2)
    originals = transformer.attn_processors
    attach(transformer, untrained)
    assert same(run(2), base), "attached, nobody given"
    with conditioned(transformer, untrained(features(2))):
        assert same(run(2), base), "to_v_id at zero"
    with conditioned(transformer, untrained(features(1))):
        assert same(run(2), base), "to_v_id at zero, guided"
    detach(transformer)
    assert transformer.attn_processors == originals
    assert same(run(2), base), "detached"


@torch.no_grad()
def test_scale_zero_is_the_base_model_to_the_bit(transformer, trained, features, run):
    base = run()
    attach(transformer, trained)
    with conditioned(transformer, trained(features()), scale=0.0):
        assert same(run(), base)


@torch.no_grad()
def test_picture_and_sound_have_scales_of_their_own(transformer, trained, features, run):
    attach(transformer, trained)
    tokens = trained(features())
    outs = {}
    for scales in ((1.0, None), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)):
        with conditioned(transformer, tokens, *scales):
            outs[scales] = run()
    assert same(outs[1.0, None], outs[1.0, 1.0])
    different = [outs[key] for key in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5))]
    assert not any(same(a, b) for i, a in enumerate(different) for b in different[:i])


@torch.no_grad()
def test_trained_values_move_the_output_and_clear_afterwards(transformer, trained, features, run):
    base = run()
    attach(transformer, trained)
    tokens = trained(features())
    with conditioned(transformer, tokens):
        moved = run()
    assert not torch.allclose(moved[0], base[0])
    assert not torch.allclose(moved[1], base[1])
    assert same(run(), base)
    with pytest.raises(RuntimeError, match="on purpose"), conditioned(transformer, tokens):
        raise RuntimeError("on purpose")
    assert same(run(), base), "cleared after an exception"


@pytest.mark.parametrize("placings", [None], indirect=True)
@torch.no_grad()
def test_the_term_by_a_second_computation(transformer, trained, features):
    """attn2 alone against a plain re-computation: attention, plus identity, then gate, then to_out, once."""
    attach(transformer, trained)
    attn = transformer.transformer_blocks[0].attn2
    hidden, text = torch.randn(1, 7, 32), torch.randn(1, 4, 32)
    tokens = trained(features())
    with conditioned(transformer, tokens, scale=0.7):
        got = attn(hidden, encoder_hidden_states=text)

    def heads(x):
        return x.unflatten(-1, (2, 16)).transpose(1, 2)

    def softmax_attention(q, k, v):
        return ((q @ k.transpose(-1, -2)) / 4.0).softmax(-1) @ v

    layer = trained.video_layers[0]
    q = heads(attn.norm_q(attn.to_q(hidden)))
    out = softmax_attention(q, heads(attn.norm_k(attn.to_k(text))), heads(attn.to_v(text)))
    k_id, v_id = heads(attn.norm_k(layer.to_k_id(tokens.video))), heads(layer.to_v_id(tokens.video))
    out = (out + 0.7 * softmax_attention(q, k_id, v_id)).transpose(1, 2)
    if attn.to_gate_logits is not None:
        out = out * (2 * attn.to_gate_logits(hidden).sigmoid())[..., None]
    assert torch.allclose(got, attn.to_out[0](out.flatten(2)), atol=1e-5)


@torch.no_grad()
def test_null_tokens_reach_the_unconditional_half_only(transformer, trained, features, run):
    attach(transformer, trained)
    tokens, null = trained(features()), trained.null_tokens(1)
    with conditioned(transformer, tokens):
        guided = run(2, same=True)
        conditional = run(1)
    with conditioned(transformer, null):
        unconditional = run(1)
    assert not near(conditional, unconditional)
    assert near([half[:1] for half in guided], unconditional)
    assert near([half[1:] for half in guided], conditional)


@torch.no_grad()
def test_cached_keys_are_the_recomputed_ones_to_the_bit(transformer, trained, features, run):
    # What is learned is attended to by another kernel, which rounds otherwise.
    attach(transformer, trained.requires_grad_(False))
    with conditioned(transformer, trained(features())):
        first = run(2)
        assert same(run(2), first), "cached"
        with torch.enable_grad():
            assert same(run(2), first), "recomputed"
        run(1)
        assert same(run(2), first), "after a conditional pass"


@torch.no_grad()
def test_another_person_is_never_served_from_the_cache(transformer, trained, features, run):
    attach(transformer, trained)
    outs = []
    for seed in (3, 4, 3):
        with conditioned(transformer, trained(features(seed=seed))):
            outs.append(run())
    assert same(outs[0], outs[2])
    assert not near(outs[0], outs[1])


def test_gradient_reaches_every_part_that_was_used(transformer, trained, features, run):
    transformer.requires_grad_(False)
    attach(transformer, trained)
    trained.requires_grad_(True)
    # Two rows: one with everything, one with nothing, for the tokens of absence.
    people = features(2).keep(*(torch.tensor([True, False]),) * 3)
    with conditioned(transformer, trained(people)):
        sum(out.square().mean() for out in run(2)).backward()
    idle = [name for name, p in trained.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Beyond the length of the speech there is nothing to learn from, but the tensor as a whole has a gradient.
    assert idle == []
    assert all(p.grad is None for name, p in transformer.named_parameters() if "processor" not in name)


def test_gradient_checkpointing_gives_the_same_gradient(transformer, trained, features, run):
    attach(transformer, trained)
    weight = trained.video_layers[0].to_v_id.weight
    gradients = []
    for checkpointing in (False, True):
        (transformer.enable_gradient_checkpointing if checkpointing else transformer.disable_gradient_checkpointing)()
        trained.zero_grad()
        with conditioned(transformer, trained(features(2))):
            sum(out.square().mean() for out in run(2)).backward()
        gradients.append(weight.grad.clone())
    assert gradients[0].abs().sum() > 0
    assert torch.allclose(*gradients, atol=1e-6)


@torch.no_grad()
def test_attaching_again_replaces_the_adapter(transformer, trained, untrained, features, run):
    base = run()
    attach(transformer, trained)
    attach(transformer, untrained)
    with conditioned(transformer, untrained(features())):
        assert same(run(), base)
    detach(transformer)
    assert same(run(), base)
