"""The adapter's tokens, and its way to disk and back."""

from __future__ import annotations

import json

import pytest
import torch

from cameo.conditioning import AdapterMismatch, AdapterUnreadable, IdentityAdapter, IdentityFeatures, load_adapter


@pytest.mark.parametrize(
    ("field", "shape"),
    [
        ("face", (1, 3, 13)),
        ("body", (1, 11)),
        ("voice", (1, 15)),
        ("head_latents", (1, 2, 8, 3, 3)),
        ("body_latents", (1, 1, 4, 2, 2)),
        ("speech_latents", (1, 5, 7)),
    ],
)
def test_features_of_another_shape_are_refused(untrained, features, field, shape):
    people = IdentityFeatures(**{**features().tensors(), field: torch.zeros(shape)})
    with pytest.raises(AdapterMismatch, match="expects"):
        untrained(people)


def test_too_long_a_speech_is_refused(untrained, features):
    with pytest.raises(AdapterMismatch, match="51 latents"):
        untrained(features(speech=51))


@torch.no_grad()
def test_every_dense_token_is_kept(untrained, features):
    tokens = untrained(features(2, views=3, crops=2, speech=5))
    # Two tokens for each embedding, four for each crop of 2 by 2, one for each latent of speech.
    assert tokens.video.shape == (2, 3 * 2 + 2 + 2 * 4 + 4, 32)
    assert tokens.audio.shape == (2, 2 + 5, 32)
    assert tokens.video_mask.all()
    assert tokens.audio_mask.all()


@torch.no_grad()
def test_a_resampler_fixes_the_number(adapter_with, features):
    adapter = adapter_with(resample_to=6)
    for people in (features(2), features(2, crops=0, speech=0)):
        tokens = adapter(people)
        assert tokens.video.shape == tokens.audio.shape == (2, 6, 32)
        assert tokens.video_mask.all()


@torch.no_grad()
def test_what_is_masked_does_not_speak(untrained, features):
    """Padding a person to another's length changes nothing that is said of them."""
    short, long = features(seed=3, views=1, crops=1, speech=2), features(seed=4)
    alone, together = untrained(short), untrained(IdentityFeatures.stack([short, long]))
    assert torch.allclose(together.video[0][together.video_mask[0]], alone.video[0], atol=1e-5)
    assert torch.allclose(together.audio[0][together.audio_mask[0]], alone.audio[0], atol=1e-5)


@torch.no_grad()
def test_absence_of_everything_is_what_the_unconditional_pass_sees(untrained, features):
    absent, null = untrained(features().null_like()), untrained.null_tokens(1)
    assert torch.allclose(absent.video[absent.video_mask], null.video[0], atol=1e-5)
    assert torch.allclose(absent.audio[absent.audio_mask], null.audio[0], atol=1e-5)


@torch.no_grad()
def test_one_absent_modality_leaves_the_other_alone(untrained, features):
    people = features(2)
    kept = people.keep(voice=torch.tensor([True, False]))
    whole, tokens = untrained(people), untrained(kept)
    assert torch.equal(tokens.video, whole.video)
    assert torch.equal(tokens.audio[0], whole.audio[0])
    assert tokens.audio_mask[1].tolist() == [True, True] + [False] * 5
    assert not torch.allclose(tokens.audio[1, :2], whole.audio[1, :2])


def test_rows_are_people(features):
    people = features(3)
    assert len(people[1]) == 1
    assert torch.equal(people[-1].face, people.face[2:])
    assert torch.equal(people[torch.tensor([2, 0])].voice, people.voice[[2, 0]])
    assert torch.equal(IdentityFeatures.stack([people[0], people[1:]]).speech_latents, people.speech_latents)


def test_casting_leaves_masks_alone(features):
    cast = features().to(dtype=torch.float16)
    assert cast.face.dtype == torch.float16
    assert cast.face_mask.dtype == torch.bool


def test_nothing_biometric_is_shown(untrained, features):
    people = features()
    shown = repr(people) + repr(untrained(people))
    assert "tensor" not in shown
    assert "(1, 3, 12)" in shown


@torch.no_grad()
def test_there_and_back(trained, features, tmp_path):
    trained.save_pretrained(tmp_path)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".safetensors"]
    again = load_adapter(tmp_path)
    plain = json.loads(json.dumps({k: v for k, v in trained.config.items() if not k.startswith("_")}))
    assert all(json.loads(json.dumps(again.config[key])) == value for key, value in plain.items())
    for name, tensor in trained.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    # Near, not equal: memory mapped from a file is aligned otherwise, and sums are formed in another order.
    assert torch.allclose(again(features()).video, trained(features()).video, atol=1e-5)


def test_a_folder_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(AdapterUnreadable, match="no identity adapter"):
        load_adapter(tmp_path)


def test_another_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    with pytest.raises(AdapterUnreadable, match="AutoencoderKL"):
        load_adapter(tmp_path)


def test_damaged_weights_are_refused(untrained, tmp_path):
    untrained.save_pretrained(tmp_path)
    weights = next(tmp_path.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(AdapterUnreadable, match="cannot be read"):
        load_adapter(tmp_path)


def test_missing_weights_are_refused(adapter_with, tmp_path):
    adapter_with().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "depth": 3}))
    with pytest.raises(AdapterUnreadable, match="lacks"):
        load_adapter(tmp_path)


def test_an_adapter_for_another_backbone_is_refused(adapter_with, transformer, tmp_path):
    adapter_with(base_model="nano", num_layers=3).save_pretrained(tmp_path)
    with pytest.raises(AdapterMismatch, match="trained on 'nano'"):
        load_adapter(tmp_path, base_model="Lightricks/LTX-2")
    with pytest.raises(AdapterMismatch, match="blocks"):
        load_adapter(tmp_path, base_model="nano", transformer=transformer)
    assert isinstance(load_adapter(tmp_path, base_model="nano"), IdentityAdapter)
