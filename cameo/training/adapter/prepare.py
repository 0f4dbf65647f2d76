"""Everything through the frozen parts of the generator once: clips to latents, people to features, captions to what the
transformer reads. What comes of it is sealed at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from diffusers import LTX2Pipeline
from numpy.typing import NDArray
from torch import Tensor

from cameo.conditioning.features import AdapterSpec, encode_speech, features_from_identity
from cameo.evaluation.faces import faces_in, spread_frames
from cameo.evaluation.judges import Judge
from cameo.training.adapter.consents import Admitted, is_held_out
from cameo.training.adapter.faces import describe
from cameo.training.adapter.scenes import MARGIN, scenes_of
from cameo.training.adapter.sealed import Entries
from cameo.training.adapter.settings import Settings
from enroll import enroll
from enroll.clip import SAMPLE_RATE, Clip
from enroll.consent import ConsentRecord
from enroll.errors import KitError, NoFace
from enroll.findings import Findings
from enroll.identity import Identity
from enroll.looks import Look

__all__ = [
    "CAPTION",
    "Preparer",
    "centre_of",
    "entry_name",
    "person_of",
    "picture_latents",
    "prepare",
    "prompt_states",
    "sound_latents",
]

CAPTION = "a person"
"""Of a clip beside which nobody wrote one."""


def entry_name(clip: Admitted, settings: Settings) -> str:
    """Under what an admitted clip is sealed: another file, caption, consent or way to prepare is another entry."""
    held = "judged" if is_held_out(clip.person, settings.held_out) else ""
    parts = (clip.found.stamp, clip.found.caption, clip.consent.consent_id, settings.of_an_entry(), held)
    return sha256("\n".join(parts).encode()).hexdigest()


def _audio_length(pipeline: LTX2Pipeline, seconds: float) -> int:
    """Audio latents that go with a scene of so many seconds, as the pipeline counts them."""
    a_second = pipeline.audio_sampling_rate / pipeline.audio_hop_length / pipeline.audio_vae_temporal_compression_ratio
    return round(seconds * a_second)


def prepare(
    clips: Sequence[Admitted],
    entries: Entries,
    preparer: Preparer,
    say: Callable[[str], None],
) -> None:
    """Seal an entry of every clip that has none; a line on each that cannot serve."""
    for number, clip in enumerate(clips, 1):
        name = entry_name(clip, preparer.settings)
        if name in entries:
            continue
        try:
            with clip.found.opened() as path, torch.no_grad():
                entries.put(name, clip.consent.consent_id, preparer.tensors(path, clip))
            say(f"prepared {number} of {len(clips)}: {clip.found.name}")
        except KitError as error:
            say(f"{clip.found.name}: {error.message}")


@dataclass(frozen=True, repr=False)
class Preparer:
    """Makes an entry of a clip.

    Attributes:
        pipeline: the generator without its transformer, on its device.
        spec: what the adapter reads.
        settings: of the run.
        trusted: whose signature on a consent counts.
        judge: of likeness, for people who are held out; None where nobody is.
    """

    pipeline: LTX2Pipeline
    spec: AdapterSpec
    settings: Settings
    trusted: frozenset[str]
    judge: Judge | None

    def tensors(self, path: object, clip: Admitted) -> dict[str, Tensor]:
        """One clip.

        Returns:
            ``video/N`` (C, F, h, w) and ``audio/N`` (T, D), float16, normalised, of scene N; ``heard``, whether the
            sound is the person's voice; ``features/…``, see ``IdentityFeatures``; ``prompt/…``, what the transformer
            reads of the caption; ``face`` (128,), see ``faces.describe``; ``judged`` (D,), what the judge sees in the
            clip, of those who are held out.

        Raises:
            BadInput: the clip cannot serve: nobody in it, several people, too short, damaged. See ``enroll``.
        """
        settings = self.settings
        spaces = (settings.face_space, settings.body_space, settings.voice_space)
        identity, looks = person_of(str(path), clip.consent, spaces, settings.trust_voice, self.trusted)
        tensors = self._features(identity)
        states = prompt_states(self.pipeline, clip.found.caption or CAPTION)
        tensors |= dict(zip(("prompt/video", "prompt/audio", "prompt/mask"), states, strict=True))
        tensors["face"] = torch.from_numpy(describe(looks))
        heard = bool(identity.of("voice"))
        tensors["heard"] = torch.tensor(heard)
        judged: list[np.ndarray] = []
        for number, scene in enumerate(scenes_of(Clip.open(str(path)), self.settings, centre_of(looks))):
            tensors[f"video/{number}"] = picture_latents(self.pipeline, scene.pictures).half()
            sound = sound_latents(self.pipeline, scene.sound if heard else None, self.settings.seconds)
            tensors[f"audio/{number}"] = sound.half()
            judged.append(spread_frames(scene.pictures))
        if self.judge is not None and is_held_out(clip.person, self.settings.held_out):
            tensors["judged"] = torch.from_numpy(self.judge.person(faces_in(np.concatenate(judged))))
        return tensors

    def _features(self, identity: Identity) -> dict[str, Tensor]:
        features = features_from_identity(identity, self.pipeline, self.spec)
        return {f"features/{name}": tensor for name, tensor in features.tensors().items()}


def person_of(
    path: str, consent: ConsentRecord, spaces: tuple[str, ...], trust_voice: bool, trusted: Collection[str]
) -> tuple[Identity, Sequence[Look]]:
    """The one person of a clip, and where their face was seen, at least once.

    Raises:
        BadInput: the clip cannot serve; see ``enroll.enroll``.
    """
    seen: list[Findings] = []
    identity = enroll(path, consent, encoders=spaces, trust_voice=trust_voice, trusted=trusted, onlooker=seen.append)
    person = seen[-1].subject
    if person is None or not person.looks:
        raise NoFace("nobody's face is in it")
    return identity, person.looks


def centre_of(looks: Sequence[Look]) -> tuple[float, float]:
    """Where a face mostly is, in shares of the clip's width and height."""
    x, y = np.median([look.centre for look in looks], axis=0)
    return float(x), float(y)


def prompt_states(pipeline: LTX2Pipeline, caption: str) -> tuple[Tensor, Tensor, Tensor]:
    """What the transformer reads of a caption: (L, P) for the picture, (L, Q) for the sound, and the mask, (L,)."""
    length = pipeline.tokenizer.model_max_length
    states, mask = pipeline._get_gemma_prompt_embeds(
        [caption], max_sequence_length=min(length, 1024), device=pipeline._execution_device
    )
    video, audio, mask = pipeline.connectors(states, mask, padding_side="left")
    return video[0], audio[0], mask[0]


def picture_latents(pipeline: LTX2Pipeline, pictures: NDArray[np.uint8]) -> Tensor:
    """Of the pictures of a scene, (T, H, W, 3): normalised, (C, F, h, w)."""
    vae = pipeline.vae
    pixels = torch.from_numpy(pictures).to(pipeline._execution_device, vae.dtype) / 127.5 - 1.0
    latents = vae.encode(pixels.permute(3, 0, 1, 2)[None]).latent_dist.mode()
    return pipeline._normalize_latents(latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor)[0]


def sound_latents(pipeline: LTX2Pipeline, sound: NDArray[np.float32] | None, seconds: float) -> Tensor:
    """Of a scene of so many seconds: normalised and packed, (T, D); of silence where there is no sound."""
    heard = np.zeros(round((seconds + MARGIN) * SAMPLE_RATE), np.float32) if sound is None else sound
    return encode_speech(pipeline, heard, SAMPLE_RATE)[0][: _audio_length(pipeline, seconds)]
