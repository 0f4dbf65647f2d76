"""Few steps: the aim is where the pipeline itself gets in two guided steps, and a LoRA comes nearer to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from cameo.backbones.nano import build
from cameo.conditioning import IdentityFeatures, add_lora
from cameo.generation import guidance
from cameo.pipeline import CameoLTX2Pipeline
from cameo.training.casting import cast
from cameo.training.distil import LORA, RANK, TARGETS, levels, two_guided_steps
from cameo.training.flow import FRAME_RATE, Batch, Noised, velocities, velocity_loss
from tests.cameo.tiny import TINY, adapter_of_tiny

CAPTION, STEPS, GUIDANCE = "a person says hello", 4, 2.5


@pytest.fixture
def pipeline() -> CameoLTX2Pipeline:
    pipeline = CameoLTX2Pipeline(**build(TINY, ("a", "person", "says", "hello"), seed=4).components)
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler(shift=2.0)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.attach_identity_adapter(adapter_of_tiny())
    for part in (pipeline.transformer, pipeline.text_encoder, pipeline.connectors, pipeline.identity_adapter):
        part.eval().requires_grad_(False)
    return pipeline


@pytest.fixture
def person() -> IdentityFeatures:
    def there(*shape: int) -> Tensor:
        return torch.ones(1, *shape, dtype=torch.bool)

    return IdentityFeatures(
        face=torch.randn(1, 3, 12),
        face_mask=there(3),
        body=torch.randn(1, 10),
        voice=torch.randn(1, 14),
        head_latents=torch.randn(1, 1, 32, 4, 4),
        head_mask=there(1),
        head_times=torch.full((1, 1), torch.nan),
        body_latents=torch.randn(1, 1, 32, 4, 4),
        body_mask=there(1),
        speech_latents=torch.randn(1, 5, 16),
        speech_mask=there(5),
    )


def scene_of(pipeline: CameoLTX2Pipeline, person: IdentityFeatures) -> list[tuple[Tensor, Tensor]]:
    """Picture and sound before each step of a guided scene, as the pipeline makes it."""
    seen = []

    def look(_module: object, _arguments: object, given: dict[str, Tensor]) -> None:
        seen.append((given["hidden_states"][:1], given["audio_hidden_states"][:1]))

    hook = pipeline.transformer.register_forward_pre_hook(look, with_kwargs=True)
    pipeline(
        prompt=CAPTION,
        identities=[person],
        height=64,
        width=64,
        num_frames=9,
        frame_rate=FRAME_RATE,
        num_inference_steps=STEPS,
        max_sequence_length=pipeline.tokenizer.model_max_length,
        generator=torch.Generator().manual_seed(1),
        output_type="latent",
        **guidance(pipeline, GUIDANCE),
    )
    hook.remove()
    return seen


def started(video: Tensor, audio: Tensor, person: IdentityFeatures, sigma: float) -> Noised:
    size = (2, 2)  # 64 px
    frames = video.shape[1] // 4
    unpacked = video.transpose(1, 2).reshape(1, -1, frames, *size)
    begins = torch.zeros(1, 2, dtype=torch.int64)
    batch = Batch(unpacked, audio, [CAPTION], person, begins, torch.ones(1, frames, *size))
    return Noised(batch, torch.full((1, 1, 1), sigma), video, audio, torch.zeros_like(video), torch.zeros_like(audio))


def test_the_levels_are_those_of_a_scene(pipeline):
    pipeline.scheduler.set_timesteps(sigmas=np.linspace(1, 1 / STEPS, STEPS))
    found = levels(pipeline, STEPS)
    assert len(found) == STEPS + 1 and found[0] == 1 and found[-1] == 0 and found == sorted(found, reverse=True)
    assert levels(pipeline, 2 * STEPS)[::2] == pytest.approx(found)


@pytest.mark.parametrize("begin", [0, 1])
def test_it_aims_at_where_the_pipeline_gets_in_two_steps(pipeline, person, begin):
    seen, grid = scene_of(pipeline, person), levels(pipeline, STEPS)
    for weight in add_lora(pipeline.transformer, RANK, LORA, TARGETS):
        torch.nn.init.normal_(weight, std=0.3)  # the teacher must not be heard to have it
    noisy = started(*seen[begin], person, grid[begin])
    video, audio = two_guided_steps(pipeline, pipeline.identity_adapter, noisy, grid[begin : begin + 3], GUIDANCE)
    step = grid[begin + 2] - grid[begin]
    for start, velocity, end in zip(seen[begin], (video, audio), seen[begin + 2], strict=True):
        assert torch.allclose(start + step * velocity, end, atol=1e-4)
        assert not torch.allclose(start, end, atol=1e-2)


def test_nobody_told_is_nobody_seen(pipeline, person):
    grid = levels(pipeline, STEPS)
    noisy = started(*scene_of(pipeline, person)[0], person, 1.0)
    add_lora(pipeline.transformer, RANK, LORA, TARGETS)
    other = replace(noisy, batch=replace(noisy.batch, people=replace(person, face=person.face + 1)))
    adapter = pipeline.identity_adapter
    aims = [two_guided_steps(pipeline, adapter, each, grid[:3], GUIDANCE, told=False) for each in (noisy, other)]
    told = two_guided_steps(pipeline, adapter, noisy, grid[:3], GUIDANCE)
    assert torch.equal(aims[0][0], aims[1][0]) and not torch.equal(told[0], aims[0][0])


def test_a_lora_comes_nearer_to_it(pipeline, person):
    grid = levels(pipeline, STEPS)
    noisy = started(*scene_of(pipeline, person)[0], person, 1.0)
    student = add_lora(pipeline.transformer, RANK, LORA, TARGETS)
    aim = two_guided_steps(pipeline, pipeline.identity_adapter, noisy, grid[:3], GUIDANCE)
    aimed = replace(noisy, video_velocity=aim[0], audio_velocity=aim[1])
    optimiser, errors = torch.optim.AdamW(student, lr=1e-2), []
    for _ in range(30):
        with cast(pipeline.transformer, pipeline.identity_adapter, noisy.batch):
            error = sum(velocity_loss(aimed, *velocities(pipeline, noisy)))
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.5 * errors[0]
    again = two_guided_steps(pipeline, pipeline.identity_adapter, noisy, grid[:3], GUIDANCE)
    assert torch.equal(again[0], aim[0])  # the teacher is what it was
