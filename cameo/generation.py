"""From a script and its people to frames and sound. The only place where a backbone runs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers import LTX2Pipeline
from numpy.typing import NDArray

from cameo.backbones import Backbone, Defaults, Equipment, may_download, spare, weights_digest
from cameo.conditioning import (
    IdentityFeatures,
    Presence,
    features_from_identity,
    load_lora,
    set_lora_scales,
    unload_lora,
)
from cameo.conditioning.errors import AdapterMismatch
from cameo.conditioning.placing import Placings
from cameo.conditioning.proof import prove
from cameo.errors import InputRefused, ModelTooLarge
from cameo.pipeline import adapter_folder
from cameo.references import References
from cameo.restoration import restore_faces, vocoder_keeps_to_spectrogram, where_laid
from cameo.script import Script
from cameo.sound import fitted, mono
from cameo.staging import stage
from enroll.identity import Identity

__all__ = [
    "PERSON",
    "Film",
    "as_pixels",
    "film",
    "forget",
    "guidance",
    "heed",
    "manner",
    "open_backbone",
    "tuned",
    "unknown_words",
]

# Spatio-temporal guidance perturbs this block of LTX-2; a transformer without it is run with plain guidance.
_STG_BLOCK = 28

PERSON = "person"
"""Name, on the pipeline, of a LoRA that was learned of somebody."""

_BACKBONE = "backbone"
"""Likewise of the one that a checkpoint brings."""

_GIVEN = "given-{}"
"""And of those that somebody put on it."""


_NOTHING, _NO_REFERENCES = Equipment(), References()

_Made = TypeVar("_Made")


@dataclass(frozen=True, repr=False)
class Film:
    """A scene before it is a file.

    Attributes:
        frames: RGB uint8, shape (T, H, W, 3).
        sound: float32 in [-1, 1], shape (2, N) or (1, N), as long as the picture.
        fps: frames per second.
        sample_rate: hertz.
        timings: seconds spent, by stage.
    """

    frames: NDArray[np.uint8]
    sound: NDArray[np.float32]
    fps: float
    sample_rate: int
    timings: Mapping[str, float]


def open_backbone(
    model: str,
    equipment: Equipment = _NOTHING,
    *,
    in_context: bool = False,
    referred: bool = False,
    distilled: bool = True,
) -> Backbone:
    """Load a backbone with what it brings and what is put on it: adapter attached, LoRAs active.

    Args:
        model: see ``cameo.backbones.load``.
        equipment: an adapter instead of its own, and LoRAs beside its own.
        in_context: as the pipeline that reads references in context.
        referred: people are told to it by references, or by a LoRA of theirs: then it may be without an adapter.
        distilled: with the LoRA that does with few steps, where it brings one; without, to learn on it.

    Raises:
        WeightsMissing, BadInput, ModelTooLarge: see ``cameo.backbones.load``.
        AdapterMismatch: there is no identity adapter, or one for another backbone, or one that moves nothing, so that
            nobody could be recognised in its scenes.
        AdapterUnreadable, LoraMismatch: an adapter or a LoRA cannot be read, is for another backbone, or does nothing.
    """
    from cameo import backbones

    backbone = backbones.load(model, in_context=in_context, distilled=distilled)
    pipeline = backbone.pipeline
    if equipment.adapter is not None:
        backbone.adapter_sha256 = _put_on(backbone, equipment.adapter)
        backbone.adapter = pipeline.identity_adapter
    elif backbone.adapter is not None:
        prove(backbone.adapter)
        pipeline.attach_identity_adapter(backbone.adapter)
    elif not referred:
        raise AdapterMismatch(
            f"model {model!r} brings no identity adapter",
            hint="give one with --adapter, or nano, or show people by references: --voice-reference, --first-frame",
        )
    if backbone.lora is not None:
        load_lora(pipeline, backbone.lora, _BACKBONE)
        backbone.worn[_BACKBONE] = 1.0
    for number, (source, strength) in enumerate(equipment.loras):
        load_lora(pipeline, source, _GIVEN.format(number))
        backbone.worn[_GIVEN.format(number)] = strength
        backbone.loras_sha256 += (weights_digest(source),)
    if backbone.worn:
        set_lora_scales(pipeline, backbone.worn)
    backbones.settle(backbone)
    return backbone


def _put_on(backbone: Backbone, adapter: str) -> str:
    """Attach it, proven; hex SHA-256 of its weights."""
    name = backbone.name
    backbone.pipeline.load_identity_adapter(
        adapter,
        local_files_only=not may_download(),
        base_model=Path(name).resolve().name if Path(name).is_dir() else name,
        base_version=backbone.defaults.version or None,
    )
    return weights_digest(adapter_folder(adapter, local_files_only=True))


def film(
    backbone: Backbone,
    script: Script,
    people: Sequence[Identity],
    *,
    seed: int,
    seconds: float | None,
    identity_scale: float,
    on_step: Callable[[int, int], None],
    presences: Mapping[str, Presence] | None = None,
    lora: bytes | None = None,
    routed: bool = True,
    references: References = _NO_REFERENCES,
) -> Film:
    """Generate a scene.

    Args:
        backbone: from ``open_backbone``.
        script: the prompt, read.
        people: in the order of the script's cast.
        seed: of all noise. The same seed on the same machine gives the same film.
        seconds: rounded to what the backbone's temporal compression allows; None for its default.
        identity_scale: strength of the likeness, 0 is none.
        on_step: called before the first and after each denoising step with steps done and steps in all; what it
            raises stops the generation.
        presences: by handle, where somebody may be drawn and when heard, instead of what the prompt says.
        routed: whether several people keep to their sides and their lines. False to measure what that does.
        lora: what ``cameo.training.personal`` learned of the one person in the scene; on the pipeline for this film.
        references: what of the people is shown as it is; pictures take a backbone that was opened in context.

    A scene that runs out of memory is begun again with less of the backbone on the device at a time, see
    ``cameo.backbones.spare``; the backbone stays so.

    Raises:
        CastRefused, InputRefused: see ``cameo.staging``.
        ModelTooLarge: the device ran out of memory amid the scene, and nothing more can be spared.
    """
    pipeline, defaults = backbone.pipeline, backbone.defaults
    frames = defaults.frames if seconds is None else _frames(seconds, defaults, pipeline.vae_temporal_compression_ratio)
    staged = stage(script, frames / defaults.frame_rate, presences) if routed else None
    speaker = references.speaker([role.handle for role in script.cast])
    shown = {"first_frame": references.first_frame, "reference_sheets": references.sheets} if references else {}

    def after_step(_pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        on_step(step + 1, defaults.steps)
        return tensors

    began = time.perf_counter()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.set_identity_scale(identity_scale)

    def make() -> tuple[Any, float]:
        on_step(0, defaults.steps)
        keeps = vocoder_keeps_to_spectrogram(pipeline, defaults.vocoder_iterations)
        with tuned(backbone, lora), keeps, torch.inference_mode():
            placings = pipeline.head_placings(script.caption, staged, len(people), frames, defaults.frame_rate)
            known = list(people) if references else _features(backbone, people, placings, alone=lora is not None)
            conditioned_at = time.perf_counter()
            made = pipeline(
                prompt=script.caption,
                identities=known,
                presences=staged if known else None,
                voice_reference=speaker,
                preroll=references.preroll,
                identity_guidance_scale=defaults.identity_guidance_scale,
                num_frames=frames,
                **shown,
                callback_on_step_end=after_step,
                **manner(backbone, seed),
            )
        return made, conditioned_at

    made, conditioned_at = _within_memory(backbone, make)
    drawn = np.asarray(made.frames[0])
    if not np.isfinite(drawn).all():
        raise InputRefused(
            f"model {backbone.name!r} drew values that are no numbers", hint="its weights may be damaged"
        )
    picture = as_pixels(drawn)
    sound = np.atleast_2d(made.audio[0].float().cpu().numpy())
    sound = fitted(sound, round(len(picture) / defaults.frame_rate * defaults.sample_rate))
    drawn_at = time.perf_counter()
    if (restorer := backbone.restorer) is not None:
        fps, (count, height, width, _) = defaults.frame_rate, picture.shape
        placings = pipeline.head_placings(script.caption, staged, len(people), count, fps)
        heads = where_laid(placings, [index / fps for index in range(count)], (width, height))
        heard, scale = mono(sound, defaults.sample_rate), min(identity_scale, 1.0)
        picture = restore_faces(restorer, picture, heard, fps, people, staged, scale, heads)
    finished = time.perf_counter()
    return Film(
        frames=picture,
        sound=sound,
        fps=defaults.frame_rate,
        sample_rate=defaults.sample_rate,
        timings={
            "identity": conditioned_at - began,
            "generate": drawn_at - conditioned_at,
            "restore": finished - drawn_at,
        },
    )


def _within_memory(backbone: Backbone, make: Callable[[], _Made]) -> _Made:
    while True:
        try:
            return make()
        except torch.OutOfMemoryError as error:
            reason = str(error)
        # Out of the handler, so that nothing of the failed pass is held any longer.
        if not spare(backbone):
            raise ModelTooLarge(
                f"model {backbone.name!r} ran out of memory amid the scene: {reason}",
                hint=f"make a shorter one with --seconds; `cameo doctor --model {backbone.name}` shows what is free",
            )


@contextmanager
def tuned(backbone: Backbone, lora: bytes | None) -> Iterator[None]:
    """Within the block, a person's LoRA is on the pipeline, beside those that are on the backbone.

    Raises:
        LoraMismatch: it is none for this backbone, or would do nothing.
    """
    if lora is None:
        yield
        return
    load_lora(backbone.pipeline, lora, PERSON)
    try:
        heed(backbone, 1.0)
        yield
    finally:
        forget(backbone)


def heed(backbone: Backbone, scale: float) -> None:
    """Make the person's LoRA this strong, beside those that are on the backbone."""
    set_lora_scales(backbone.pipeline, backbone.worn | {PERSON: scale})


