"""What the generator draws at this moment, for the eye."""

from __future__ import annotations

from contextlib import AbstractContextManager

import cv2
import numpy as np
import torch
from diffusers import LTX2Pipeline
from safetensors.torch import load_file

from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.attach import conditioned
from cameo.conditioning.types import IdentityFeatures
from cameo.generation import guidance
from cameo.training.flow import FRAME_RATE, features_of
from cameo.training.run import Stage

_PEOPLE = 4
_PROMPTS = (
    'close-up of a person by the sea says "hello"',
    'close-up of a person in a room wearing red says "one two"',
    'close-up of a person in the forest in blue smiling says "yes"',
)


@torch.no_grad()
def preview(
    stage: Stage, pipeline: LTX2Pipeline, adapter: IdentityAdapter, averaged: AbstractContextManager[None]
) -> None:
    """``preview.png``: three prompts below each other, four people beside each other, three frames of each. They are
    those of the highest seeds: strangers, where some who are held out were encoded too."""
    last = sorted(stage.folder("latents").glob("[0-9]*.safetensors"))[-_PEOPLE:]
    people = IdentityFeatures.stack([features_of(load_file(path)) for path in reversed(last)]).to(stage.device)
    pipeline.set_progress_bar_config(disable=True)
    rows = []
    pipeline.transformer.eval()
    # Shapes of its own, seldom seen: not worth compiling for.
    with averaged, torch.compiler.set_stance("force_eager"):
        for prompt in _PROMPTS:
            row = []
            for number in range(_PEOPLE):
                tokens = adapter(people[number % len(people)])
                with conditioned(pipeline.transformer, tokens):
                    scene = pipeline(
                        prompt=prompt,
                        height=128,
                        width=128,
                        num_frames=25,
                        frame_rate=FRAME_RATE,
                        num_inference_steps=10,
                        max_sequence_length=pipeline.tokenizer.model_max_length,
                        generator=torch.Generator("cpu").manual_seed(number),
                        output_type="np",
                        **guidance(pipeline, 2.0),
                    )
                row.append(np.hstack(scene.frames[0][[0, 12, 24]]))
            rows.append(np.hstack(row))
    pipeline.transformer.train()
    picture = (np.vstack(rows) * 255).astype(np.uint8)
    cv2.imwrite(str(stage.folder() / "preview.png"), picture[..., ::-1])
    stage.say("preview.png")
