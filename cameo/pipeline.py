"""diffusers' LTX-2 pipelines with people in them.

    pipeline = CameoLTX2Pipeline.from_pretrained("Lightricks/LTX-2", dtype=torch.bfloat16)
    pipeline.load_identity_adapter("folder/of/an/adapter")
    pipeline.set_identity_scale(0.9, audio_scale=1.0)
    scene = pipeline('a person says "hello" by the sea', identities=[identity])
    pipeline.unload_identity_adapter()

Everything else is what diffusers makes of it: offloading, ``torch.compile``, attention backends, LoRA, guidance,
callbacks. Without ``identities`` a call computes what the stock pipeline computes, to the bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from diffusers import LTX2InContextPipeline, LTX2Pipeline
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, HTTPError
from PIL.Image import Image

from cameo.conditioning.adapter import IdentityAdapter, load_adapter
from cameo.conditioning.attach import attach, attached, conditioned, detach
from cameo.conditioning.errors import AdapterMismatch, AdapterUnreadable, CastRefused
from cameo.conditioning.features import encode_speech, features_from_identity
from cameo.conditioning.guidance import identity_guided
from cameo.conditioning.opening import opening_frame
from cameo.conditioning.placing import Placings, latent_times, placings_for
from cameo.conditioning.preroll import cut, later, preroll_frames
from cameo.conditioning.proof import prove
from cameo.conditioning.reference import led_in
from cameo.conditioning.routing import Box, Presence, Routing, check_cast
from cameo.conditioning.sheet import reference_sheet
from cameo.conditioning.types import IdentityFeatures, IdentityTokens
from enroll.identity import Identity

__all__ = ["CameoLTX2InContextPipeline", "CameoLTX2Pipeline", "IdentityMixin", "adapter_folder"]

_ADAPTER_FILES = ("config.json", "*.safetensors")
_LEAD_IN = 5.0
"""Seconds of reference speech: what ID-LoRAs were trained on."""

_QUOTES = ('"', "“", "”")

_WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class IdentityMixin:
    """What a diffusers LTX-2 pipeline gains. Mixed in ahead of the stock class."""

    transformer: Any
    vocoder: Any
    vae_temporal_compression_ratio: int
    config: Any

    _identity_scale: float = 1.0
    _audio_identity_scale: float = 1.0

    def load_identity_adapter(
        self,
        source: str | Path,
        *,
        subfolder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        base_model: str | None = None,
        base_version: str | None = None,
    ) -> None:
        """Load an adapter, prove that all of it works, and attach it in place of any other. Safetensors only.

        Args:
            source: a folder that ``IdentityAdapter.save_pretrained`` wrote, or a hub id.
            subfolder: of ``source``.
            revision: of the hub's repository; pin it.
            local_files_only: nothing is downloaded.
            base_model: what this pipeline is, as adapters name it; None for where it was loaded from.
            base_version: and its version; None: not compared.

        Raises:
            AdapterUnreadable: it is not there, damaged, incomplete, holds numbers that are none, or is no safetensors.
            AdapterMismatch: it is for another base model, version or shape, or part of it moves nothing. Then the
                pipeline is as it was, a former adapter included.
        """
        folder = adapter_folder(source, revision, local_files_only=local_files_only)
        adapter = load_adapter(folder if subfolder is None else folder / subfolder, transformer=self.transformer)
        self._check_base(adapter, base_model, base_version)
        adapter.to(self.transformer.device, self.transformer.dtype)
        prove(adapter)
        self.attach_identity_adapter(adapter)

    def attach_identity_adapter(self, adapter: IdentityAdapter) -> None:
        """The same for an adapter that is in memory already, unproven: an untrained one moves nothing.

        Raises:
            AdapterMismatch: it was made for a transformer of another shape.
        """
        attach(self.transformer, adapter)
        self.set_identity_scale(1.0)

    @property
    def identity_adapter(self) -> IdentityAdapter | None:
        """The adapter that is loaded, if one is."""
        return attached(self.transformer)

    def set_identity_scale(self, scale: float, audio_scale: float | None = None) -> None:
        """How strong the likeness is, from the next call on.

        Args:
            scale: in the picture; 0 is the base model to the bit, 1 as trained.
            audio_scale: in the sound; None for the same.
        """
        self._identity_scale = scale
        self._audio_identity_scale = scale if audio_scale is None else audio_scale

    def unload_identity_adapter(self) -> None:
        """Take the adapter off: the transformer's own processors are back. Nothing happens without one."""
        detach(self.transformer)

    def head_placings(
        self, caption: str, presences: Sequence[Presence] | None, people: int, num_frames: int, frame_rate: float
    ) -> Placings:
        """Where each one's head is in a scene, for an adapter that lays crops there: by the shot that the caption asks
        for, and by their region. None for each where the adapter lays none.

        Args:
            caption: of the scene.
            presences: of the people; None: everywhere.
            people: how many.
            num_frames: of the scene; ``frame_rate`` a second.
        """
        adapter = self.identity_adapter
        if adapter is None or adapter.config.head_placings is None:
            return [None] * people
        latents = (num_frames - 1) // self.vae_temporal_compression_ratio + 1
        times = latent_times(self.transformer, latents, frame_rate)
        return [
            placings_for(adapter.config.head_placings, caption, presence, times)
            for presence in (presences if presences is not None else [None] * people)
        ]

    def identity_tokens(
        self, people: Sequence[Identity | IdentityFeatures], placings: Placings | None = None
    ) -> list[IdentityTokens]:
        """What the adapter tells of each person; biometric, and only in memory.

        Args:
            people: as enrolled, or as the adapter's features, a row each.
            placings: where the heads of the enrolled are, from ``head_placings``; None: where an unnamed shot has them.

        Raises:
            AdapterMismatch: no adapter is loaded, or a person was enrolled in other spaces than it reads.
        """
        adapter = self.identity_adapter
        if adapter is None:
            raise AdapterMismatch(
                "no identity adapter is loaded", hint="call load_identity_adapter() before giving identities"
            )
        for person in people:
            if isinstance(person, IdentityFeatures) and len(person) != 1:
                raise AdapterMismatch(f"features of {len(person)} people were given for one", hint="give a row each")
        with torch.inference_mode():
            return [
                adapter(
                    person
                    if isinstance(person, IdentityFeatures)
                    else features_from_identity(person, self, adapter.config, placing)  # type: ignore[arg-type]
                )
                for person, placing in zip(people, placings or [None] * len(people), strict=True)
            ]

    def __call__(
        self,
        *arguments: Any,
        identities: Sequence[Identity | IdentityFeatures] = (),
        presences: Sequence[Presence] | None = None,
        voice_reference: int | None = None,
        reference_sheets: float | None = None,
        first_frame: float | None = None,
        preroll: float = 0.0,
        identity_guidance_scale: float = 1.0,
        audio_identity_guidance_scale: float | None = None,
        **named: Any,
    ) -> Any:
        """The stock pipeline's call, with people.

        Args:
            arguments: of the stock pipeline, likewise ``named``.
            identities: who is in the scene, at most four; the same people in every scene of a batch. As enrolled, or as
                the adapter's features.
            presences: where each of them may be drawn and when heard, in the same order. None: everywhere and always.
            voice_reference: which of ``identities`` is heard ahead of the scene, at negative time, as ID-LoRAs want it;
                their enrolled speech, up to five seconds of it. None: nobody.
            reference_sheets: how clean, up to 1, a sheet of each one's enrolled crops stands beside the scene, for
                LoRAs that look at references in context; on ``CameoLTX2InContextPipeline``. None: no sheets.
            first_frame: how firmly, up to 1, the scene begins with everybody's enrolled body or head in their region,
                on grey; on ``CameoLTX2InContextPipeline``. Several people need ``presences``. None: as it likes.
            preroll: seconds that are made ahead of the scene and cut away, rounded up to whole latents: a reference
                voice takes up to half a second to settle. Times of ``presences`` count from what is shown.
            identity_guidance_scale: above 1 the likeness is pushed beyond what the model makes of it by itself, apart
                from ``guidance_scale``; costs a pass more a step where it is not 1.
            audio_identity_guidance_scale: likewise the voice; None for the same.

        Returns:
            As the stock pipeline.

        Raises:
            CastRefused: too many people, two in one region, a time to speak without a line in the prompt, a reference
                to somebody whose voice or looks are not known, sheets or a first frame for a pipeline that reads none,
                a pre-roll that is negative, or of latents.
            AdapterMismatch: no adapter is loaded and no reference asked for, or it does not read what is known of these
                people.
        """
        stock = super().__call__  # type: ignore[misc]
        if not identities:
            return stock(*arguments, **named)
        asked = signature(stock).bind(*arguments, **named)
        asked.apply_defaults()
        scene = asked.arguments
        placed = _checked(identities, presences, scene["prompt"])
        if first_frame is not None:
            opening = _opening(identities, placed, scene["height"], scene["width"])
            given = _conditions(scene, "conditions", LTX2VideoCondition, "a first frame")
            scene["conditions"] = [LTX2VideoCondition(opening, 0, first_frame), *given]
        ahead = self._preroll(scene, preroll)
        if placed is not None:
            placed = [presence.later(ahead / scene["frame_rate"]) for presence in placed]
        referred = voice_reference is not None or reference_sheets is not None or first_frame is not None
        # References tell of people too: with them, and only then, it may be without an adapter.
        people = (
            []
            if referred and self.identity_adapter is None
            else self.identity_tokens(identities, self._placings(scene, placed, len(identities)))
        )
        lead_in = None if voice_reference is None else self._lead_in(identities, voice_reference)
        if reference_sheets is not None:
            scene["reference_conditions"] = [
                *_conditions(scene, "reference_conditions", LTX2ReferenceCondition, "reference sheets"),
                *_sheets(identities, scene["height"], scene["width"], reference_sheets),
            ]
        scenes = _scenes(scene)
        with ExitStack() as stack:
            if people:
                tokens, routing = _routed(people, placed, scene["height"], scene["width"])
                scales = (self._identity_scale, self._audio_identity_scale)
                stack.enter_context(conditioned(self.transformer, _repeated(tokens, scenes), *scales, routing))
            if lead_in is not None:
                stack.enter_context(led_in(self.transformer, lead_in))
            stack.enter_context(
                identity_guided(self.transformer, scenes, identity_guidance_scale, audio_identity_guidance_scale)
            )
            made = stock(*asked.args, **asked.kwargs)
        if not ahead:
            return made
        return cut(made, ahead, round(ahead / scene["frame_rate"] * self.vocoder.config.output_sampling_rate))

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """As diffusers does, and so that its own pipeline opens the folder. The adapter, which is no part of the base,
        is written to ``adapter/`` in it."""
        adapter = self.identity_adapter
        detach(self.transformer)
        try:
            super().save_pretrained(save_directory, **options)  # type: ignore[misc]
        finally:
            if adapter is not None:
                attach(self.transformer, adapter)
        if adapter is not None:
            adapter.save_pretrained(Path(save_directory) / "adapter")
        index = Path(save_directory) / "model_index.json"
        stated = json.loads(index.read_text()) | {"_class_name": _stock(type(self)).__name__}
        index.write_text(json.dumps(stated, indent=2) + "\n")

    def _placings(self, scene: Mapping[str, Any], presences: Sequence[Presence] | None, people: int) -> Placings:
        prompts = scene["prompt"]
        # The people are the same in every scene of a batch, and so is where they are.
        caption = prompts if isinstance(prompts, str) else next(iter(prompts or ()), "")
        return self.head_placings(caption, presences, people, scene["num_frames"], scene["frame_rate"])

    def _preroll(self, scene: dict[str, Any], seconds: float) -> int:
        """Have the scene begin this much earlier, and say by how many frames."""
        if not 0 <= seconds < float("inf"):
            raise CastRefused(f"a pre-roll of {seconds:g} s", hint="give 0 or more")
        compression = self.vae_temporal_compression_ratio
        ahead = preroll_frames(seconds, scene["frame_rate"], compression)
        if ahead and scene["output_type"] == "latent":
            raise CastRefused(
                "latents cannot be cut where a scene begins", hint="leave preroll out, or have it decoded"
            )
        scene["num_frames"] += ahead
        if ahead and scene.get("conditions"):
            given = _conditions(scene, "conditions", LTX2VideoCondition, "a first frame")
            scene["conditions"] = [later(one, ahead // compression) for one in given]
        return ahead

    def _lead_in(self, identities: Sequence[Identity | IdentityFeatures], person: int) -> torch.Tensor:
        if not 0 <= person < len(identities):
            raise CastRefused(f"voice_reference is {person}, of {len(identities)} people", hint="count from 0")
        known = identities[person]
        if isinstance(known, IdentityFeatures):
            latents = known.speech_latents[:1, known.speech_mask[0]]
        elif known.speech is None:
            latents = torch.zeros(1, 0, 0)
        else:
            speech = known.speech
            heard = speech.samples[: round(_LEAD_IN * speech.sample_rate)]
            latents = encode_speech(self, heard, speech.sample_rate)  # type: ignore[arg-type]
        if latents.shape[1] == 0:
            raise CastRefused(f"nothing is known of the voice of person {person + 1}", hint="enroll with scope voice")
        return latents

    def _check_base(self, adapter: IdentityAdapter, base_model: str | None, base_version: str | None) -> None:
        wants, version = adapter.config.base_model, adapter.config.base_version
        here = base_model if base_model is not None else str(self.config.get("_name_or_path") or "")
        if wants and wants not in (here, Path(here).name):
            raise AdapterMismatch(
                f"the adapter was trained on {wants!r}, this pipeline was loaded from {here!r}",
                hint=f"use the adapter that was trained on this backbone, or say base_model={wants!r} if this is it",
            )
        if version and base_version and version != base_version:
            raise AdapterMismatch(
                f"the adapter was trained on version {version!r} of {wants!r}, this is version {base_version!r}",
                hint="use the adapter that was trained on this backbone",
            )


class CameoLTX2Pipeline(IdentityMixin, LTX2Pipeline):
    """``diffusers.LTX2Pipeline`` (LTX-2, 2.3, 2.5, and nano) with people in it."""


class CameoLTX2InContextPipeline(IdentityMixin, LTX2InContextPipeline):
    """``diffusers.LTX2InContextPipeline`` with people in it: reference clips and pictures, and identities, in one
    call."""


def _stock(kind: type) -> type:
    return next(base for base in kind.__mro__ if base.__module__.startswith("diffusers."))


def adapter_folder(source: str | Path, revision: str | None = None, *, local_files_only: bool = False) -> Path:
    """Where an adapter lies on this machine; one on the hub is fetched, its configuration and safetensors alone.

    Raises:
        AdapterUnreadable: it is not there.
    """
    if Path(source).is_dir():
        return Path(source)
    try:
        return Path(
            snapshot_download(
                str(source),
                revision=revision,
                allow_patterns=[f"**/{name}" for name in _ADAPTER_FILES] + list(_ADAPTER_FILES),
                local_files_only=local_files_only,
            )
        )
    except (HFValidationError, HTTPError, OSError) as error:
        raise AdapterUnreadable(
            f"there is no identity adapter at {str(source)!r}", hint="give the folder of one, or a hub id"
        ) from error


def _checked(identities: Sequence[Any], presences: Sequence[Presence] | None, prompt: Any) -> Sequence[Presence] | None:
    if presences is None:
        check_cast([Presence()] * len(identities))
        return None
    if len(presences) != len(identities):
        raise CastRefused(f"{len(identities)} people and {len(presences)} presences", hint="give one for each person")
    check_cast(presences)
    prompts = [prompt] if isinstance(prompt, str) else list(prompt or ())
    silent = bool(prompts) and not any(quote in one for one in prompts for quote in _QUOTES)
    if silent and any(presence.speaks for presence in presences):
        raise CastRefused(
            "somebody has a time to speak, but the prompt has no line",
            hint='write a line in quotes: says "hello"',
        )
    return presences


def _routed(
    people: Sequence[IdentityTokens], presences: Sequence[Presence] | None, height: int, width: int
) -> tuple[IdentityTokens, Routing | None]:
    """Everybody's tokens, and which query sees whose."""
    people, presences = _in_any_order(people, presences)
    if presences is None:
        return IdentityTokens.beside(people), None
    video, audio = ([getattr(one, stream).shape[1] for one in people] for stream in ("video", "audio"))
    return IdentityTokens.beside(people), Routing(presences, video, audio, height, width)


def _in_any_order(
    people: Sequence[IdentityTokens], presences: Sequence[Presence] | None
) -> tuple[list[IdentityTokens], list[Presence] | None]:
    """Sums of floats depend on their order; the scene must not depend on who is named first."""

    def key(number: int) -> bytes:
        one = people[number]
        return b"".join(t.float().cpu().numpy().tobytes() for t in (one.video, one.audio))

    order = sorted(range(len(people)), key=key)
    return [people[n] for n in order], None if presences is None else [presences[n] for n in order]


def _conditions(scene: Mapping[str, Any], name: str, kind: type, what: str) -> Sequence[Any]:
    """What the call was given already under this name, as a sequence."""
    if name not in scene:
        raise CastRefused(f"this pipeline reads no {name}", hint=f"{what}: on CameoLTX2InContextPipeline")
    given = scene[name] or []
    return [given] if isinstance(given, kind) else given


def _opening(
    identities: Sequence[Identity | IdentityFeatures], presences: Sequence[Presence] | None, height: int, width: int
) -> Image:
    boxes = [None if presences is None else presences[number].box(0.0) for number in range(len(identities))]
    if len(identities) > 1 and None in boxes:
        raise CastRefused("a first frame of several people needs to know where each is", hint="give presences")
    return opening_frame(
        [(_enrolled(known, "a first frame"), box or _WHOLE) for known, box in zip(identities, boxes, strict=True)],
        height,
        width,
    )


def _enrolled(known: Identity | IdentityFeatures, what: str) -> Identity:
    if isinstance(known, IdentityFeatures):
        raise CastRefused(f"{what} is drawn from an identity, and these are features", hint="give what enroll() gave")
    return known


def _sheets(
    identities: Sequence[Identity | IdentityFeatures], height: int, width: int, strength: float
) -> list[LTX2ReferenceCondition]:
    return [
        LTX2ReferenceCondition(reference_sheet(_enrolled(known, "a sheet"), height, width), strength)
        for known in identities
    ]


def _scenes(asked: Mapping[str, Any]) -> int:
    """How many a call makes."""
    prompts = asked["prompt"] if asked["prompt"] is not None else asked["prompt_embeds"]
    return (1 if isinstance(prompts, str) else len(prompts)) * int(asked["num_videos_per_prompt"] or 1)


def _repeated(tokens: IdentityTokens, scenes: int) -> IdentityTokens:
    if scenes == 1:
        return tokens
    return IdentityTokens(
        **{name: getattr(tokens, name).repeat_interleave(scenes, 0) for name in IdentityTokens.__dataclass_fields__}
    )