def forget(backbone: Backbone) -> None:
    """Take the person's LoRA off; those that are on the backbone are active again."""
    unload_lora(backbone.pipeline, PERSON)
    if backbone.worn:
        set_lora_scales(backbone.pipeline, backbone.worn)


def unknown_words(caption: str, defaults: Defaults) -> tuple[str, ...]:
    """Words of a caption that this backbone's text encoder never saw, and will not draw; each once."""
    if defaults.vocabulary is None:
        return ()
    known = set(defaults.vocabulary)
    words = re.findall(r"[^\W_]+", caption.lower())
    return tuple(word for word in dict.fromkeys(words) if word not in known)


def _features(
    backbone: Backbone, people: Sequence[Identity], placings: Placings, *, alone: bool
) -> list[IdentityFeatures]:
    """What an adapter is told of people; nothing where there is none, and a LoRA draws the person ``alone``."""
    adapter = backbone.adapter
    if adapter is None and alone:
        return []
    if adapter is None:
        raise AdapterMismatch(f"model {backbone.name!r} brings no identity adapter")
    return [
        features_from_identity(person, backbone.pipeline, adapter.config, placing)
        for person, placing in zip(people, placings, strict=True)
    ]


def _frames(seconds: float, defaults: Defaults, compression: int) -> int:
    """The nearest number of frames a video VAE can make: a multiple of its compression, and one."""
    return compression * max(1, round((seconds * defaults.frame_rate - 1) / compression)) + 1


