"""An adapter that would do nothing, or only half of what it should, is found out."""

from __future__ import annotations

import pytest
import torch

from cameo.backbones.checkpoint import NANO
from cameo.conditioning import AdapterMismatch, AdapterUnreadable, load_adapter
from cameo.conditioning.proof import prove


def test_a_trained_one_passes_and_is_left_as_it_was(trained):
    before = {name: (w.clone(), w.requires_grad, w.grad) for name, w in trained.named_parameters()}
    prove(trained)
    for name, weight in trained.named_parameters():
        value, learns, gradient = before[name]
        assert torch.equal(weight, value) and weight.requires_grad == learns and weight.grad is gradient


def test_an_untrained_one_is_named(untrained):
    with pytest.raises(AdapterMismatch, match="move nothing") as refused:
        prove(untrained)
    assert "never trained" in refused.value.hint


@pytest.mark.parametrize(
    ("part", "first"),
    [
        ("face", r"face\."),
        ("crop", r"crop\."),
        # With nothing to say it matters to nobody which token it would say it of.
        ("video_layers.1.to_v_id", r"video_layers\.1\."),
        ("audio_layers.0.to_k_id", r"audio_layers\.0\.to_k_id"),
    ],
)
def test_a_part_that_cannot_be_heard_is_named(trained, part, first):
    """Cut off behind the part: whatever stands before it has no say."""
    trained.get_submodule(part).register_forward_hook(
        lambda module, given, out: (out[0] * 0, out[1]) if isinstance(out, tuple) else out * 0
    )
    with pytest.raises(AdapterMismatch, match=rf"move nothing, the first is '{first}"):
        prove(trained)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_numbers_that_are_none_are_refused(trained, bad):
    with torch.no_grad():
        trained.crop.weight[0, 0] = bad
    with pytest.raises(AdapterUnreadable, match=r"'crop\.weight'"):
        prove(trained)


def test_nanos_own_adapter_passes():
    prove(load_adapter(NANO / "adapter").float())
