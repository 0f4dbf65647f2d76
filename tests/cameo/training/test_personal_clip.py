"""One person's LoRA, learned on a small generator of 2.3's kind from a clip of theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from cameo.conditioning import AdapterMismatch, AdapterUnreadable, load_lora, unload_lora
from cameo.errors import InputRefused, Revoked
from cameo.pipeline import CameoLTX2Pipeline
from cameo.results import SceneResult
from cameo.studio import Studio
from cameo.synth.clips import make_clip
from cameo.training.adapter.generator import Generator, new_adapter
from cameo.training.identities import BODY, FACE, VOICE
from cameo.training.personal_clip import Sitting, _noised, _partly, _Takes, personalize_from_clip
from enroll import enroll
from enroll.consent import ConsentRecord
from enroll.identity import Identity
from enroll.signature import thumbprint
from tests.cameo.tiny import make_features, same
from tests.cameo.training.adapter.noise import SETTINGS
from tests.cameo.training.adapter.test_command import scene
from tests.cameo.training.conftest import FPS
from tests.enroll.conftest import write_clip

OPERATOR = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(bytes([8] * 32)))
TRUSTED = frozenset({thumbprint(OPERATOR)})
CPU = torch.device("cpu")
FAR_FROM_ADA = 29


@pytest.fixture
def consent(agree) -> ConsentRecord:
    return agree("ada", OPERATOR, uses=("generate", "personalize"))


@pytest.fixture
def ada(clips: Path, consent: ConsentRecord) -> Identity:
    return enroll(str(clips / "ada-0.mp4"), consent, encoders=(FACE, BODY, VOICE), trusted=TRUSTED, trust_voice=True)


def learned(generator: Path, ada: Identity, consent: ConsentRecord, clip: Path, **named: object) -> bytes:
    return personalize_from_clip(
        Generator.find(str(generator), torch.float32),
        ada,
        Sitting(clip, trust_voice=True),
        consent,
        trusted=TRUSTED,
        device=CPU,
        **({"minutes": 0.4, "rank": 2} | named),
    )


def test_it_is_learned_from_another_clip_loads_and_moves_the_scene(generator, clips, ada, consent):
    shares: list[float] = []
    weights = learned(generator, ada, consent, clips / "ada-1.mp4", on_step=shares.append)
    assert shares == sorted(shares) and shares[0] == 0 and 0.9 < shares[-1] < 1
    pipeline = CameoLTX2Pipeline.from_pretrained(generator)
    pipeline.set_progress_bar_config(disable=True)
    base = scene(pipeline)
    load_lora(pipeline, weights)
    assert not same(scene(pipeline), base)
    unload_lora(pipeline)
    assert same(scene(pipeline), base)


def test_with_an_adapter_the_person_is_told_and_with_none_it_learns_alone(generator, clips, ada, consent, tmp_path):
    whole = Generator.find(str(generator), torch.float32)
    spaces = {"face_space": FACE, "body_space": BODY, "voice_space": VOICE, "base": generator.name}
    adapter = new_adapter(SETTINGS.model_copy(update=spaces), whole.shape(), whole.encoders(CPU))
    for layer in (*adapter.video_layers, *adapter.audio_layers):
        torch.nn.init.normal_(layer.to_v_id.weight)
    adapter.save_pretrained(tmp_path / "adapter")
    assert learned(generator, ada, consent, clips / "ada-1.mp4", adapter=str(tmp_path / "adapter"))
    elsewhere = {"adapter": str(tmp_path / "none")}
    with pytest.raises(AdapterUnreadable):
        learned(generator, ada, consent, clips / "ada-1.mp4", **elsewhere)


def test_who_is_not_enrolled_teaches_nothing(generator, ada, consent, tmp_path):
    # Made-up people are alike; this one is not like Ada, whose seed is 20.
    made = make_clip(FAR_FROM_ADA, 0, seconds=5.0, size=128, fps=FPS)
    write_clip(tmp_path / "stranger.mp4", made.frames, made.sound, fps=FPS)
    with pytest.raises(
        InputRefused, match=r"shows somebody else than @ada: 0\.\d\d apart, one person is at most 0\.45"
    ):
        learned(generator, ada, consent, tmp_path / "stranger.mp4")
    faceless = {space: one for space, one in ada.embeddings.items() if one.modality != "face"}
    with pytest.raises(InputRefused, match="cannot be told"):
        learned(generator, replace(ada, embeddings=faceless), consent, tmp_path / "stranger.mp4")


def test_too_little_time_and_a_stop_are_said(generator, clips, ada, consent):
    with pytest.raises(InputRefused, match=r"0\.001 minutes were over"):
        learned(generator, ada, consent, clips / "ada-1.mp4", minutes=0.001)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned(generator, ada, consent, clips / "ada-1.mp4", on_step=stop)


def test_of_the_crops_some_are_told_and_sound_that_is_not_theirs_counts_nothing():
    g = torch.Generator().manual_seed(0)
    takes = _Takes(
        torch.randn(3, 4, 2, 2, 2, generator=g),
        torch.randn(3, 5, 6, generator=g),
        [(torch.full((7, 2), float(n)), torch.zeros(7, 3), torch.ones(7, dtype=torch.bool)) for n in range(3)],
        heard=False,
    )
    rng = np.random.default_rng(0)
    which = rng.integers(3, size=8)
    scenes = _noised(takes, which, rng)
    assert scenes.picture_prompt[:, 0, 0].tolist() == which.tolist()
    assert torch.equal(scenes.video, takes.video[which]) and torch.equal(scenes.audio, takes.audio[which])
    assert not scenes.heard.any() and scenes.level.shape == (8,)
    told = _partly(make_features(64, crops=8), rng).head_mask
    assert told.shape[0] == 64 and 0.45 < told.float().mean() < 0.75


def test_a_generator_without_an_adapter_draws_her_by_her_lora_alone_until_she_leaves(
    studio: Studio, generator, clips, tmp_path
):
    request = studio.new_consent(name="Ada", handle="ada", uses=("generate", "personalize"))
    studio.enroll(clips / "ada-0.mp4", studio.attest(request, by="the tests"), trust_voice=True)

    def make(name: str) -> SceneResult:
        return studio.generate("@ada waves", out=tmp_path / name, model=str(generator))

    with pytest.raises(AdapterMismatch, match="brings no identity adapter"):
        make("untold.mp4")
    learned_of = studio.personalize(
        "ada",
        model=str(generator),
        minutes=0.4,
        rank=2,
        sitting=Sitting(clips / "ada-1.mp4", trust_voice=True),
    )
    assert learned_of.bytes > 1000
    assert make("told.mp4").cast == ("ada",)
    assert [path for path in studio.home.rglob("*") if "lora" in path.name]
    studio.revoke("ada")
    with pytest.raises(Revoked):
        make("gone.mp4")
    assert not [path for path in studio.home.rglob("*") if "lora" in path.name]
