"""What the stages compute, on nano itself, untrained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cameo.backbones.mel import log_mel
from cameo.backbones.nano import NanoConfig, build
from cameo.conditioning.attach import attach, conditioned
from cameo.conditioning.types import IdentityFeatures
from cameo.synth.clips import make_clip
from cameo.training.audio_vae import spectral_error
from cameo.training.base import without
from cameo.training.casting import cast
from cameo.training.flow import Batch, Dataset, _face_weight, flow_loss, noised, velocities
from cameo.training.latents import new_adapter
from cameo.training.shards import HELD_OUT
from cameo.training.sounds import _made
from cameo.training.video_vae import fold_time, reconstruction_loss
from cameo.training.vocoder import heard_through, spectral_distance


def people(count: int) -> IdentityFeatures:
    g = torch.Generator().manual_seed(0)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=g)

    def all_there(*shape: int) -> torch.Tensor:
        return torch.ones(count, *shape, dtype=torch.bool)

    config = new_adapter(NanoConfig()).config
    return IdentityFeatures(
        face=some(4, config.face_dim),
        face_mask=all_there(4),
        body=some(config.body_dim),
        voice=some(config.voice_dim),
        head_latents=some(2, 128, 4, 4),
        head_mask=all_there(2),
        head_times=torch.full((count, 2), torch.nan),
        body_latents=some(1, 128, 4, 4),
        body_mask=all_there(1),
        speech_latents=some(20, config.audio_latent_dim),
        speech_mask=all_there(20),
    )


def batch(count: int = 2) -> Batch:
    return Batch(
        torch.randn(count, 128, 4, 4, 4),
        torch.randn(count, 50, 64),
        ['a person says "hello"'] * count,
        people(count),
        torch.zeros(count, 2, dtype=torch.int64),
        torch.ones(count, 4, 4, 4),
    )


def test_a_still_through_flat_convolutions_is_the_same_still():
    vae = build(NanoConfig(), ["a"]).vae.eval()
    still, clip = torch.randn(1, 3, 1, 64, 64), torch.randn(1, 3, 9, 64, 64)
    with torch.no_grad():
        before = [vae.decode(vae.encode(x).latent_dist.mode()).sample for x in (still, clip)]
        fold_time(vae)
        after = [vae.decode(vae.encode(x).latent_dist.mode()).sample for x in (still, clip)]
    assert torch.allclose(before[0], after[0], atol=1e-4)
    assert torch.equal(before[1], after[1])


def test_the_flow_loss_teaches_text_transformer_and_adapter():
    pipeline, adapter = build(NanoConfig(layers=2), ["a", "person", "says", "hello"]), new_adapter_of(2)
    attach(pipeline.transformer, adapter)
    # An adapter whose values are all zero gets no gradient to its tokens.
    torch.nn.init.normal_(adapter.video_layers[0].to_v_id.weight, std=0.02)
    torch.nn.init.normal_(adapter.audio_layers[0].to_v_id.weight, std=0.02)
    given = batch()
    with conditioned(pipeline.transformer, adapter(given.people)):
        video, audio = flow_loss(pipeline, given, np.random.default_rng(0))
    (video + audio).backward()
    for weight in (
        pipeline.text_encoder.get_input_embeddings().weight,
        pipeline.transformer.transformer_blocks[0].attn1.to_q.weight,
        pipeline.transformer.proj_out.weight,
        adapter.crop.weight,
        adapter.speech.weight,
        adapter.video_layers[0].to_v_id.weight,
    ):
        assert weight.grad is not None
        assert float(weight.grad.abs().sum()) > 0


def new_adapter_of(layers: int):
    full = new_adapter(NanoConfig())
    return type(full)(**{k: v for k, v in full.config.items() if not k.startswith("_")} | {"num_layers": layers})


@pytest.mark.usefixtures("undrawn")
def test_a_moment_is_a_frame_of_its_clip_at_its_own_time_with_the_whole_sound(tmp_path: Path):
    given, truth = people(1), make_clip(0, 0, seconds=2.0, size=16).truth
    video, audio = torch.randn(2, 128, 4, 4, 4), torch.randn(2, 50, 64)
    write_person(tmp_path, 0, video, audio, given, truth)
    data, rng = Dataset(tmp_path, HELD_OUT), np.random.default_rng(0)
    whole, moments = data.batch(3, rng), data.batch(48, rng, frames=1)
    assert whole.video.shape[1:] == video.shape[1:] and whole.audio.shape[1:] == audio.shape[1:]
    assert moments.video.shape == (48, 128, 1, 4, 4) and moments.audio.shape == (48, 50, 64)
    for picture, sound, (at, heard) in zip(moments.video, moments.audio, moments.begins.tolist(), strict=True):
        assert heard == 0
        assert any(
            torch.equal(picture, clip[:, at : at + 1]) and torch.equal(sound, around)
            for clip, around in zip(video, audio, strict=True)
        )
    assert set(moments.begins[:, 0].tolist()) == {0, 1, 2, 3}
    _follow(data, tmp_path / "000000.safetensors")

    pipeline = build(NanoConfig(layers=1), ["a"])
    seen = []
    pipeline.transformer.rope.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    for one in (whole, moments):
        flow_loss(pipeline, one, rng)
    for place, (at, _) in zip(seen[1], moments.begins.tolist(), strict=True):
        assert torch.equal(place, seen[0][0][:, 16 * at : 16 * at + 16])


def _follow(data: Dataset, path: Path) -> None:
    """People are told by a crop that lies where the head is at that time, or by one that lies still."""
    written = load_file(path)
    guides, times = written["guides"].float(), written["guide_times"].tolist()
    still = 0
    for seed in range(30):
        for frames in (None, 1):
            one = data.batch(4, np.random.default_rng(seed), frames=frames)
            told, at = one.people.head_latents, one.people.head_times
            clips = [n for row in one.video for n, clip in enumerate(written["video"]) if _part_of(row, clip)]
            if at.isnan().any():
                still += 1
                assert torch.equal(told, guides[clips, -1:])
            elif frames is None:
                assert torch.equal(told, guides[clips, :-1]) and at.tolist() == [pytest.approx(times)] * 4
            else:
                begins = one.begins[:, 0].tolist()
                assert torch.equal(told[:, 0], guides[clips, begins])
                assert at[:, 0].tolist() == pytest.approx([times[n] for n in begins])
    assert 0 < still < 20


def _part_of(row: torch.Tensor, clip: torch.Tensor) -> bool:
    length = row.shape[1]
    return any(torch.equal(row, clip[:, at : at + length]) for at in range(clip.shape[1] - length + 1))


def write_person(
    folder: Path, seed: int, video: torch.Tensor, audio: torch.Tensor, known: IdentityFeatures, truth: dict[str, object]
) -> None:
    """As ``latents`` writes one: the clip with the next person is the last of them."""
    two = make_clip(seed, 500, people=2, seconds=2.0, size=16).truth
    tensors = {"video": video, "audio": audio, "together_video": video[-1:], "together_audio": audio[-1:]}
    tensors |= {f"features/{k}": v for k, v in known.tensors().items()}
    tensors |= {
        "guides": torch.randn(len(video), 5, 128, 4, 4).half(),
        "together_guides": torch.randn(2, 5, 128, 4, 4).half(),
        "guide_times": torch.tensor([0.04, 0.4, 1.0, 1.7]),
    }
    truths = {"truths": json.dumps([truth] * len(video)), "together_truths": json.dumps([two])}
    save_file({k: v.clone() for k, v in tensors.items()}, folder / f"{seed:06d}.safetensors", metadata=truths)


@pytest.mark.usefixtures("undrawn")
def test_couples_are_neighbours_each_told_on_their_side_in_their_time(tmp_path: Path):
    everybody, videos = people(4), torch.randn(4, 2, 128, 4, 4, 4)
    seeds = (3, 4, 9, 10)  # nobody is between 4 and 9
    for n, seed in enumerate(seeds):
        truth = make_clip(seed, 0, seconds=2.0, size=16).truth
        write_person(tmp_path, seed, videos[n], torch.randn(2, 50, 64), everybody[n], truth)
    drawn = Dataset(tmp_path, HELD_OUT).couples(24, np.random.default_rng(0))
    assert drawn.partners is not None and drawn.spoken is not None
    assert {len(set(caption.split()) & {"left", "right"}) for caption in drawn.captions} == {2}
    met = set()
    for video, left, right, (first, second) in zip(
        drawn.video, drawn.people.face, drawn.partners.face, drawn.spoken.tolist(), strict=True
    ):
        n = next(n for n in range(4) if torch.equal(left, everybody.face[n]))
        assert torch.equal(right, everybody.face[n + 1]) and torch.equal(video, videos[n, -1])
        turns = [member["speaks"] for member in make_clip(seeds[n], 500, people=2, seconds=2.0, size=16).truth["cast"]]
        for told, true in zip((first, second), turns, strict=True):
            assert told[0] <= true[0] and true[1] <= told[1] and told[1] - told[0] < true[1] - true[0] + 0.5
        met.add(n)
    assert met == {0, 2}

    pipeline, adapter = build(NanoConfig(layers=1), ["a"]), new_adapter_of(1)
    attach(pipeline.transformer, adapter)
    torch.nn.init.normal_(adapter.video_layers[0].to_v_id.weight, std=0.2)
    noisy = noised(pipeline, drawn, np.random.default_rng(1))
    with torch.no_grad(), cast(pipeline.transformer, adapter, drawn):
        before = velocities(pipeline, noisy)[0].unflatten(1, (4, 4, 4))
    others = replace(drawn, partners=everybody[torch.zeros(24, dtype=torch.int64)])
    with torch.no_grad(), cast(pipeline.transformer, adapter, others):
        after = velocities(pipeline, noisy)[0].unflatten(1, (4, 4, 4))
    # One block attends to people after it attends to the picture: who is on the right changes nothing on the left.
    moved = (after - before).abs().amax((0, 1, 2, 4))
    assert moved[:2].max() < 1e-4 < 1e-2 < moved[2:].min()


def test_dropping_leaves_out_what_is_known_and_nothing_else():
    given = batch(64)
    left = without(given, np.random.default_rng(0))
    assert torch.equal(left.video, given.video)
    assert torch.equal(left.people.head_mask.all(1), left.people.face_mask[:, 0])
    assert torch.equal(left.people.head_latents.ne(0).any(-1).any(-1).any(-1), left.people.head_mask)
    shares = {
        "text": np.mean([c == "" for c in left.captions]),
        "face": 1 - left.people.face_mask[:, 0].float().mean().item(),
        "voice": 1 - left.people.voice.ne(0).any(-1).float().mean().item(),
    }
    assert all(0.01 < share < 0.35 for share in shares.values()), shares


def test_a_perfect_picture_costs_nothing_and_a_blurred_one_something():
    target = torch.rand(1, 3, 9, 32, 32) * 2 - 1
    weight = torch.ones(1, 1, 9, 32, 32)
    blurred = torch.nn.functional.avg_pool3d(target, (1, 3, 3), 1, (0, 1, 1))
    assert reconstruction_loss(target, target, weight).item() == 0
    assert reconstruction_loss(blurred, target, weight).item() > 0.1


def test_a_perfect_sound_costs_nothing_and_a_shifted_pitch_something():
    time = torch.arange(16_000) / 16_000
    tone, higher = torch.sin(2 * torch.pi * 200 * time), torch.sin(2 * torch.pi * 300 * time)
    assert spectral_distance(tone[None], tone[None]).item() == pytest.approx(0, abs=1e-5)
    assert spectral_distance(higher[None], tone[None]).item() > 1
    assert spectral_error(log_mel(tone)[None], log_mel(tone)[None]).item() == 0
    assert spectral_error(log_mel(higher)[None], log_mel(tone)[None]).item() > 0.1


def test_what_matters_most_is_the_face_where_it_is_then():
    # A face at the left in the first frame, at the right from then on; 25 frames of 128 px, latents of 16 px.
    points = torch.tensor([[0.0, 0.0], [16, 0], [8, 8], [2, 16], [14, 16]])
    track = torch.stack([points + torch.tensor([16.0, 60.0])] + [points + torch.tensor([92.0, 60.0])] * 24)
    weight = _face_weight(track[None, None], 7, 8, 8)
    assert weight.shape == (1, 1, 7, 8, 8)
    assert [divmod(int(frame.argmax()), 8) for frame in weight[0, 0, [0, 1, 6]]] == [(4, 1), (4, 6), (4, 6)]
    assert float(weight.max()) > 4 and float(weight[0, 0, 0, :, 5:].max()) < 1.1


def test_half_of_what_the_vocoder_learns_from_has_been_through_the_autoencoder():
    mel = log_mel(torch.randn(5, 1, 16_000) * 0.1)
    heard = heard_through(build(NanoConfig(), ["a"]).audio_vae, mel)
    length = heard.shape[2]
    assert mel.shape[2] - 4 < length <= mel.shape[2] and heard.shape[1::2] == mel.shape[1::2]
    assert torch.equal(heard[:2], mel[:2, :, :length])
    assert all(not torch.allclose(a, b, atol=0.1) for a, b in zip(heard[2:], mel[2:, :, :length], strict=True))


def test_sounds_made_beforehand_are_the_seeds_own():
    first, again, other = _made(4, 2), _made(4, 2), _made(5, 2)
    assert first.dtype == np.int16 and first.shape == (2, 32_000)
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.abs(first).max(1).min() > 1000
