"""One person's LoRA on a generator of any size, from a clip of theirs (PEFT; Hu et al., 2021).

The generator is opened in halves, as ``cameo train adapter`` does: what encodes first, once, then the transformer, in
its own precision, with the LoRA in float32 and activations computed again on the way back. Scenes are cut from the clip
and drawn with the person told, where there is an adapter; of the crops that tell, some are left out every time. With
each step go scenes that the generator made of nobody before it learned, of which it is to think as it did: prior
preservation as in ``personal``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchaudio.functional import resample

from cameo.conditioning import IdentityFeatures, add_lora, conditioned, dump_lora, features_from_identity
from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.lora import set_lora_scales
from cameo.conditioning.placing import Placing, Placings
from cameo.errors import InputRefused, ModelTooLarge
from cameo.evaluation.faces import faces_in, spread_frames
from cameo.generation import PERSON, as_pixels, guidance
from cameo.pipeline import CameoLTX2Pipeline, adapter_folder
from cameo.training.adapter.examples import Scenes
from cameo.training.adapter.faces import SPACE, describe
from cameo.training.adapter.generator import Generator, let_go
from cameo.training.adapter.learner import losses, predictions
from cameo.training.adapter.likeness import encode_prompt
from cameo.training.adapter.prepare import CAPTION, centre_of, person_of, picture_latents, prompt_states, sound_latents
from cameo.training.adapter.scenes import MARGIN, scenes_of
from cameo.training.identities import BODY, FACE, VOICE
from cameo.training.run import mixed
from enroll.clip import SAMPLE_RATE, Clip
from enroll.consent import ConsentRecord
from enroll.identity import Identity
from enroll.looks import Look
from enroll.subject import SAME_FACE

__all__ = ["CAPTION", "Sitting", "personalize_from_clip"]

_PRIORS = ("a person in a room", "two people in a street")
_TETHER = 1.0
"""Weight of what the generator thought before."""
_FRAMES = 49
"""Of a scene, at most: two seconds. Longer ones cost more than they teach of a face."""
_WINDOWS = 16
_TOLD = 0.6
"""Share of the crops that are told in a step."""
_RATE = 1e-3
"""Learning rate of a transformer 256 wide; it falls with the root of the width."""


@dataclass(frozen=True)
class Sitting:
    """The clip, and how it is to be taken.

    Attributes:
        clip: of the person, and of nobody else.
        caption: what it shows, as a prompt would say.
        trust_voice: the one voice in it is theirs, whether or not the mouth shows it; see ``enroll.enroll``.
    """

    clip: Path
    caption: str = CAPTION
    trust_voice: bool = False


@dataclass(frozen=True)
class _Framing:
    width: int
    height: int
    frames: int
    fps: float
    windows: int = _WINDOWS

    @classmethod
    def of(cls, generator: Generator, pipeline: CameoLTX2Pipeline) -> _Framing:
        defaults, every = generator.defaults(), pipeline.vae_temporal_compression_ratio
        frames = (min(defaults.frames, _FRAMES) - 1) // every * every + 1
        return cls(defaults.width, defaults.height, frames, defaults.frame_rate)


@dataclass(frozen=True, repr=False)
class _Takes:
    """Scenes that are learned from, or held to.

    Attributes:
        video: (N, C, F, h, w), normalised latents; ``audio`` (N, T, D), packed.
        prompts: by scene, what the transformer reads of its caption, see ``prompt_states``.
        heard: whether the sound is the person's.
        placings: by scene, where their head is in it, see ``features_from_identity``; None: it was not seen.
    """

    video: Tensor
    audio: Tensor
    prompts: list[tuple[Tensor, Tensor, Tensor]]
    heard: bool
    placings: Placings = ()


@dataclass(frozen=True, repr=False)
class _Words:
    """A prompt, as the pipeline takes it instead of words, and as the transformer reads it; see ``encode_prompt`` and
    ``prompt_states``."""

    embeds: dict[str, Tensor]
    states: tuple[Tensor, Tensor, Tensor]


def personalize_from_clip(
    generator: Generator,
    identity: Identity,
    sitting: Sitting,
    consent: ConsentRecord,
    *,
    trusted: Collection[str],
    adapter: str | None = None,
    device: torch.device,
    minutes: float = 20.0,
    rank: int = 16,
    batch: int = 1,
    seed: int = 0,
    on_step: Callable[[float], None] = lambda share: None,
) -> bytes:
    """Learn a person from a clip.

    Args:
        generator: what is to draw them.
        identity: from a lease whose purpose is ``personalize``.
        sitting: the clip. It must show the face that is enrolled.
        consent: theirs.
        trusted: thumbprints of those whose signature on it counts.
        adapter: folder or hub id of an identity adapter; None for the generator's own, if it has one.
        device: where it is learned.
        minutes: how long, preparing included.
        rank: of the LoRA.
        batch: scenes a step.
        seed: of all that is drawn.
        on_step: called with the share that is done; what it raises stops it.

    Returns:
        The LoRA as safetensors. Biometric: for a cipher, never for a file.

    Raises:
        InputRefused: the clip shows somebody else, or the time was over before anything was learned.
        BadInput: the clip cannot serve, see ``enroll.enroll`` and ``scenes_of``.
        AdapterMismatch, AdapterUnreadable: of ``adapter``.
        ModelTooLarge: the device has too little memory.
    """
    began = time.monotonic()

    def share() -> float:
        return (time.monotonic() - began) / 60 / minutes

    found, looks = person_of(str(sitting.clip), consent, (FACE, BODY, VOICE), sitting.trust_voice, trusted)
    _require_same_face(identity, looks)
    on_step(0.0)
    try:
        with torch.no_grad():
            pipeline = generator.encoders(device)
            framing = _Framing.of(generator, pipeline)
            person = _takes_of(pipeline, framing, sitting, looks, heard=bool(found.of("voice")))
            words = [_Words(encode_prompt(pipeline, prompt), prompt_states(pipeline, prompt)) for prompt in _PRIORS]
            on_step(min(0.99, share()))
            let_go(pipeline)
            pipeline.register_modules(transformer=generator.transformer())
            pipeline.to(device)
            source = _adapter_of(generator, adapter)
            if source is not None:
                pipeline.load_identity_adapter(
                    source,
                    local_files_only=True,
                    base_model=generator.base,
                    base_version=generator.defaults().version or None,
                )
            told = pipeline.identity_adapter
            people = None if told is None else _told_of(pipeline, told, identity, person.placings)
            world = _priors(pipeline, generator, framing, words, seed)
        if share() >= 1:
            raise InputRefused(
                f"{minutes:g} minutes were over before the examples were made",
                hint="give it more, such as --minutes 20",
            )
        return _learn(pipeline, framing, person, world, people, rank, batch, seed, share, on_step)
    except torch.OutOfMemoryError as error:
        raise ModelTooLarge(
            f"model {generator.name!r} ran out of memory while it learned: {error}",
            hint=f"give it a smaller --rank; `cameo doctor --model {generator.name}` shows what is free",
        ) from None


def _require_same_face(identity: Identity, looks: Sequence[Look]) -> None:
    """A clip of somebody else must teach nothing, whoever's consent it came with."""
    enrolled = identity.of("face").get(SPACE)
    if enrolled is None:
        raise InputRefused(
            "whether the clip shows who is enrolled cannot be told", hint=f"enroll them with {SPACE} among the encoders"
        )
    far = float(np.linalg.norm(describe(looks) - enrolled.vector))
    if far > SAME_FACE:
        raise InputRefused(
            f"the clip shows somebody else than @{identity.handle}: {far:.2f} apart, one person is at most "
            f"{SAME_FACE:g}",
            hint="give a clip of theirs",
        )


