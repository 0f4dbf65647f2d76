"""From an Identity to features, on a tiny pipeline of real parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cameo.conditioning import (
    AdapterMismatch,
    IdentityAdapter,
    IdentityFeatures,
    attach,
    conditioned,
    features_from_identity,
)
from cameo.conditioning.features import encode_crops, encode_speech
from cameo.conditioning.placing import Placing, lay_crop
from enroll.identity import Crop, Embedding, Identity, Pose, Speech, View

RNG = np.random.default_rng(0)


def vector(dim: int) -> np.ndarray:
    v = RNG.standard_normal(dim).astype(np.float32)
    return v / np.linalg.norm(v)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (128, 128, 3), np.uint8)


def make_identity(seconds: float = 3.0, rate: int = 16_000) -> Identity:
    views = tuple(View(vector(12), float(i), quality=q) for i, q in enumerate((0.2, 0.9, 0.5, 0.7, 0.1)))
    t = np.arange(round(seconds * rate)) / rate
    return Identity(
        identity_id="8f14e45f-ceea-467f-a9b0-7c5d3c1d3b5e",
        consent_id="c9f0f895-fb98-4c7a-9a3a-1f0e3a1d2b4c",
        handle="ada",
        embeddings={
            "tiny-face": Embedding("tiny-face", "face", vector(12), views),
            "tiny-body": Embedding("tiny-body", "body", vector(10)),
            "tiny-voice": Embedding("tiny-voice", "voice", vector(14), seconds=seconds),
        },
        crops=(*(Crop("head", picture(i), 0.0, 1 - i / 10) for i in range(6)), Crop("body", picture(9), 0.0, 1.0)),
        speech=Speech((0.3 * np.sin(2 * np.pi * 220 * t)).astype(np.float32), rate),
    )


@pytest.fixture
def adapter() -> IdentityAdapter:
    torch.manual_seed(0)
    return IdentityAdapter(
        face_space="tiny-face",
        face_dim=12,
        body_space="tiny-body",
        body_dim=10,
        voice_space="tiny-voice",
        voice_dim=14,
        video_latent_channels=32,
        head_grid=4,
        audio_latent_dim=16,
        max_speech=50,
        token_dim=32,
        heads=2,
        num_layers=2,
        video_dim=64,
        audio_dim=32,
    ).eval()


def test_an_identity_of_other_spaces_is_refused(tiny_pipeline, adapter):
    identity = make_identity()
    other = dict(identity.embeddings)
    other["other-face"] = replace(other.pop("tiny-face"), space="other-face")
    with pytest.raises(AdapterMismatch, match="tiny-face, the identity has other-face") as refused:
        features_from_identity(replace(identity, embeddings=other), tiny_pipeline, adapter.config)
    assert "enroll again" in refused.value.hint


def test_another_dimension_is_refused(tiny_pipeline, adapter):
    identity = make_identity()
    wide = {**identity.embeddings, "tiny-voice": Embedding("tiny-voice", "voice", vector(15))}
    with pytest.raises(AdapterMismatch, match="15 dimensions"):
        features_from_identity(replace(identity, embeddings=wide), tiny_pipeline, adapter.config)


@pytest.mark.parametrize("change", [{"head_grid": 8}, {"video_latent_channels": 16}, {"audio_latent_dim": 8}])
def test_a_backbone_of_other_latents_is_refused(tiny_pipeline, adapter, change):
    config = type("Spec", (), {**dict(adapter.config), **change})()
    with pytest.raises(AdapterMismatch, match="backbone"):
        features_from_identity(make_identity(), tiny_pipeline, config)


def test_shapes_and_what_is_known(tiny_pipeline, adapter):
    features = features_from_identity(make_identity(), tiny_pipeline, adapter.config)
    assert {name: tuple(tensor.shape) for name, tensor in features.tensors().items()} == {
        "face": (1, 4, 12),
        "face_mask": (1, 4),
        "body": (1, 10),
        "voice": (1, 14),
        "head_latents": (1, 4, 32, 4, 4),
        "head_mask": (1, 4),
        "head_times": (1, 4),
        "body_latents": (1, 1, 32, 4, 4),
        "body_mask": (1, 1),
        "speech_latents": (1, 50, 16),
        "speech_mask": (1, 50),
    }
    assert all(tensor.all() for name, tensor in features.tensors().items() if name.endswith("mask"))
    assert features.head_times.isnan().all()
    assert all(tensor.isfinite().all() for name, tensor in features.tensors().items() if name != "head_times")


def test_the_mean_leads_and_the_best_views_follow(tiny_pipeline, adapter):
    identity = make_identity()
    face = identity.embeddings["tiny-face"]
    got = features_from_identity(identity, tiny_pipeline, adapter.config).face[0].numpy()
    expected = [face.vector, *(face.views[i].vector for i in (1, 3, 2))]
    np.testing.assert_array_equal(got, np.stack(expected))


def test_what_the_consent_does_not_cover_is_absent(tiny_pipeline, adapter):
    identity = make_identity()
    faceless = {name: e for name, e in identity.embeddings.items() if e.modality == "body"}
    features = features_from_identity(
        replace(identity, embeddings=faceless, speech=None, crops=()), tiny_pipeline, adapter.config
    )
    assert not features.face_mask.any()
    assert not features.voice.any()
    assert features.speech_mask.shape == (1, 0)
    assert features.head_mask.shape == (1, 0)
    assert features.body.any()
    tokens = adapter(features)
    assert torch.allclose(tokens.audio, adapter.null_tokens().audio, atol=1e-6)


def test_speech_too_short_for_one_window_is_absent(tiny_pipeline, adapter):
    features = features_from_identity(make_identity(seconds=0.05), tiny_pipeline, adapter.config)
    assert features.speech_mask.shape == (1, 0)
    assert features.voice.any()


def test_crops_are_the_pipelines_own_latents(tiny_pipeline):
    """Feeding them back through the pipeline's denormalisation gives what the VAE encoded."""
    vae = tiny_pipeline.vae
    vae.latents_mean.uniform_(-1, 1)
    vae.latents_std.uniform_(0.5, 2)
    pixels = np.stack([picture(0), picture(1)])
    latents = encode_crops(tiny_pipeline, pixels)
    back = tiny_pipeline._denormalize_latents(latents[:, :, None], vae.latents_mean, vae.latents_std, 1.0)
    frames = (torch.from_numpy(pixels).float() / 255 * 2 - 1).permute(0, 3, 1, 2).unsqueeze(2)
    with torch.no_grad():
        assert torch.allclose(back, vae.encode(frames).latent_dist.mode(), atol=1e-4)
    assert torch.allclose(encode_crops(tiny_pipeline, pixels[1:]), latents[1:], atol=1e-4), "one by one"