def manner(backbone: Backbone, seed: int) -> dict[str, Any]:
    """How a backbone makes a scene when nothing is said, but for its length; as words of its pipeline's call."""
    defaults = backbone.defaults
    return {
        "height": defaults.height,
        "width": defaults.width,
        "frame_rate": defaults.frame_rate,
        "num_inference_steps": defaults.steps,
        "max_sequence_length": defaults.max_sequence_length,
        "generator": torch.Generator("cpu").manual_seed(seed),
        "output_type": "np",
        **guidance(backbone.pipeline, defaults.guidance_scale),
    }


def as_pixels(frames: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Frames as a pipeline gives them, 0 to 1, as uint8."""
    return np.clip(np.rint(frames * 255.0), 0, 255).astype(np.uint8)


def guidance(pipeline: LTX2Pipeline, scale: float) -> dict[str, Any]:
    """How a pipeline is guided, as words of its call. diffusers' defaults are for transformers of LTX-2's size: with
    nano's, which knows neither perturbed nor isolated passes, they blur what is drawn."""
    if len(pipeline.transformer.transformer_blocks) > _STG_BLOCK:
        return {"guidance_scale": scale}
    return {
        "guidance_scale": scale,
        "audio_guidance_scale": scale,
        "guidance_rescale": 0.0,
        "audio_guidance_rescale": 0.0,
        "stg_scale": 0.0,
        "audio_stg_scale": 0.0,
        "modality_scale": 1.0,
        "audio_modality_scale": 1.0,
    }
