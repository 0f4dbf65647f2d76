"""One person's LoRA, learned on a small generator from what an enrollment keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cameo.backbones import Backbone, Defaults
from cameo.backbones.nano import build
from cameo.conditioning import AdapterMismatch, IdentityAdapter, features_from_identity
from cameo.errors import InputRefused
from cameo.generation import tuned
from cameo.pipeline import CameoLTX2Pipeline
from cameo.training.personal import _examples, _inside, _moments, _Scene, personalize
from enroll.identity import Crop
from tests.cameo.conditioning.test_features import make_identity
from tests.cameo.tiny import TINY, adapter_of_tiny

DEFAULTS = Defaults(
    height=128,
    width=128,
    frames=9,
    frame_rate=12.5,
    steps=2,
    guidance_scale=1.0,
    sample_rate=16000,
    max_sequence_length=24,
    license="Apache-2.0",
    version="1",
)


@pytest.fixture
def backbone() -> Backbone:
    words = ["close", "up", "of", "a", "person", "by", "the", "sea", "in", "forest", "medium", "shot", "room", "waves"]
    pipeline = CameoLTX2Pipeline(**build(TINY, words, seed=0).components)
    pipeline.set_progress_bar_config(disable=True)
    adapter = adapter_of_tiny(
        face_space="tiny-face",
        body_space="tiny-body",
        voice_space="tiny-voice",
        head_crops=1,
        head_placings={"close-up": (0.8, 0.1, 0.1)},
    )
    pipeline.attach_identity_adapter(adapter)
    return Backbone(pipeline, adapter, "tiny", DEFAULTS)


def scene(backbone: Backbone) -> np.ndarray:
    out = backbone.pipeline(
        "a person waves",
        height=64,
        width=64,
        num_frames=9,
        frame_rate=12.5,
        num_inference_steps=2,
        guidance_scale=1.0,
        stg_scale=0.0,
        modality_scale=1.0,
        audio_modality_scale=1.0,
        max_sequence_length=24,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    )
    return np.asarray(out.frames)


def test_it_is_learned_loads_moves_the_scene_and_leaves_the_generator_alone(backbone):
    before, shares = scene(backbone), []
    weights = personalize(backbone, make_identity(), minutes=0.15, rank=4, batch=2, on_step=shares.append)
    assert np.array_equal(scene(backbone), before)
    parts = (backbone.adapter, backbone.pipeline.transformer, backbone.pipeline.text_encoder)
    assert all(weight.grad is None for part in parts for weight in part.parameters())
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] < 1 and len(shares) > 2
    with tuned(backbone, weights):
        assert not np.array_equal(scene(backbone), before)
    assert np.array_equal(scene(backbone), before)


def test_what_is_stopped_leaves_nothing(backbone):
    before = scene(backbone)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        personalize(backbone, make_identity(), minutes=0.05, on_step=stop)
    assert np.array_equal(scene(backbone), before)
    assert not getattr(backbone.pipeline.transformer, "peft_config", None)


def test_who_never_spoke_is_learned_by_sight(backbone):
    identity = make_identity()
    silent = {space: one for space, one in identity.embeddings.items() if one.modality != "voice"}
    assert personalize(backbone, replace(identity, embeddings=silent, speech=None), minutes=0.1, batch=2)


def test_too_little_time_to_begin_is_said(backbone):
    before = {name: weight.clone() for name, weight in backbone.pipeline.transformer.state_dict().items()}
    with pytest.raises(InputRefused, match=r"0\.0001 minutes were over"):
        personalize(backbone, make_identity(), minutes=1e-4, batch=2)
    after = backbone.pipeline.transformer.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)


def test_the_crop_to_be_drawn_is_not_shown(backbone):
    plain = IdentityAdapter.from_config({**backbone.adapter.config, "head_placings": None, "head_crops": 6})
    identity = make_identity()
    with torch.no_grad():
        features = features_from_identity(identity, backbone.pipeline, plain.config)
        examples = _examples(backbone, plain, identity, np.random.default_rng(0))
    assert examples.guides is None
    rng = np.random.default_rng(1)
    picked = torch.from_numpy(np.random.default_rng(1).integers(len(examples.video), size=8))
    batch = _moments(_Scene.of(backbone), examples, features, 8, rng)
    assert torch.equal(batch.video, examples.video[picked])
    for row, crop in enumerate(examples.crop[picked].tolist()):
        shown = batch.people.head_mask[row].tolist()
        assert not shown[crop] and sum(shown) == len(shown) - 1


def test_another_crop_is_shown_where_the_one_to_be_drawn_lies(backbone):
    colours = [(250, 20, 20), (20, 250, 20), (20, 20, 250)]
    crops = [Crop("head", np.full((128, 128, 3), colour, np.uint8), 0.0, 1.0) for colour in colours]
    identity = replace(make_identity(), crops=tuple(crops))
    with torch.no_grad():
        examples = _examples(backbone, backbone.adapter, identity, np.random.default_rng(0))
    seen, shown = examples.video[:, :, 0, 2, 2], examples.guides[:, 0, :, 2, 2]
    alike = torch.cdist(shown, torch.stack([seen[examples.crop == crop].mean(0) for crop in range(3)])).argmin(1)
    assert set(alike.tolist()) == {0, 1, 2} and (alike != examples.crop).all()


def test_only_cells_within_the_crop_count():
    inside = _inside(torch.tensor([[0.25, 0.0, 0.75, 1.0]]), 2, 4)
    assert inside.tolist() == [[[0, 1, 1, 0], [0, 1, 1, 0]]]


def test_what_cannot_be_taught_so_is_refused(backbone):
    large = replace(backbone, defaults=DEFAULTS.model_copy(update={"height": 512}))
    with pytest.raises(AdapterMismatch, match="draws 128×512"):
        personalize(large, make_identity())
    with pytest.raises(AdapterMismatch, match="no head crop"):
        personalize(backbone, replace(make_identity(), crops=()))
    with pytest.raises(AdapterMismatch, match="no identity adapter"):
        personalize(replace(backbone, adapter=None), make_identity())
    with pytest.raises(AdapterMismatch, match="few steps"):
        personalize(replace(backbone, distilled=True), make_identity())