def test_speech_is_packed_as_the_pipeline_unpacks_it(tiny_pipeline):
    vae = tiny_pipeline.audio_vae
    vae.latents_mean.uniform_(-1, 1)
    vae.latents_std.uniform_(0.5, 2)
    sound = make_identity(2.0).speech.samples
    latents = encode_speech(tiny_pipeline, sound, 16_000)
    assert latents.shape == (1, 50, 16)
    back = tiny_pipeline._denormalize_audio_latents(latents, vae.latents_mean, vae.latents_std)
    back = tiny_pipeline._unpack_audio_latents(back, 50, num_mel_bins=16)
    from cameo.backbones.mel import log_mel

    with torch.no_grad():
        assert torch.allclose(back, vae.encode(log_mel(sound)[None]).latent_dist.mode(), atol=1e-4)


def test_another_sample_rate_is_resampled(tiny_pipeline, adapter):
    low, high = (
        features_from_identity(make_identity(2.0, rate), tiny_pipeline, adapter.config).speech_latents
        for rate in (16_000, 48_000)
    )
    assert low.shape == high.shape
    assert (low - high)[:, 2:-2].abs().mean() < 0.2 * low.std()


def test_a_person_reaches_the_scene(tiny_pipeline, adapter):
    """The whole way on noise: identity, features, tokens, attention, with and without guidance."""
    for layer in (*adapter.video_layers, *adapter.audio_layers):
        torch.nn.init.normal_(layer.to_v_id.weight)
    with torch.no_grad():
        tokens = adapter(features_from_identity(make_identity(), tiny_pipeline, adapter.config))

    def scene(guidance: float) -> tuple[np.ndarray, torch.Tensor]:
        out = tiny_pipeline(
            "a person waves",
            height=64,
            width=64,
            num_frames=9,
            frame_rate=12.5,
            num_inference_steps=2,
            guidance_scale=guidance,
            max_sequence_length=8,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        )
        return out.frames, out.audio

    base = {guidance: scene(guidance) for guidance in (1.0, 3.0)}
    attach(tiny_pipeline.transformer, adapter)
    for guidance, (frames, sound) in base.items():
        with conditioned(tiny_pipeline.transformer, tokens):
            with_person = scene(guidance)
        assert not np.allclose(with_person[0], frames)
        assert not torch.allclose(with_person[1], sound)
        again = scene(guidance)
        assert np.array_equal(again[0], frames)
        assert torch.equal(again[1], sound)


def test_the_crop_that_looks_into_the_camera_is_laid_where_a_shot_shows_a_head(tiny_pipeline, adapter):
    red, blue = (np.full((128, 128, 3), colour, np.uint8) for colour in ((200, 30, 30), (10, 60, 220)))

    def laid(*placings: Placing) -> torch.Tensor:
        pictures = [lay_crop(blue, placing.matrix((128, 128), 128), (128, 128)) for placing in placings]
        return encode_crops(tiny_pipeline, np.stack(pictures))

    turned, frontal = (
        Crop("head", red, 0.0, 1.0, Pose(30.0, 0.0, 0.0)),
        Crop("head", blue, 0.0, 0.9, Pose(2.0, 0.0, 0.0)),
    )
    identity = replace(make_identity(), crops=(turned, frontal))
    adapter.register_to_config(head_placings={"close-up": (0.5, 0.0, 0.25)}, head_crops=1)

    def told(*placings: tuple[float, Placing]) -> IdentityFeatures:
        return features_from_identity(identity, tiny_pipeline, adapter.config, placings or None)

    usual = told()
    assert torch.equal(usual.head_latents[0], laid(Placing(0.5, 0.0, 0.25)))
    assert usual.head_times.isnan().all()
    here, there = Placing(0.25, 0.0, 0.0), Placing(0.25, 0.75, 0.5)
    moving = told((0.0, here), (0.5, there))
    assert torch.equal(moving.head_latents[0], laid(here, there))
    assert moving.head_times.tolist() == [[0.0, 0.5]]
