"""What becomes of a scene that a machine cannot make."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from cameo.backbones import Backbone, Equipment
from cameo.backbones.mel import log_mel
from cameo.conditioning import AdapterMismatch, AdapterUnreadable
from cameo.errors import ModelTooLarge
from cameo.generation import Film, as_pixels, film, manner, open_backbone
from cameo.pipeline import CameoLTX2InContextPipeline, CameoLTX2Pipeline
from cameo.references import References
from cameo.restoration import FaceRestorer
from cameo.script import parse
from enroll.identity import Identity
from tests.cameo.conftest import someone
from tests.cameo.restoration.made_up import identity


@pytest.fixture
def ada(studio) -> Identity:
    return someone(studio.attest(studio.new_consent(name="Ada", handle="ada"), by="the tests"), 1)


@pytest.fixture
def make(ada: Identity) -> Callable[..., Film]:
    """Ada by the sea."""

    def make_with(backbone: Backbone, **named: object) -> Film:
        return film(
            backbone,
            parse("@ada by the sea"),
            [ada],
            seed=0,
            seconds=None,
            identity_scale=1.0,
            on_step=lambda done, steps: None,
            **named,
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


def equal(one: Film, other: Film) -> bool:
    return np.array_equal(one.frames, other.frames) and np.array_equal(one.sound, other.sound)


def test_an_adapter_of_ones_own_is_as_good_as_one_that_came_along(tiny_model: Path, bare_model: Path, make) -> None:
    with pytest.raises(AdapterMismatch, match="brings no identity adapter"):
        open_backbone(str(bare_model))
    came = open_backbone(str(tiny_model))
    given = open_backbone(str(bare_model), Equipment(adapter=str(tiny_model / "adapter")))
    assert equal(make(given), make(came)) and given.adapter_sha256 == came.adapter_sha256
    with pytest.raises(AdapterUnreadable, match="no identity adapter at"):
        open_backbone(str(bare_model), Equipment(adapter="nobody/nothing"))


def test_loras_of_ones_own_stay_active_beside_somebodys(tiny_model: Path, lora: Path, make) -> None:
    plain = make(open_backbone(str(tiny_model)))
    assert equal(make(open_backbone(str(tiny_model), Equipment(loras=((lora, 0.0),)))), plain)
    worn = open_backbone(str(tiny_model), Equipment(loras=((lora, 0.7),)))
    assert worn.loras_sha256 == (sha256(lora.read_bytes()).hexdigest(),)
    before = make(worn)
    assert not equal(before, plain)
    assert not equal(make(worn, lora=lora.read_bytes()), before), "two are active"
    assert equal(make(worn), before), "one is again"
    with pytest.raises(AdapterUnreadable):
        open_backbone(str(tiny_model), Equipment(loras=((lora.with_name("none"), 1.0),)))


@pytest.mark.parametrize(
    ("references", "by_hand"),
    [
        (References(voice="ada"), {"voice_reference": 0}),
        (References(voice="ada", preroll=0.5), {"voice_reference": 0, "preroll": 0.5}),
        (References(sheets=0.8), {"reference_sheets": 0.8}),
        (References(first_frame=1.0, voice="ada"), {"first_frame": 1.0, "voice_reference": 0}),
    ],
)
@pytest.mark.parametrize("adapter", [True, False])
def test_references_tell_of_people_with_an_adapter_and_without(
    tiny_model: Path, bare_model: Path, make, ada: Identity, references: References, by_hand, adapter: bool
) -> None:
    model = tiny_model if adapter else bare_model
    backbone = open_backbone(str(model), in_context=references.in_context, referred=True)
    made = make(backbone, references=references)
    kind = CameoLTX2InContextPipeline if references.in_context else CameoLTX2Pipeline
    pipeline = kind.from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    if adapter:
        pipeline.load_identity_adapter(model / "adapter")
    frames = backbone.defaults.frames
    expected = pipeline("a person by the sea", identities=[ada], num_frames=frames, **by_hand, **manner(backbone, 0))
    assert np.array_equal(made.frames, as_pixels(np.asarray(expected.frames[0])))
    assert len(made.frames) == frames, "of a pre-roll nothing is left"
    nobody = pipeline("a person by the sea", num_frames=frames, **manner(backbone, 0))
    assert not np.array_equal(made.frames, as_pixels(np.asarray(nobody.frames[0])))


@pytest.mark.parametrize(("scale", "restored"), [(1.0, True), (0.0, False)])
def test_faces_are_restored_as_strongly_as_the_likeness_is_wanted(scale: float, restored: bool) -> None:
    """By one that makes every face lighter: the face is lighter, and the corners and the sound are not touched."""
    painter = FaceRestorer(widths=(8, 8, 8), depths=(1, 1, 1), condition=8)
    torch.nn.init.constant_(painter.leave.bias, 0.5)
    backbone = open_backbone("nano")

    def make_with(restorer: FaceRestorer | None) -> Film:
        backbone.restorer = restorer
        return film(
            backbone,
            parse('close-up of @p31 by the sea says "hello"'),
            [identity(31)],
            seed=0,
            seconds=0.6,
            identity_scale=scale,
            on_step=lambda done, steps: None,
        )

    plain, made = make_with(None), make_with(painter.eval())
    assert np.array_equal(plain.sound, made.sound)
    assert np.array_equal(plain.frames[:, :8, :8], made.frames[:, :8, :8])
    assert np.array_equal(plain.frames, made.frames) != restored
    if restored:
        middle = (slice(None), slice(56, 72), slice(56, 72))
        assert made.frames[middle].mean() > plain.frames[middle].mean() + 15


def test_the_sound_keeps_to_its_spectrogram_where_the_checkpoint_asks_for_it(tiny_model: Path, make) -> None:
    backbone, given = open_backbone(str(tiny_model)), []
    plain = make(backbone)
    backbone.pipeline.vocoder.register_forward_pre_hook(lambda _, mel: given.append(mel[0]))
    backbone.defaults = backbone.defaults.model_copy(update={"vocoder_iterations": 3})
    made = make(backbone)
    assert np.array_equal(made.frames, plain.frames) and made.sound.shape == plain.sound.shape
    (mel,) = given

    def error(one: Film) -> float:
        heard = log_mel(torch.from_numpy(one.sound))
        # The vocoder's sound is cut or filled up with silence to be as long as the picture.
        count = min(heard.shape[1], mel.shape[2]) - 3
        return float((heard[:, :count] - mel[0, :, :count]).abs().mean())

    assert error(made) < 0.7 * error(plain)
