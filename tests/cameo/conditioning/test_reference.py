"""A voice by example, ahead of the scene."""

from __future__ import annotations

import pytest
import torch

from cameo.conditioning import AdapterMismatch, attach, conditioned
from cameo.conditioning.attach import nobody
from cameo.conditioning.guidance import identity_guided
from cameo.conditioning.reference import led_in, without_lead_in
from tests.cameo.tiny import same

LENGTH = 5


@pytest.fixture
def speech() -> torch.Tensor:
    return torch.randn(1, LENGTH, 8, generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def test_it_moves_the_sound_keeps_the_shapes_and_leaves_nothing(transformer, run, speech):
    base = run(2)
    with led_in(transformer, speech):
        led = run(2)
        with without_lead_in(transformer):
            assert same(run(2), base)
        assert same(run(2), led)
    assert [x.shape for x in led] == [x.shape for x in base]
    assert not torch.allclose(led[1], base[1], atol=1e-3)
    assert same(run(2), base)


@torch.no_grad()
def test_it_stands_at_negative_time_without_noise(transformer, run, speech):
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        transformer.audio_rope.register_forward_pre_hook(lambda m, given: seen.update(times=given[0])),
        transformer.audio_time_embed.register_forward_pre_hook(lambda m, given: seen.update(noise=given[0])),
    ]
    run(2)
    plain = dict(seen)
    with led_in(transformer, speech, gap=0.1):
        run(2)
    for hook in hooks:
        hook.remove()
    times, noise = seen["times"], seen["noise"].view(2, -1)
    assert torch.equal(times[:, :, LENGTH:], plain["times"].expand(2, -1, -1, -1)), "the scene's own times stay"
    assert torch.allclose(times[0, 0, LENGTH - 1], torch.tensor([-0.14, -0.1]))
    assert (times[:, :, :LENGTH] < 0).all() and (times[0, 0, 1:LENGTH, 0].diff() > 0).all()
    assert (noise[:, :LENGTH] == 0).all() and (noise[:, LENGTH:] == 500).all()


def test_the_picture_does_not_see_it(transformer, run, speech):
    """But through the scene's own sound, which hears it by self-attention: with that closed, not at all."""
    del transformer.transformer_blocks[1:]
    speech.requires_grad_()

    def influence() -> tuple[float, float]:
        with led_in(transformer, speech):
            outs = run(1)
        gradients = [
            torch.autograd.grad(out.square().sum(), speech, retain_graph=True, materialize_grads=True)[0]
            for out in outs
        ]
        return float(gradients[0].abs().max()), float(gradients[1].abs().max())

    video, audio = influence()
    assert video > 0 and audio > 0
    hook = transformer.transformer_blocks[0].audio_attn1.register_forward_hook(lambda module, given, out: out * 0)
    video, _ = influence()
    hook.remove()
    assert video == 0


@torch.no_grad()
def test_by_a_second_computation(transformer, run, speech):
    """The sequence put together by hand, the picture's view of the reference closed by hand."""
    made: dict[str, object] = {}
    catch = transformer.register_forward_pre_hook(
        lambda module, arguments, named: made.update(named), with_kwargs=True, prepend=True
    )
    with led_in(transformer, speech):
        led = run(2)
    catch.remove()
    rope = transformer.audio_rope
    scene = rope.prepare_audio_coords(2, 9, "cpu")
    reference = rope.prepare_audio_coords(2, LENGTH, "cpu")
    reference = reference - reference[:, :, -1:, 1:] - 0.04
    hooks = [
        block.audio_to_video_attn.register_forward_pre_hook(
            lambda module, arguments, named: (
                arguments,
                named | {"attention_mask": torch.tensor([[[-1e9] * LENGTH + [0.0] * 9]]).expand(2, 12, -1)},
            ),
            with_kwargs=True,
        )
        for block in transformer.transformer_blocks
    ]
    by_hand = transformer(
        **made
        | {
            "audio_hidden_states": torch.cat([speech.expand(2, -1, -1), made["audio_hidden_states"]], 1),
            "audio_timestep": torch.tensor([[0.0] * LENGTH + [500.0] * 9]).expand(2, -1),
            "audio_coords": torch.cat([reference, scene], 2),
            "audio_num_frames": 9 + LENGTH,
        }
    )
    for hook in hooks:
        hook.remove()
    assert torch.allclose(led[0], by_hand[0], atol=1e-5)
    assert torch.allclose(led[1], by_hand[1][:, LENGTH:], atol=1e-5)


@torch.no_grad()
def test_guidance_for_identity_contrasts_with_no_reference(transformer, trained, features, run, speech):
    attach(transformer, trained)
    with conditioned(transformer, trained(features())):
        with nobody(transformer):
            bare = run(2)
        with led_in(transformer, speech):
            full = run(2)
            with identity_guided(transformer, 1, 3.0):
                guided = run(2)
    for one, other, got in zip(full, bare, guided, strict=True):
        assert torch.allclose(got[:1], one[:1], atol=1e-6)
        assert torch.allclose(got[1:], other[1:] + 3 * (one[1:] - other[1:]), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 0, 8), (1, 5, 7), (2, 5, 8), (5, 8)])
def test_what_is_no_reference_is_refused(transformer, shape):
    with pytest.raises(AdapterMismatch, match="reference speech"), led_in(transformer, torch.zeros(shape)):
        pass
