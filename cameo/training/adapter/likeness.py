"""Are people drawn who were never learned from? One short scene of each, the same prompt and noise every time, judged
by an encoder that does not condition, where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor

from cameo.conditioning.types import IdentityFeatures
from cameo.evaluation.faces import faces_in, spread_frames
from cameo.evaluation.judges import Judge
from cameo.evaluation.likeness import Likeness, compare
from cameo.generation import as_pixels, guidance
from cameo.pipeline import CameoLTX2Pipeline
from cameo.training.adapter.examples import Clip, known
from cameo.training.adapter.learn import Training, arithmetic
from cameo.training.adapter.settings import Settings

__all__ = ["HeldOut", "Validation", "encode_prompt", "held_out"]


@dataclass(frozen=True, repr=False)
class HeldOut:
    """Somebody who is not learned from: what the adapter is told of them, and what the judge sees in their clips,
    (D,) of unit length."""

    features: IdentityFeatures
    judged: NDArray[np.float32]


def held_out(clips: Sequence[Clip]) -> list[HeldOut]:
    """One for each person of these clips: told of by the first, judged by all in which the judge sees a face."""
    people = []
    for person in sorted({clip.person for clip in clips}):
        entries = [clip.entry() for clip in clips if clip.person == person]
        seen = [entry["judged"].numpy() for entry in entries if bool(entry["judged"].isfinite().all())]
        if seen:
            mean = np.mean(seen, axis=0)
            people.append(HeldOut(known(entries[0]), (mean / np.linalg.norm(mean)).astype(np.float32)))
    return people


def encode_prompt(pipeline: CameoLTX2Pipeline, prompt: str) -> dict[str, Tensor]:
    """What a pipeline without its text encoder is given in place of a prompt and of none, as words of its call."""
    length = min(1024, pipeline.tokenizer.model_max_length)
    names = ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask")
    with torch.no_grad():
        encoded = pipeline.encode_prompt(prompt, max_sequence_length=length, do_classifier_free_guidance=True)
    return {name: tensor.cpu() for name, tensor in zip(names, encoded, strict=True)}


@dataclass(frozen=True, repr=False)
class Validation:
    """How likeness is measured.

    Attributes:
        pipeline: with the transformer that is trained.
        prompt: see ``encode_prompt``.
        people: at least one.
        judge: of likeness.
        settings: of the run.
        denoising: steps of it.
        guided: guidance scale.
    """

    pipeline: CameoLTX2Pipeline
    prompt: dict[str, Tensor]
    people: Sequence[HeldOut]
    judge: Judge
    settings: Settings
    denoising: int
    guided: float

    def measure(self, training: Training, accelerator: Accelerator) -> tuple[Likeness, NDArray[np.uint8]]:
        """Every process must call; each draws its part of the people, and as many as every other.

        Returns:
            Likeness of all, and a picture of each one drawn here, (N, H, W, 3).
        """
        count, processes = len(self.people), accelerator.num_processes
        mine = [(accelerator.process_index + turn * processes) % count for turn in range(ceil(count / processes))]
        drawn, pictures = [], []
        with training.averaged(), torch.no_grad():
            for number in mine:
                with arithmetic(self.settings, accelerator.device):
                    frames = training.model(lambda number=number: self._scene(number, accelerator.device))
                drawn.append((number, self.judge.person(faces_in(spread_frames(frames)))))
                pictures.append(frames[len(frames) // 2])
        takes = dict(gather_object(drawn))
        likeness = compare([takes[number] for number in range(count)], [one.judged for one in self.people])
        return likeness, np.stack(pictures)

    def _scene(self, number: int, device: torch.device) -> NDArray[np.uint8]:
        settings, pipeline = self.settings, self.pipeline
        words: dict[str, Any] = {name: tensor.to(device) for name, tensor in self.prompt.items()}
        words |= guidance(pipeline, self.guided)
        made: Any = pipeline(
            identities=[self.people[number].features.to(device)],
            height=settings.height,
            width=settings.width,
            num_frames=settings.frames,
            frame_rate=settings.fps,
            num_inference_steps=self.denoising,
            generator=torch.Generator("cpu").manual_seed(settings.seed),
            output_type="np",
            **words,
        )
        return as_pixels(np.asarray(made.frames[0]))
