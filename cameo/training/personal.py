"""One person's LoRA on a small generator, from what their enrollment kept (PEFT; Hu et al., 2021). For any generator,
from a clip: ``personal_clip``.

The base draws people as people are; what makes this one is learned on top. Head crops, laid where a close-up shows a
head, and the speech are the examples. A crop that is to be drawn is never among those that are shown: that would teach
copying. With each of them goes a moment of a scene that the generator made by itself, of nobody, of which it is to
think as it did before (Li and Hoiem, 2016), so that the LoRA changes a person and not the world. (To make that moment
again, as prior preservation has it, would teach a small generator its own blur.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cameo.backbones import Backbone
from cameo.conditioning import (
    IdentityFeatures,
    add_lora,
    conditioned,
    dump_lora,
    features_from_identity,
)
from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.errors import AdapterMismatch
from cameo.conditioning.features import encode_crops, encode_speech
from cameo.conditioning.placing import Placing, lay_crop
from cameo.errors import InputRefused
from cameo.generation import PERSON, as_pixels, forget, heed, manner
from cameo.training.flow import Batch, Noised, flow_loss, noised, velocities
from cameo.training.run import mixed
from enroll.identity import Identity

__all__ = ["LARGEST_PICTURE", "personalize"]

LARGEST_PICTURE = 256
"""Edge in pixels up to which the crops that an enrollment keeps are examples enough."""

_CAPTION = "close-up of a person"
_PRIORS = (
    "close-up of a person by the sea",
    "close-up of a person in the forest",
    "medium shot of a person in a room",
)
_LOOKS_OF_A_CROP = 6
_MOMENTS_OF_A_PRIOR = 6
_TETHER = 4.0
"""Weight of what the generator thought before."""


@dataclass(frozen=True)
class _Scene:
    """How many latents a whole scene has, ``frames`` of the picture in time and ``heard`` of the sound, and how many of
    the sound go with one of the picture: a ``moment``."""

    frames: int
    heard: int
    moment: int

    @classmethod
    def of(cls, backbone: Backbone) -> _Scene:
        pipeline, defaults = backbone.pipeline, backbone.defaults
        frames = (defaults.frames - 1) // pipeline.vae_temporal_compression_ratio + 1
        mels = pipeline.audio_sampling_rate / pipeline.audio_hop_length
        a_second = mels / pipeline.audio_vae_temporal_compression_ratio
        heard = round(defaults.frames / defaults.frame_rate * a_second)
        return cls(frames, heard, max(1, round(heard / frames)))

    def begins(self, count: int, rng: np.random.Generator) -> Tensor:
        """(count, 2) int64: where moments drawn at random begin, in latents of the picture and of the sound."""
        at = rng.integers(self.frames, size=count)
        heard = np.minimum(np.round(at * self.heard / self.frames), self.heard - self.moment)
        return torch.from_numpy(np.stack([at, heard], 1).astype(np.int64))


@dataclass(frozen=True)
class _Examples:
    """Moments to learn from: (N, C, 1, h, w) latents, (N, h, w) how much each cell counts, (N,) which crop it is; and
    (N, 1, C, h, w), another crop that lies where this one does, for an adapter that lays crops into the picture."""

    video: Tensor
    weight: Tensor
    crop: Tensor
    guides: Tensor | None


@dataclass(frozen=True)
class _Priors:
    """Moments of nobody: (N, C, 1, h, w) latents, (N, T, D) the sound of their whole scenes, and what they show."""

    video: Tensor
    audio: Tensor
    captions: list[str]


def personalize(
    backbone: Backbone,
    identity: Identity,
    *,
    minutes: float = 3.0,
    rank: int = 16,
    lr: float = 1e-3,
    batch: int = 8,
    seed: int = 0,
    on_step: Callable[[float], None] = lambda share: None,
) -> bytes:
    """Learn a person.

    Args:
        backbone: from ``cameo.generation.open_backbone(…, distilled=False)``; left as it was.
        identity: from a lease whose purpose is ``personalize``.
        minutes: how long.
        rank: of the LoRA.
        lr: learning rate, falling to nothing.
        batch: moments of the person a step, and as many of nobody.
        seed: of all that is drawn.
        on_step: called with the share that is done; what it raises stops it, and nothing is left on the pipeline.

    Returns:
        The LoRA as safetensors. Biometric: for a cipher, never for a file.

    Raises:
        AdapterMismatch: the generator brings no identity adapter, draws larger pictures than crops can teach, or the
            identity has no head crop.
        InputRefused: the time was over before anything was learned.
    """
    pipeline, adapter = backbone.pipeline, backbone.adapter
    if adapter is None:
        raise AdapterMismatch(f"model {backbone.name!r} brings no identity adapter")
    if backbone.distilled:
        raise AdapterMismatch(
            f"model {backbone.name!r} is open for few steps, which learning somebody would take from it",
            hint="open it with distilled=False; what is learned then serves both",
        )
    if max(backbone.defaults.height, backbone.defaults.width) > LARGEST_PICTURE:
        raise AdapterMismatch(
            f"model {backbone.name!r} draws {backbone.defaults.width}×{backbone.defaults.height}, "
            f"the crops of an enrollment teach up to {LARGEST_PICTURE}",
            hint="give a clip of theirs: --clip FILE",
        )
    began = time.monotonic()
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    for frozen in (adapter, pipeline.text_encoder, pipeline.connectors):
        frozen.requires_grad_(False)
    with torch.no_grad():
        features = features_from_identity(identity, pipeline, adapter.config)
        examples = _examples(backbone, adapter, identity, rng)
        priors = _priors(backbone, seed)
    scene = _Scene.of(backbone)
    speaks = features.speech_latents.shape[1] >= scene.moment
    if time.monotonic() - began >= 60 * minutes:
        raise InputRefused(
            f"{minutes:g} minutes were over before the examples were made", hint="give it more, such as --minutes 3"
        )
    learned = add_lora(pipeline.transformer, rank, PERSON)
    heed(backbone, 1.0)
    try:
        optimiser = torch.optim.AdamW(learned, lr=lr, betas=(0.9, 0.98), weight_decay=0.0)
        while (share := (time.monotonic() - began) / 60 / minutes) < 1:
            on_step(share)
            for group in optimiser.param_groups:
                group["lr"] = lr * min(1.0, 20 * share) * (1.0 - share)
            person = _moments(scene, examples, features, batch, rng)
            world = _world(scene, priors, person.people, rng)
            with mixed(pipeline.transformer.device):
                with conditioned(pipeline.transformer, adapter(person.people)):
                    video, audio = flow_loss(pipeline, person, rng)
                heard = audio if speaks else 0.0
                drift = _drift(backbone, noised(pipeline, world, rng))
            optimiser.zero_grad(set_to_none=True)
            (video + heard + _TETHER * drift).backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step()
        return dump_lora(pipeline.transformer, PERSON)
    finally:
        forget(backbone)


def _drift(backbone: Backbone, noisy: Noised) -> Tensor:
    """How far the generator has come from what it was, where the person is not."""
    with torch.no_grad():
        heed(backbone, 0.0)
        video, audio = velocities(backbone.pipeline, noisy)
        heed(backbone, 1.0)
    now_video, now_audio = velocities(backbone.pipeline, noisy)
    return functional.mse_loss(now_video, video) + functional.mse_loss(now_audio, audio)


def _examples(backbone: Backbone, adapter: IdentityAdapter, identity: Identity, rng: np.random.Generator) -> _Examples:
    """Every head crop several times, each laid a little otherwise, as people sit a little otherwise."""
    crops = [crop.pixels for crop in identity.crops_of("head")]
    if not crops:
        raise AdapterMismatch("this identity has no head crop to learn from", hint="enroll with scope face")
    size, edge = (backbone.defaults.width, backbone.defaults.height), len(crops[0])
    shots, grid = adapter.config.head_placings, adapter.config.head_grid
    told = (grid * backbone.pipeline.vae_spatial_compression_ratio,) * 2
    usual = Placing(*next(iter(shots.values()))) if shots else Placing(1.0, 0.0, 0.0)
    pictures, guides, rectangles = [], [], []
    for number, crop in enumerate(crops):
        # Whoever was filmed from one side only is learned from that.
        others = crops[:number] + crops[number + 1 :] or crops
        for _ in range(_LOOKS_OF_A_CROP):
            placing = _about(usual, rng)
            pictures.append(lay_crop(crop, placing.matrix(size, edge), size))
            guides.append(lay_crop(others[int(rng.integers(len(others)))], placing.matrix(told, edge), told))
            rectangles.append((placing.x, placing.y, placing.x + placing.scale, placing.y + placing.scale))
    latents = encode_crops(backbone.pipeline, np.stack(pictures))
    inside = _inside(torch.tensor(rectangles), *latents.shape[2:])
    return _Examples(
        latents[:, :, None],
        inside,
        torch.arange(len(crops)).repeat_interleave(_LOOKS_OF_A_CROP),
        encode_crops(backbone.pipeline, np.stack(guides))[:, None] if shots else None,
    )


def _about(placing: Placing, rng: np.random.Generator) -> Placing:
    scale = placing.scale * rng.uniform(0.95, 1.05)
    return Placing(scale, placing.x + rng.uniform(-0.05, 0.05), placing.y + rng.uniform(-0.03, 0.03))


def _inside(rectangles: Tensor, height: int, width: int) -> Tensor:
    """(N, height, width): 1 for cells that lie in the crop, 0 for those that show its border drawn out."""
    y = ((torch.arange(height) + 0.5) / height)[None, :, None]
    x = ((torch.arange(width) + 0.5) / width)[None, None, :]
    left, top, right, bottom = (edge[:, None, None] for edge in rectangles.unbind(1))
    return ((x > left) & (x < right) & (y > top) & (y < bottom)).float()


def _priors(backbone: Backbone, seed: int) -> _Priors:
    """Scenes of nobody that the generator makes as it is."""
    pipeline, defaults = backbone.pipeline, backbone.defaults
    pipeline.set_progress_bar_config(disable=True)
    video, audio = [], []
    for number, prompt in enumerate(_PRIORS):
        made = pipeline(prompt=prompt, num_frames=defaults.frames, **manner(backbone, seed + number))
        latents = encode_crops(pipeline, as_pixels(made.frames[0][:: max(1, defaults.frames // _MOMENTS_OF_A_PRIOR)]))
        video.append(latents[:, :, None])
        sound = encode_speech(pipeline, made.audio[0].float().cpu(), defaults.sample_rate)[0]
        audio.append(sound[None].expand(len(latents), -1, -1))
    shortest = min(each.shape[1] for each in audio)
    captions = [prompt for prompt, each in zip(_PRIORS, video, strict=True) for _ in range(len(each))]
    return _Priors(torch.cat(video), torch.cat([each[:, :shortest] for each in audio]), captions)


def _moments(
    scene: _Scene, examples: _Examples, features: IdentityFeatures, count: int, rng: np.random.Generator
) -> Batch:
    """Moments of the person, with what is known of them less the crop that is to be drawn."""
    picked = torch.from_numpy(rng.integers(len(examples.video), size=count))
    people = features[torch.zeros(count, dtype=torch.int64)]
    if examples.guides is not None:
        known = people.head_mask.new_ones(count, 1)
        people = replace(people, head_latents=examples.guides[picked], head_mask=known)
    elif people.head_mask.shape[1] > 1:
        # Crops of which an adapter is told are the first that were kept.
        others = torch.arange(people.head_mask.shape[1])[None] != examples.crop[picked][:, None]
        people = replace(people, head_mask=people.head_mask & others.to(people.head_mask.device))
    speech = features.speech_latents[0]
    if len(speech) >= scene.moment:
        starts = rng.integers(len(speech) - scene.moment + 1, size=count)
        audio = torch.stack([speech[at : at + scene.moment] for at in starts])
    else:
        audio = torch.zeros(count, scene.moment, features.speech_latents.shape[2])
    return Batch(
        video=examples.video[picked],
        audio=audio,
        captions=[_CAPTION] * count,
        people=people,
        begins=scene.begins(count, rng),
        weight=examples.weight[picked][:, None],
    )


def _world(scene: _Scene, priors: _Priors, people: IdentityFeatures, rng: np.random.Generator) -> Batch:
    """As many moments of nobody."""
    count = len(people)
    picked = rng.integers(len(priors.video), size=count)
    begins = scene.begins(count, rng)
    starts = begins[:, 1].clamp(max=priors.audio.shape[1] - scene.moment)
    audio = [priors.audio[one, at : at + scene.moment] for one, at in zip(picked, starts, strict=True)]
    video = priors.video[torch.from_numpy(picked)]
    return Batch(
        video=video,
        audio=torch.stack(audio),
        captions=[priors.captions[one] for one in picked],
        people=people,
        begins=begins,
        weight=torch.ones(count, 1, *video.shape[3:]),
    )
