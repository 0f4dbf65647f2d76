"""One pass: what the losses are of, on every generation of LTX-2."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.cameo.tiny import TINY
from tests.cameo.training.adapter.noise import SETTINGS, examples, learner, tiny


@pytest.mark.parametrize("generation", ["2.0", "2.3", "2.5"])
def test_before_learning_they_are_the_generators_own(generation):
    """The stock transformer, asked as the pipeline asks it, by a formula written out here."""
    batch = examples().batch(0, range(3))
    if generation == "2.0":  # projects captions itself
        batch = replace(batch, picture_prompt=batch.picture_prompt[..., : TINY.text_width])
    with torch.no_grad():
        picture, sound = learner(0, generation)(batch)
    pipeline = tiny(generation)
    # The scheduler shifts logistic-normal shares of noise by the number of tokens; a tiny scene has eight.
    low, high = pipeline.scheduler.config.base_shift, pipeline.scheduler.config.max_shift
    mu = low + (high - low) * (8 - 1024) / (4096 - 1024)
    sigma = pipeline.scheduler.time_shift(mu, 1.0, torch.sigmoid(batch.level))
    share = sigma[:, None, None]
    video, noise = (x.flatten(2).transpose(1, 2) for x in (batch.video, batch.video_noise))
    with torch.no_grad():
        drawn, voiced = pipeline.transformer(
            hidden_states=(1 - share) * video + share * noise,
            audio_hidden_states=(1 - share) * batch.audio + share * batch.audio_noise,
            encoder_hidden_states=batch.picture_prompt,
            audio_encoder_hidden_states=batch.sound_prompt,
            timestep=1000 * sigma,
            sigma=1000 * sigma,
            encoder_attention_mask=batch.prompt_mask,
            audio_encoder_attention_mask=batch.prompt_mask,
            num_frames=2,
            height=2,
            width=2,
            fps=SETTINGS.fps,
            audio_num_frames=19,
            use_cross_timestep=True,
            return_dict=False,
        )
    off = ((drawn - (noise - video)) ** 2).mean((1, 2))
    astray = ((voiced - (batch.audio_noise - batch.audio)) ** 2).mean((1, 2)) * batch.heard
    assert torch.allclose(picture, off, atol=1e-4) and torch.allclose(sound, astray, atol=1e-4)


def test_who_is_shown_is_told_of_by_another_clip_and_sometimes_nobody_is():
    drawn = examples(people=2)
    told = [drawn.batch(step, [0]).people for step in range(200)]
    faces = torch.stack([one.face[0, 0] for one in told])
    assert 0.2 < (faces == 0).all(1).float().mean() < 0.45  # a fifth nobody at all, and a tenth of the rest no face
    for step in range(20):
        one = drawn.batch(step, [0])
        assert torch.equal(one.video, drawn.batch(step, [0]).video)
    clips = [clip for person in drawn._people for clip in person]
    scenes = [{entry["video/0"].sum().item(), entry["video/1"].sum().item()} for entry in (c.entry() for c in clips)]
    known = [clip.entry()["features/face"] for clip in clips]
    for step in range(40):
        one = drawn.batch(step, [1])
        shown = next(n for n, sums in enumerate(scenes) if one.video[0].sum().item() in sums)
        if bool(one.people.face_mask.any()):
            about = next(n for n, face in enumerate(known) if torch.equal(one.people.face, face))
            assert about != shown and clips[about].person == clips[shown].person


def test_running_blocks_again_on_the_way_back_changes_no_gradient():
    batch, gradients = examples().batch(0, range(2)), []
    for again in (False, True):
        learning = learner(2)
        for name, weight in learning.named_parameters():
            if "to_v_id" in name:
                torch.manual_seed(1)
                torch.nn.init.normal_(weight)
        learning.transformer.gradient_checkpointing = again
        with learning.telling():
            sum(loss.sum() for loss in learning(batch)).backward()
        gradients.append({name: weight.grad for name, weight in learning.named_parameters() if weight.requires_grad})
    for name, gradient in gradients[0].items():
        assert gradient is not None and torch.allclose(gradient, gradients[1][name], atol=1e-6), name