def _takes_of(
    pipeline: CameoLTX2Pipeline, framing: _Framing, sitting: Sitting, looks: Sequence[Look], *, heard: bool
) -> _Takes:
    scenes = list(scenes_of(Clip.open(str(sitting.clip)), framing, centre_of(looks)))
    seconds = framing.frames / framing.fps
    states = prompt_states(pipeline, sitting.caption)
    return _Takes(
        torch.stack([picture_latents(pipeline, scene.pictures) for scene in scenes]).float(),
        torch.stack([sound_latents(pipeline, scene.sound if heard else None, seconds) for scene in scenes]).float(),
        [states] * len(scenes),
        heard,
        [_placing(scene.pictures) for scene in scenes],
    )


def _placing(pictures: NDArray[np.uint8]) -> list[tuple[float, Placing]] | None:
    """Where a head mostly is in a scene; None where no face is seen."""
    faces = [(*look.centre, look.reach[0]) for look in faces_in(spread_frames(pictures))]
    if not faces:
        return None
    x, y, height = np.median(faces, axis=0)
    return [(math.nan, Placing.around((float(x), float(y)), float(height)))]


def _told_of(
    pipeline: CameoLTX2Pipeline, adapter: IdentityAdapter, identity: Identity, placings: Placings
) -> IdentityFeatures:
    """What the adapter is told of the person, a row for every scene."""
    if adapter.config.head_placings is None:
        known = features_from_identity(identity, pipeline, adapter.config)
        return known[torch.zeros(len(placings), dtype=torch.int64)]
    each = [features_from_identity(identity, pipeline, adapter.config, placing) for placing in placings]
    return IdentityFeatures.stack(each)


def _adapter_of(generator: Generator, named: str | None) -> Path | None:
    if named is not None:
        return adapter_folder(named, local_files_only=True)
    own = generator.folder / "adapter"
    return own if own.is_dir() else None


