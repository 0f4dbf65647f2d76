"""diffusers' pipelines with people in them: what must be equal to the bit, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import LTX2InContextPipeline, LTX2Pipeline
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from PIL import Image
from safetensors.torch import load_file, save_file

import cameo
from cameo import CameoLTX2InContextPipeline, CameoLTX2Pipeline
from cameo.backbones.nano import build
from cameo.conditioning import (
    AdapterMismatch,
    AdapterUnreadable,
    Box,
    CastRefused,
    IdentityAdapter,
    IdentityFeatures,
    Presence,
    add_lora,
    dump_lora,
    load_lora,
    unload_lora,
)
from cameo.conditioning.opening import opening_frame
from cameo.conditioning.proof import somebody
from cameo.conditioning.sheet import reference_sheet
from enroll.alignment import CROP_SIZE
from tests.cameo.conditioning.test_features import make_identity
from tests.cameo.tiny import TINY, make_adapter, open_values, same

LEFT, RIGHT = Presence.at(0, 0, 0.5, 1), Presence.at(0.5, 0, 1, 1)


SIZES = {"video_latent_channels": TINY.latent_channels, "audio_latent_dim": TINY.audio_latent_dim, "video_dim": 64}
"""Of the adapter, to fit the tiny generator."""


def adapter(**changes: object) -> IdentityAdapter:
    return open_values(make_adapter(**(SIZES | {"video_heads": 1, "audio_dim": 32} | changes)))


ADA, BO = somebody(adapter(), 3), somebody(adapter(), 4)


@pytest.fixture
def stock() -> LTX2Pipeline:
    pipeline = build(TINY, ["a", "person", "waves", "says"], seed=0)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def pipeline(stock) -> CameoLTX2Pipeline:
    made = CameoLTX2Pipeline(**stock.components)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def folder(tmp_path):
    adapter(base_model="tiny", base_version="1").save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.fixture
def ready(pipeline, folder) -> CameoLTX2Pipeline:
    pipeline.load_identity_adapter(folder, base_model="tiny", base_version="1")
    return pipeline


def scene(pipeline, prompt="a person waves", **named) -> tuple[np.ndarray, np.ndarray]:
    out = pipeline(
        prompt,
        **{
            "height": 64,
            "width": 64,
            "num_frames": 9,
            "frame_rate": 12.5,
            "num_inference_steps": 2,
            "guidance_scale": 3.0,
            "stg_scale": 0.0,
            "modality_scale": 1.0,
            "audio_modality_scale": 1.0,
            "spatio_temporal_guidance_blocks": [1],
            "max_sequence_length": 8,
            "generator": torch.Generator().manual_seed(0),
            "output_type": "np",
        }
        | named,
    )
    return np.asarray(out.frames), out.audio.float().numpy()


def near(a, b) -> bool:
    return all(np.allclose(x, y, atol=1e-3) for x, y in zip(a, b, strict=True))


def test_it_is_importable_from_the_package():
    assert issubclass(cameo.CameoLTX2Pipeline, LTX2Pipeline)
    assert issubclass(cameo.CameoLTX2InContextPipeline, LTX2InContextPipeline)


def test_without_people_it_is_the_stock_pipeline_to_the_bit(stock, pipeline, folder):
    base = scene(stock)
    processors = [block.attn2.get_processor() for block in pipeline.transformer.transformer_blocks]
    assert same(scene(pipeline), base)
    pipeline.load_identity_adapter(folder, base_model="tiny")
    assert same(scene(pipeline), base), "loaded, nobody asked for"
    assert not same(scene(pipeline, identities=[ADA]), base)
    assert same(scene(pipeline), base), "nobody stays"
    pipeline.set_identity_scale(0.0)
    assert same(scene(pipeline, identities=[ADA]), base), "scale 0"
    pipeline.unload_identity_adapter()
    assert same(scene(pipeline), base), "unloaded"
    assert [block.attn2.get_processor() for block in pipeline.transformer.transformer_blocks] == processors


def test_picture_and_sound_have_scales_of_their_own(ready):
    ready.set_identity_scale(0.0, audio_scale=1.0)
    base, with_voice = scene(ready), scene(ready, identities=[ADA])
    assert not np.array_equal(base[1], with_voice[1])


def test_all_passes_of_guidance_know_the_person(ready):
    """STG and modality isolation add passes over the conditional half alone."""
    named = {"stg_scale": 1.0, "modality_scale": 2.0, "audio_modality_scale": 2.0}
    assert not same(scene(ready, identities=[ADA], **named), scene(ready, **named))


def test_the_order_of_people_does_not_matter(ready):
    assert same(scene(ready, identities=[ADA, BO]), scene(ready, identities=[BO, ADA]))
    one = scene(ready, identities=[ADA, BO], presences=[LEFT, RIGHT])
    assert same(one, scene(ready, identities=[BO, ADA], presences=[RIGHT, LEFT]))
    assert not same(one, scene(ready, identities=[ADA, BO], presences=[RIGHT, LEFT]))


def test_every_scene_of_a_batch_has_the_same_people(ready):
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    alone = scene(ready, identities=[ADA], presences=[LEFT])
    two = scene(ready, ["a person waves"] * 2, identities=[ADA], presences=[LEFT], generator=generators)
    for number in range(2):
        assert np.allclose(two[0][number], alone[0][0], atol=1e-3)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    again = scene(ready, num_videos_per_prompt=2, identities=[ADA], presences=[LEFT], generator=generators)
    assert np.allclose(again[0], two[0], atol=1e-3)


def test_identity_has_a_guidance_of_its_own(ready):
    plain = scene(ready, identities=[ADA])
    assert same(plain, scene(ready, identities=[ADA], identity_guidance_scale=1.0))
    pushed = scene(ready, identities=[ADA], identity_guidance_scale=2.0)
    assert not same(plain, pushed)
    held = scene(ready, identities=[ADA], identity_guidance_scale=1.0, audio_identity_guidance_scale=2.0)
    assert not np.array_equal(held[1], plain[1])


def test_lora_callbacks_and_backends_still_work(ready, stock):
    lora = build(TINY, ["a", "person", "waves", "says"], seed=0)
    for parameter in add_lora(lora.transformer, rank=2):
        torch.nn.init.normal_(parameter)
    plain = scene(ready, identities=[ADA])
    load_lora(ready, dump_lora(lora.transformer))
    steps = []
    tuned = scene(
        ready, identities=[ADA], callback_on_step_end=lambda p, step, t, tensors: steps.append(step) or tensors
    )
    assert steps == [0, 1] and not same(tuned, plain)
    unload_lora(ready)
    assert same(scene(ready, identities=[ADA]), plain)
    ready.transformer.set_attention_backend("native")
    assert same(scene(ready, identities=[ADA]), plain)


def test_offloading_finds_its_way(ready):
    plain = scene(ready, identities=[ADA])
    ready.enable_model_cpu_offload(device="cpu")
    assert same(scene(ready, identities=[ADA]), plain)


def test_what_is_saved_is_opened_by_diffusers_and_the_adapter_lies_beside_it(ready, tmp_path):
    base, plain = scene(ready), scene(ready, identities=[ADA])
    ready.save_pretrained(tmp_path / "saved")
    assert same(scene(ready, identities=[ADA]), plain), "still there after saving"
    stock = LTX2Pipeline.from_pretrained(tmp_path / "saved")
    stock.set_progress_bar_config(disable=True)
    # Weights that were loaded lie elsewhere in memory, and other kernels serve them.
    assert near(scene(stock), base)
    ours = CameoLTX2Pipeline.from_pretrained(tmp_path / "saved")
    ours.set_progress_bar_config(disable=True)
    ours.load_identity_adapter(tmp_path / "saved", subfolder="adapter", base_model="tiny")
    assert near(scene(ours, identities=[ADA]), plain)


def test_references_in_context_and_identities_in_one_call(stock, folder):
    pipeline = CameoLTX2InContextPipeline(**{name: part for name, part in stock.components.items() if part is not None})
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_identity_adapter(folder, base_model="tiny")
    reference = LTX2ReferenceCondition(
        frames=[Image.new("RGB", (64, 64), (30 * n, 90, 200)) for n in range(9)], strength=1.0
    )
    scenes = [
        scene(pipeline, **named)
        for named in (
            {},
            {"reference_conditions": [reference]},
            {"identities": [ADA], "presences": [LEFT]},
            {"identities": [ADA], "presences": [LEFT], "reference_conditions": [reference]},
        )
    ]
    assert all(np.isfinite(frames).all() for frames, _ in scenes)
    assert not any(same(a, b) for n, a in enumerate(scenes) for b in scenes[:n])


def enrolled(stock, tmp_path) -> CameoLTX2InContextPipeline:
    """A pipeline in context whose adapter reads what ``make_identity`` knows."""
    spaces = {f"{modality}_space": f"tiny-{modality}" for modality in ("face", "body", "voice")}
    adapter(**spaces, head_grid=CROP_SIZE // TINY.space).save_pretrained(tmp_path / "adapter")
    made = CameoLTX2InContextPipeline(**{name: part for name, part in stock.components.items() if part})
    made.set_progress_bar_config(disable=True)
    made.load_identity_adapter(tmp_path / "adapter")
    return made


def test_sheets_of_the_enrolled_stand_beside_the_scene(stock, pipeline, tmp_path):
    known = make_identity()
    in_context = enrolled(stock, tmp_path)
    plain = scene(in_context, identities=[known])
    sheet = LTX2ReferenceCondition(reference_sheet(known, 64, 64), 0.9)
    by_hand = scene(in_context, identities=[known], reference_conditions=sheet)
    assert same(scene(in_context, identities=[known], reference_sheets=0.9), by_hand)
    assert not same(plain, by_hand)
    both = scene(in_context, identities=[known], reference_sheets=0.9, reference_conditions=[sheet])
    assert not same(both, by_hand)
    with pytest.raises(CastRefused, match="features"):
        scene(in_context, identities=[somebody(in_context.identity_adapter, 3)], reference_sheets=1.0)
    pipeline.load_identity_adapter(tmp_path / "adapter")
    with pytest.raises(CastRefused, match="reads no reference_conditions"):
        scene(pipeline, identities=[known], reference_sheets=1.0)


def test_a_scene_begins_with_the_enrolled(stock, pipeline, tmp_path):
    known = make_identity()
    in_context = enrolled(stock, tmp_path)
    plain = scene(in_context, identities=[known], presences=[LEFT])
    frame = opening_frame([(known, Box(0, 0, 0.5, 1))], 64, 64)
    by_hand = scene(in_context, identities=[known], presences=[LEFT], conditions=LTX2VideoCondition(frame, 0, 0.8))
    assert same(scene(in_context, identities=[known], presences=[LEFT], first_frame=0.8), by_hand)
    assert not same(plain, by_hand)
    whole = LTX2VideoCondition(opening_frame([(known, Box(0, 0, 1, 1))], 64, 64), 0, 1.0)
    assert same(
        scene(in_context, identities=[known], first_frame=1.0), scene(in_context, identities=[known], conditions=whole)
    )
    with pytest.raises(CastRefused, match="features"):
        scene(in_context, identities=[somebody(in_context.identity_adapter, 3)], first_frame=1.0)
    with pytest.raises(CastRefused, match="where each is"):
        scene(in_context, identities=[known, known], first_frame=1.0)
    pipeline.load_identity_adapter(tmp_path / "adapter")
    with pytest.raises(CastRefused, match="reads no conditions"):
        scene(pipeline, identities=[known], first_frame=1.0)


def test_a_preroll_is_made_and_not_shown(ready):
    walks = Presence(path=((0.0, Box(0, 0, 0.5, 1)), (0.4, Box(0.5, 0, 1, 1))), speaks=((0.1, 0.3),))
    later = Presence(path=((0.64, Box(0, 0, 0.5, 1)), (1.04, Box(0.5, 0, 1, 1))), speaks=((0.74, 0.94),))
    asked = {"prompt": 'a person says "a"', "identities": [ADA], "voice_reference": 0}
    pictures, sound = scene(ready, **asked, presences=[walks], preroll=0.5)  # a latent of eight frames
    longer, heard = scene(ready, **asked, presences=[later], num_frames=17)
    assert np.array_equal(pictures, longer[:, 8:])
    assert np.array_equal(sound, heard[..., round(0.64 * ready.vocoder.config.output_sampling_rate) :])
    plain = scene(ready, **asked, presences=[walks])
    assert pictures.shape == plain[0].shape and abs(sound.shape[-1] - plain[1].shape[-1]) <= 0.04 * 16_000
    assert same(scene(ready, **asked, presences=[walks], preroll=0.0), plain)


def test_a_preroll_is_cut_from_pictures_of_every_kind(ready):
    whole, _ = scene(ready, identities=[ADA], preroll=0.3)
    clips, sound = ready(
        "a person waves",
        identities=[ADA],
        preroll=0.3,
        output_type="pil",
        return_dict=False,
        **{"height": 64, "width": 64, "num_frames": 9, "frame_rate": 12.5, "num_inference_steps": 2},
        **{"stg_scale": 0.0, "audio_stg_scale": 0.0, "modality_scale": 1.0, "audio_modality_scale": 1.0},
        max_sequence_length=8,
    )
    assert [len(clip) for clip in clips] == [9] and whole.shape[1] == 9 and sound.ndim == 3


def test_frames_that_were_given_move_with_the_scene(stock, tmp_path):
    in_context, known = enrolled(stock, tmp_path), make_identity()
    frame = Image.new("RGB", (64, 64), (200, 90, 30))
    asked = {"identities": [known]}
    for given, moved in ((1, 2), (0, 2), (-1, -1)):
        made = scene(in_context, **asked, conditions=LTX2VideoCondition(frame, given, 0.7), preroll=0.3)
        longer = scene(in_context, **asked, conditions=[LTX2VideoCondition(frame, moved, 0.7)], num_frames=17)
        assert np.array_equal(made[0], longer[0][:, 8:]), given


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"preroll": -0.1}, "a pre-roll of -0.1"),
        ({"preroll": float("nan")}, "a pre-roll of nan"),
        ({"preroll": float("inf")}, "a pre-roll of inf"),
        ({"preroll": 0.5, "output_type": "latent"}, "latents cannot be cut"),
    ],
)
def test_a_preroll_that_cannot_be_is_refused(ready, named, reason):
    with pytest.raises(CastRefused, match=reason):
        scene(ready, identities=[ADA], **named)


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"identities": [ADA] * 5}, "5 people"),
        ({"identities": [ADA, BO], "presences": [LEFT, LEFT]}, "one region"),
        ({"identities": [ADA, BO], "presences": [LEFT]}, "2 people and 1 presences"),
        ({"identities": [ADA], "presences": [Presence(speaks=((0.0, 0.5),))]}, "no line"),
    ],
)
def test_people_who_cannot_be_in_one_scene_are_refused(ready, named, reason):
    with pytest.raises(CastRefused, match=reason):
        scene(ready, **named)
    assert same(scene(ready), scene(ready)), "nothing stays"


def test_people_without_an_adapter_are_refused(pipeline):
    with pytest.raises(AdapterMismatch, match="no identity adapter is loaded"):
        scene(pipeline, identities=[ADA])


def test_an_interrupted_call_leaves_nobody(ready):
    base = scene(ready)

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scene(ready, identities=[ADA], identity_guidance_scale=2.0, callback_on_step_end=stop)
    assert same(scene(ready), base)


def spoil(folder, change) -> None:
    path = folder / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        (lambda t: t.pop("crop.weight"), AdapterUnreadable, "lacks 1"),
        (lambda t: t.update(extra=torch.zeros(1)), AdapterUnreadable, "1 too many"),
        (lambda t: t["crop.weight"].fill_(torch.nan), AdapterUnreadable, "numbers that are none"),
        (lambda t: t["video_layers.1.to_v_id.weight"].zero_(), AdapterMismatch, "move nothing"),
        (lambda t: t.update({"crop.weight": torch.zeros(3, 3)}), AdapterUnreadable, "cannot be read"),
    ],
    ids=["missing", "too many", "nan", "dead", "shape"],
)
def test_a_spoilt_adapter_is_refused_and_the_former_one_stays(ready, folder, change, error, reason):
    plain = scene(ready, identities=[ADA])
    spoil(folder, change)
    with pytest.raises(error, match=reason):
        ready.load_identity_adapter(folder, base_model="tiny")
    assert same(scene(ready, identities=[ADA]), plain)


def test_a_truncated_adapter_is_refused(pipeline, folder):
    path = folder / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AdapterUnreadable, match="cannot be read"):
        pipeline.load_identity_adapter(folder, base_model="tiny")
    assert pipeline.identity_adapter is None


def test_a_pickle_is_never_opened(pipeline, folder):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    (folder / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(Trap(), folder / "diffusion_pytorch_model.bin")
    with pytest.raises(AdapterUnreadable):
        pipeline.load_identity_adapter(folder, base_model="tiny")


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"base_model": "another"}, "trained on 'tiny', this pipeline was loaded from 'another'"),
        ({}, "trained on 'tiny'"),
        ({"base_model": "tiny", "base_version": "2"}, "version '1' of 'tiny', this is version '2'"),
    ],
)
def test_an_adapter_for_another_base_is_refused(pipeline, folder, named, reason):
    with pytest.raises(AdapterMismatch, match=reason):
        pipeline.load_identity_adapter(folder, **named)
    assert pipeline.identity_adapter is None


def test_an_adapter_for_another_shape_is_refused(pipeline, folder):
    config = json.loads((folder / "config.json").read_text())
    adapter(num_layers=3).save_pretrained(folder)
    assert config["num_layers"] == 2
    with pytest.raises(AdapterMismatch, match="blocks, video, audio"):
        pipeline.load_identity_adapter(folder)


def test_people_of_another_space_are_refused(ready):
    from dataclasses import replace

    with pytest.raises(AdapterMismatch, match="face embedding"):
        scene(ready, identities=[replace(ADA, face=torch.zeros(1, 3, 7))])
    with pytest.raises(AdapterMismatch, match="features of 2 people"):
        scene(ready, identities=[IdentityFeatures.stack([ADA, BO])])


def test_where_there_is_no_adapter_it_says_so(pipeline, tmp_path):
    with pytest.raises(AdapterUnreadable, match="no identity adapter at"):
        pipeline.load_identity_adapter(str(tmp_path / "nothing"), local_files_only=True)
    with pytest.raises(AdapterUnreadable, match="no identity adapter at"):
        pipeline.load_identity_adapter("nobody/nothing", local_files_only=True)


def test_a_voice_can_be_heard_ahead_of_the_scene(ready):
    plain = scene(ready, identities=[ADA, BO])
    led = scene(ready, identities=[ADA, BO], voice_reference=1)
    assert not np.array_equal(led[1], plain[1]) and led[1].shape == plain[1].shape
    assert same(scene(ready, identities=[ADA, BO]), plain), "nothing stays"


def test_a_reference_to_nobody_is_refused(ready):
    from dataclasses import replace

    silent = replace(ADA, speech_latents=torch.zeros(1, 0, 16), speech_mask=torch.zeros(1, 0, dtype=torch.bool))
    for people, which, reason in (([ADA], 1, "of 1 people"), ([silent], 0, "nothing is known of the voice")):
        with pytest.raises(CastRefused, match=reason):
            scene(ready, identities=people, voice_reference=which)
