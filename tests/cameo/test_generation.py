"""What becomes of a scene that a machine cannot make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cameo.backbones import Backbone
from cameo.errors import ModelTooLarge
from cameo.generation import Film, film, open_backbone
from cameo.script import parse
from tests.cameo.conftest import someone


@pytest.fixture
def make(tiny_model: Path, studio) -> Callable[[Backbone], Film]:
    """Ada by the sea."""
    person = someone(studio.attest(studio.new_consent(name="Ada", handle="ada"), by="the tests"), 1)

    def make_with(backbone: Backbone) -> Film:
        return film(
            backbone,
            parse("@ada by the sea"),
            [person],
            seed=0,
            seconds=None,
            identity_scale=1.0,
            on_step=lambda done, steps: None,
        )

    return make_with


def test_running_out_of_memory_is_told_in_a_line_and_leaves_nobody(tiny_model: Path, make) -> None:
    backbone = open_backbone(str(tiny_model))

    def run_out(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    hook = backbone.pipeline.transformer.proj_out.register_forward_pre_hook(run_out)
    with pytest.raises(ModelTooLarge, match="amid the scene") as refused:
        make(backbone)
    assert "--seconds" in refused.value.hint and refused.value.exit_status == 5
    assert backbone.offload == "group"  # what could be spared was
    hook.remove()
    assert backbone.pipeline.transformer.transformer_blocks[0].attn2.get_processor().conditioning is None
    make(backbone)


@pytest.mark.parametrize("enough", ["model", "group"])
def test_a_scene_that_runs_out_is_made_with_less_at_a_time_and_is_the_same(tiny_model: Path, make, enough: str) -> None:
    expected, backbone = make(open_backbone(str(tiny_model))), open_backbone(str(tiny_model))
    tried = []

    def run_out(*_: object) -> None:
        tried.append(backbone.offload)
        if backbone.offload != enough:
            raise torch.OutOfMemoryError("CUDA out of memory")

    backbone.pipeline.transformer.proj_out.register_forward_pre_hook(run_out)
    made = make(backbone)
    assert list(dict.fromkeys(tried)) == ["none", "model", "group"][: 2 if enough == "model" else 3]
    assert np.array_equal(made.frames, expected.frames) and np.array_equal(made.sound, expected.sound)
