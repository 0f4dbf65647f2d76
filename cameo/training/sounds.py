"""Made-up speech over made-up ambience, as the audio stages learn from it: an endless pool, refreshed as it is used;
or, so that an accelerator need not wait, as many as were made beforehand or the sound of the clips there are."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cameo.synth.clips import SAMPLE_RATE, WORDS
from cameo.synth.settings import SETTINGS
from cameo.synth.sounds import ambience
from cameo.synth.voices import Voice, speak
from cameo.training.run import Stage
from cameo.training.shards import HELD_OUT, training_people

__all__ = ["ClipSounds", "SoundPool", "Sounds", "sound_options", "sounds"]


class Sounds(Protocol):
    def batch(self, count: int) -> Tensor:
        """(count, N) float32 in [-1, 1]."""


def sounds(stage: Stage, salt: int = 0) -> Sounds:
    """What the stage's options ask for."""
    seed = stage.options.seed + stage.step + salt
    if stage.options.sounds == "made":
        return SoundPool(seed=seed)
    if stage.options.sounds == "pool":
        return ClipSounds(_pool(stage, seed).to(stage.device), seed)
    people = training_people(stage.folder("people"))
    clips = np.concatenate([people.tensor(i, "sound") for i in range(len(people))])
    return ClipSounds(torch.from_numpy(clips).to(stage.device), seed)


def sound_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, default=4, help="sounds a step")
    parser.add_argument(
        "--sounds",
        choices=("made", "pool", "clips"),
        default="made",
        help="always new, made beforehand by --workers, or those of the clips",
    )
    parser.add_argument("--pool", type=int, default=4000, help="sounds made beforehand")
    parser.add_argument("--workers", type=int, default=1, help="processes that make them")


def _pool(stage: Stage, seed: int) -> Tensor:
    """(M, N) int16."""
    count, workers = stage.options.pool, stage.options.workers
    # Not forked: a process that has used its threads or an accelerator cannot be copied safely.
    with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        parts = pool.map(_made, range(workers * seed, workers * (seed + 1)), [-(-count // workers)] * workers)
        return torch.from_numpy(np.concatenate(list(parts)))


def _made(seed: int, count: int) -> NDArray[np.int16]:
    sounds = SoundPool(seed=seed)
    return np.stack([np.round(np.clip(sounds.make(), -1, 1) * 32767).astype(np.int16) for _ in range(count)])


class ClipSounds:
    """The clips' own sounds, at changing loudness.

    Args:
        clips: (M, N) int16, on the device that learns.
        seed: of the draw.
    """

    def __init__(self, clips: Tensor, seed: int = 0) -> None:
        self._clips = clips
        self._rng = np.random.default_rng([0x50E, seed])

    def batch(self, count: int) -> Tensor:
        """(count, N) float32 in [-1, 1]."""
        picked = torch.from_numpy(self._rng.integers(len(self._clips), size=count)).to(self._clips.device)
        gains = torch.from_numpy(self._rng.uniform(0.6, 1.2, (count, 1)).astype(np.float32)).to(self._clips.device)
        return (self._clips[picked].float() / 32767 * gains).clamp(-1, 1)


class SoundPool:
    """Two-second sounds of voices below ``HELD_OUT``.

    Args:
        size: how many are kept at hand; each ``batch`` replaces a few.
        seed: of the draw.
    """

    def __init__(self, size: int = 256, seed: int = 0, seconds: float = 2.0) -> None:
        self._rng = np.random.default_rng([0x50D, seed])
        self._samples = round(seconds * SAMPLE_RATE)
        self._size = size
        self._pool: list[NDArray[np.float32]] = []

    def batch(self, count: int) -> Tensor:
        """(count, N) float32 in [-1, 1]."""
        fresh = 4 if len(self._pool) >= 16 else 16
        for _ in range(fresh):
            made = self.make()
            if len(self._pool) < self._size:
                self._pool.append(made)
            else:
                self._pool[int(self._rng.integers(self._size))] = made
        picked = self._rng.integers(len(self._pool), size=count)
        gains = self._rng.uniform(0.6, 1.2, (count, 1)).astype(np.float32)
        return torch.from_numpy(np.clip(np.stack([self._pool[i] for i in picked]) * gains, -1, 1))

    def make(self) -> NDArray[np.float32]:
        """One more, (N,)."""
        rng = self._rng
        voice = Voice.from_seed(int(rng.integers(HELD_OUT)))
        words = [str(w) for w in rng.choice(WORDS, int(rng.integers(1, 5)))]
        heard = speak(voice, words, seed=int(rng.integers(2**31))).samples[: self._samples]
        setting = str(rng.choice(list(SETTINGS)))
        sound = ambience(setting, self._samples / SAMPLE_RATE, seed=int(rng.integers(2**31)))
        sound = np.resize(sound, self._samples).astype(np.float32) * float(rng.uniform(0.0, 0.8))
        start = int(rng.integers(0, self._samples - len(heard) + 1))
        sound[start : start + len(heard)] += heard
        return sound
