"""Guidance for identity apart from guidance for text."""

from __future__ import annotations

import pytest
import torch

from cameo.conditioning import attach, conditioned
from cameo.conditioning.attach import nobody
from cameo.conditioning.guidance import identity_guided


@torch.no_grad()
@pytest.mark.parametrize("scales", [(2.0, 2.0), (0.5, 3.0), (1.0, 2.0)])
def test_the_conditional_rows_are_moved_away_from_nobody(transformer, trained, features, run, scales):
    attach(transformer, trained)
    with conditioned(transformer, trained(features())):
        plain = run(2)
        with nobody(transformer):
            without = run(2)
        with identity_guided(transformer, 1, *scales):
            guided = run(2)
        after = run(2)
    for full, bare, got, then, scale in zip(plain, without, guided, after, scales, strict=True):
        assert torch.allclose(got[:1], full[:1], atol=1e-6), "the unconditional half stays"
        assert torch.allclose(got[1:], bare[1:] + scale * (full[1:] - bare[1:]), atol=1e-4)
        assert torch.equal(full, then)
        assert not torch.allclose(full[1:], bare[1:], atol=1e-3)


@torch.no_grad()
def test_without_such_guidance_nothing_is_computed_twice(transformer, trained, features, run):
    attach(transformer, trained)
    passes = []
    hook = transformer.proj_in.register_forward_hook(lambda *_: passes.append(1))
    with conditioned(transformer, trained(features())):
        plain = run(1)
        with identity_guided(transformer, 1):
            assert all(torch.equal(a, b) for a, b in zip(run(1), plain, strict=True))
        assert len(passes) == 2
        with identity_guided(transformer, 1, 1.5):
            run(1)
        assert len(passes) == 4
    hook.remove()


@torch.no_grad()
def test_an_error_leaves_no_hook(transformer, trained, features, run):
    attach(transformer, trained)
    with conditioned(transformer, trained(features())):
        before = run(1)
        with pytest.raises(RuntimeError), identity_guided(transformer, 1, 2.0):
            raise RuntimeError
        assert all(torch.equal(a, b) for a, b in zip(run(1), before, strict=True))
