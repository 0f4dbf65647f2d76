"""What becomes of a scene that a machine cannot make."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cameo.errors import ModelTooLarge
from cameo.generation import film, open_backbone
from cameo.script import parse
from tests.cameo.conftest import someone


def test_running_out_of_memory_is_told_in_a_line_and_leaves_nobody(tiny_model: Path, studio) -> None:
    record = studio.attest(studio.new_consent(name="Ada", handle="ada"), by="the tests")
    backbone, person = open_backbone(str(tiny_model)), someone(record, 1)

    def run_out(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def make() -> None:
        film(
            backbone,
            parse("@ada by the sea"),
            [person],
            seed=0,
            seconds=None,
            identity_scale=1.0,
            on_step=lambda done, steps: None,
        )

    hook = backbone.pipeline.transformer.proj_out.register_forward_pre_hook(run_out)
    with pytest.raises(ModelTooLarge, match="amid the scene") as refused:
        make()
    assert "--seconds" in refused.value.hint and refused.value.exit_status == 5
    hook.remove()
    assert backbone.pipeline.transformer.transformer_blocks[0].attn2.get_processor().conditioning is None
    make()