def _priors(
    pipeline: CameoLTX2Pipeline,
    generator: Generator,
    framing: _Framing,
    words: list[_Words],
    seed: int,
) -> _Takes:
    """Scenes of nobody that the generator makes as it is."""
    defaults, seconds = generator.defaults(), framing.frames / framing.fps
    video, audio = [], []
    for number, prompt in enumerate(words):
        told: dict[str, Any] = {name: tensor.to(pipeline._execution_device) for name, tensor in prompt.embeds.items()}
        made: Any = pipeline(
            height=framing.height,
            width=framing.width,
            num_frames=framing.frames,
            frame_rate=framing.fps,
            num_inference_steps=defaults.steps,
            generator=torch.Generator("cpu").manual_seed(seed + number),
            output_type="np",
            **told,
            **guidance(pipeline, defaults.guidance_scale),
        )
        sound = resample(torch.as_tensor(made.audio[0]).float().cpu(), defaults.sample_rate, SAMPLE_RATE).mean(0)
        long = round((seconds + MARGIN) * SAMPLE_RATE)
        heard = functional.pad(sound, (0, max(0, long - len(sound))))[:long]
        video.append(picture_latents(pipeline, as_pixels(np.asarray(made.frames[0]))))
        audio.append(sound_latents(pipeline, heard.numpy(), seconds))
    return _Takes(torch.stack(video).float(), torch.stack(audio).float(), [prompt.states for prompt in words], True)


def _learn(
    pipeline: CameoLTX2Pipeline,
    framing: _Framing,
    person: _Takes,
    world: _Takes,
    people: IdentityFeatures | None,
    rank: int,
    batch: int,
    seed: int,
    share: Callable[[], float],
    on_step: Callable[[float], None],
) -> bytes:
    transformer, adapter = pipeline.transformer, pipeline.identity_adapter
    dtype, device = transformer.dtype, transformer.device
    if adapter is not None:
        adapter.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # a LoRA begins at random
        learned = add_lora(transformer, rank, PERSON)
    for weight in learned:
        weight.data = weight.data.float()
    if device.type != "cpu":
        transformer.enable_gradient_checkpointing()
    highest = _RATE * math.sqrt(256 / (transformer.config.num_attention_heads * transformer.config.attention_head_dim))
    optimiser = torch.optim.AdamW(learned, lr=highest, betas=(0.9, 0.98), weight_decay=0.0)
    rng, began = np.random.default_rng(seed), share()
    while (over := (share() - began) / (1 - began)) < 1:
        on_step(min(0.99, share()))
        for group in optimiser.param_groups:
            group["lr"] = highest * min(1.0, 20 * over) * (1.0 - over)
        optimiser.zero_grad(set_to_none=True)
        drawn = rng.integers(len(person.video), size=batch)
        told = (
            nullcontext()
            if adapter is None or people is None
            else conditioned(transformer, adapter(_partly(people[torch.from_numpy(drawn)], rng).to(device)))
        )
        # Around the way back too: where activations are computed again, the same person must be told.
        with told, mixed(device):
            picture, sound = losses(
                transformer, _noised(person, drawn, rng).to(device), pipeline.scheduler.config, framing.fps
            )
            (picture.mean() + sound.mean()).backward()
        with mixed(device):
            others = rng.integers(len(world.video), size=batch)
            (_TETHER * _drift(pipeline, _noised(world, others, rng).to(device), framing.fps)).backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
    for weight in learned:
        weight.data = weight.data.to(dtype)
    return dump_lora(transformer, PERSON)


def _noised(scenes: _Takes, picked: NDArray[np.int64], rng: np.random.Generator) -> Scenes:
    """Some of them, each mixed with noise in its own way."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    video, audio = scenes.video[picked], scenes.audio[picked]
    picture, sound, mask = (torch.stack([scenes.prompts[n][part] for n in picked]) for part in range(3))
    return Scenes(
        video=video,
        audio=audio,
        heard=torch.full((len(picked),), scenes.heard),
        picture_prompt=picture,
        sound_prompt=sound,
        prompt_mask=mask,
        level=torch.randn(len(picked), generator=generator),
        video_noise=torch.randn(video.shape, generator=generator),
        audio_noise=torch.randn(audio.shape, generator=generator),
    )


def _partly(people: IdentityFeatures, rng: np.random.Generator) -> IdentityFeatures:
    """What is known of the person, each time without some of the crops: one of them may be of this very moment, and to
    draw it from itself would teach copying."""
    kept = torch.from_numpy(rng.uniform(size=tuple(people.head_mask.shape)) < _TOLD).to(people.head_mask.device)
    return replace(people, head_mask=people.head_mask & kept)


def _drift(pipeline: CameoLTX2Pipeline, scenes: Scenes, fps: float) -> Tensor:
    """How far the generator has come from what it was, where the person is not."""
    transformer, scheduler = pipeline.transformer, pipeline.scheduler.config
    with torch.no_grad():
        set_lora_scales(pipeline, {PERSON: 0.0})
        before = predictions(transformer, scenes, scheduler, fps)
        set_lora_scales(pipeline, {PERSON: 1.0})
    now = predictions(transformer, scenes, scheduler, fps)
    return functional.mse_loss(now[0], before[0]) + functional.mse_loss(now[1], before[1])
