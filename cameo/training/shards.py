"""Reads the shards that ``people`` wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

__all__ = ["HELD_OUT", "Shards", "to_unit", "training_people"]

HELD_OUT = 1_000_000
"""Seeds from here on are never trained on."""


@dataclass(frozen=True)
class Shards:
    """A folder of shards.

    Attributes:
        paths: one file a person, sorted by seed.
    """

    paths: tuple[Path, ...]

    @classmethod
    def open(cls, folder: Path) -> Shards:
        paths = tuple(sorted(folder.glob("*.safetensors")))
        if not paths:
            raise SystemExit(f"no shards in {folder}: run `python -m cameo.training.people` first")
        return cls(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def frames(self, person: int, clip: int, start: int, count: int) -> NDArray[np.uint8]:
        """(count, H, W, 3) uint8."""
        with safe_open(self.paths[person], "numpy") as file:
            return file.get_slice("frames")[clip : clip + 1, start : start + count][0]

    def sound(self, person: int, clip: int) -> NDArray[np.float32]:
        """(N,) in [-1, 1]."""
        with safe_open(self.paths[person], "numpy") as file:
            return _float(file.get_slice("sound")[clip : clip + 1][0])

    def tensor(self, person: int, name: str) -> NDArray[Any]:
        with safe_open(self.paths[person], "numpy") as file:
            return file.get_tensor(name)

    def reference_sound(self, person: int) -> NDArray[np.float32]:
        return _float(self.tensor(person, "reference_sound"))

    def truths(self, person: int) -> dict[str, Any]:
        """``{"clips": [truth, …], "reference": truth}``."""
        with safe_open(self.paths[person], "numpy") as file:
            return json.loads(file.metadata()["truths"])


def training_people(folder: Path) -> Shards:
    """Only those that may be trained on."""
    shards = Shards.open(folder)
    return Shards(tuple(p for p in shards.paths if int(p.stem) < HELD_OUT))


def to_unit(frames: NDArray[np.uint8]) -> Tensor:
    """(..., T, H, W, 3) uint8 to float (..., 3, T, H, W) in [-1, 1], the layout of a video VAE."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -4).float() / 127.5 - 1


def _float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    return pcm.astype(np.float32) / np.float32(32767)
