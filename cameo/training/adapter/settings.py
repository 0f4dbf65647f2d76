"""What a run is: everything that decides what comes of it, kept beside its checkpoints."""

from __future__ import annotations

import json
import math
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cameo.errors import UsageError
from enroll.files import write_atomically

__all__ = ["Settings", "settle"]

_FILE = "run.json"
_ENTRY_FORMAT = 2
_WIDTH = Annotated[int, Field(gt=0, le=8192)]


class Settings(BaseModel):
    """One run.

    Attributes:
        model: what it was asked for as; ``base`` how adapters name it, ``version`` its own.
        height, width: of the pictures that are learned from, pixels, multiples of 32.
        frames: in a scene, one more than a multiple of 8; at ``fps`` a second.
        windows: scenes that are taken of one clip, at most.
        face_space, body_space, voice_space: embeddings that the adapter reads.
        face_resampler: SHA-256 of the published resampler that the adapter begins from, empty for none;
            ``face_length`` is that of the embeddings it was trained on.
        trust_voice: the one voice of a clip is the one person's in it, whether or not the mouth shows it.
        token_dim: width of the adapter's tokens; ``depth`` layers mix them.
        rank: of the LoRA that is learned beside it; 0 for none.
        batch: clips a step, over all processes.
        steps: in all.
        lr: the highest learning rate, after ``warmup`` steps; it falls along a cosine to a tenth.
        drop: share of examples of which nothing is told who is in them.
        ema: decay of the weights' running average, which is what comes out.
        precision: ``bf16``, or ``float32`` throughout.
        seed: of all that is drawn.
        held_out: share of people who are kept for validation.
        prompt: of the validation scenes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    base: str
    version: str
    height: Annotated[int, Field(gt=0, multiple_of=32)]
    width: Annotated[int, Field(gt=0, multiple_of=32)]
    frames: Annotated[int, Field(gt=1)]
    fps: Annotated[float, Field(gt=0, le=60)]
    windows: Annotated[int, Field(gt=0, le=64)] = 4
    face_space: str
    body_space: str
    voice_space: str
    face_resampler: str = ""
    face_length: Annotated[float, Field(gt=0, le=1000)] = 1.0
    trust_voice: bool = False
    token_dim: _WIDTH = 512
    depth: Annotated[int, Field(ge=0, le=8)] = 2
    rank: Annotated[int, Field(ge=0, le=512)] = 0
    batch: Annotated[int, Field(gt=0)] = 8
    steps: Annotated[int, Field(gt=0)] = 10_000
    lr: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    warmup: Annotated[int, Field(ge=0)] = 200
    drop: Annotated[float, Field(ge=0, lt=1)] = 0.1
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    precision: Literal["bf16", "float32"] = "bf16"
    seed: Annotated[int, Field(ge=0)] = 0
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    prompt: str = "close-up of a person, talking to the camera"

    @model_validator(mode="after")
    def _a_scene(self) -> Settings:
        if self.token_dim % self.heads:
            raise ValueError(f"token_dim must be a multiple of {self.heads}")
        return self

    @property
    def heads(self) -> int:
        """Of the layers that mix tokens: each is 64 wide, where there is room."""
        return max(1, self.token_dim // 64)

    @property
    def seconds(self) -> float:
        """Of a scene."""
        return self.frames / self.fps

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        return self.lr * warm * (0.55 + 0.45 * math.cos(math.pi * step / self.steps))

    def of_an_entry(self) -> str:
        """A digest of what decides how a clip is prepared."""
        names = ("model", "base", "version", "height", "width", "frames", "fps", "windows", "trust_voice")
        spaces = ("face_space", "body_space", "voice_space")
        chosen = self.model_dump(include={*names, *spaces})
        return sha256(json.dumps(chosen | {"format": _ENTRY_FORMAT}, sort_keys=True).encode()).hexdigest()


def settle(settings: Settings, run: Path) -> None:
    """Write down what this run is, or hold it to what it was begun as.

    Raises:
        UsageError: it was begun as something else, or ``run`` is no folder of a run.
    """
    path = run / _FILE
    if path.exists():
        try:
            begun = Settings.model_validate_json(path.read_bytes())
        except ValidationError:
            raise UsageError(f"{path} is of no run of this version", hint="take another --run") from None
        for name in Settings.model_fields:
            was, asked = getattr(begun, name), getattr(settings, name)
            if was != asked:
                raise UsageError(
                    f"{run} was begun with {name.replace('_', '-')} {was!r}, now it is {asked!r}",
                    hint="say it as then, or take another --run",
                )
        return
    if any(run.iterdir()):
        raise UsageError(f"{run} holds something else than a run", hint="take another --run")
    write_atomically(path, (settings.model_dump_json(indent=1) + "\n").encode())
