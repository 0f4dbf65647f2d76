"""What a scene is made with when nothing is said: ``cameo.json`` beside a checkpoint's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from diffusers import LTX2Pipeline
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enroll.errors import BadInput

__all__ = ["Defaults", "FewSteps", "read_defaults"]

_FILE = "cameo.json"


class FewSteps(BaseModel):
    """How a checkpoint wants to be run with the LoRA that it was distilled into.

    Attributes:
        steps: of denoising.
        guidance_scale: 1 is no guidance, which the LoRA has learned to do without.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: Annotated[int, Field(gt=0)]
    guidance_scale: Annotated[float, Field(ge=1)] = 1.0


class Defaults(BaseModel):
    """How a checkpoint wants to be run.

    Attributes:
        height: of the picture in pixels, a multiple of 32. Likewise ``width``.
        frames: in a scene, one more than a multiple of 8.
        frame_rate: frames a second.
        steps: of denoising.
        guidance_scale: 1 is no guidance, and half the time.
        identity_guidance_scale: likeness pushed apart from the prompt, see ``cameo.conditioning.guidance``; 1 is none.
        sample_rate: of the sound, Hz.
        max_sequence_length: of a prompt, in tokens.
        license: SPDX identifier, or what its owners call it.
        vocoder_iterations: how many times the sound is brought back to the spectrogram that the vocoder was given, see
            ``cameo.restoration.spectrogram``; for vocoders that do not keep to it.
        distilled: what differs with the LoRA in ``distilled/``; None when it brings none.
        vocabulary: the words it knows; None when it reads any.
        version: of the weights; an adapter names the one it was trained on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: Annotated[int, Field(gt=0, multiple_of=32)]
    width: Annotated[int, Field(gt=0, multiple_of=32)]
    frames: Annotated[int, Field(gt=0)]
    frame_rate: Annotated[float, Field(gt=0)]
    steps: Annotated[int, Field(gt=0)]
    guidance_scale: Annotated[float, Field(ge=1)]
    sample_rate: Annotated[int, Field(gt=0)]
    max_sequence_length: Annotated[int, Field(gt=0)]
    license: str
    identity_guidance_scale: Annotated[float, Field(ge=0)] = 1.0
    vocoder_iterations: Annotated[int, Field(ge=0)] = 0
    distilled: FewSteps | None = None
    vocabulary: tuple[str, ...] | None = None
    version: str = ""

    def in_few_steps(self) -> Self:
        """As it wants to be run distilled; the same where it was not."""
        return self if self.distilled is None else self.model_copy(update=dict(self.distilled))

    @classmethod
    def for_pipeline(cls, pipeline: LTX2Pipeline) -> Self:
        """For checkpoints without a ``cameo.json``: the defaults of ``LTX2Pipeline`` itself."""
        return cls.usual(pipeline.vocoder.config.output_sampling_rate)

    @classmethod
    def usual(cls, sample_rate: int) -> Self:
        """Those, for a vocoder of this rate."""
        return cls(
            height=512,
            width=768,
            frames=121,
            frame_rate=24.0,
            steps=40,
            guidance_scale=4.0,
            sample_rate=sample_rate,
            max_sequence_length=1024,
            license="",
        )


def read_defaults(folder: Path) -> Defaults | None:
    """The defaults beside a checkpoint; None when it brings none.

    Raises:
        BadInput: there is a ``cameo.json``, and it is not one.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        return Defaults.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(f"{path}: {where}: {first['msg']}") from error
