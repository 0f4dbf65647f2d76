"""Stage 1: clips of made-up people, one shard a person.

    python -m cameo.training.people --people 500

A shard holds a few short clips to learn to make, one with the next person beside them, and one long clip to enrol from,
which is always another occasion: an adapter that saw its target in its reference would learn to copy. Shards that exist
are kept, so the command goes on where it stopped. Workers on an accelerator share it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from cameo.synth.clips import make_clip
from cameo.training.run import Stage
from cameo.training.together import for_each, worker_options

CLIPS = 3
TOGETHER = 500
"""Number of the clip in which the next person is there too: both wear what they wear in no other clip."""
SECONDS = 2.0
SIZE = 128
REFERENCE_SIZE = 160
_EVERY = 4


@torch.no_grad()
def make_shard(seed: int, path: Path, device: str = "cpu") -> None:
    """Write the shard of one person.

    Tensors: ``frames`` (CLIPS, 25, 128, 128, 3) uint8, ``sound`` (CLIPS, 32000) int16, ``together_frames`` and
    ``together_sound`` likewise of one clip, ``reference_frames`` (13, 160, 160, 3) uint8, ``reference_landmarks``
    (13, 5, 2) float32, ``reference_sound`` (64000,) int16. The truths are in the header.
    """
    # The first clip wears what the reference wears, so that clothes too can be learned from it.
    clips = [
        make_clip(seed, k, seconds=SECONDS, size=SIZE, outfit=0 if k == 0 else None, device=device)
        for k in range(CLIPS)
    ]
    together = make_clip(seed, TOGETHER, people=2, seconds=SECONDS, size=SIZE, device=device)
    reference = make_clip(seed, 1000, seconds=4.0, size=REFERENCE_SIZE, outfit=0, device=device)
    tensors = {
        "frames": np.stack([c.frames for c in clips]),
        "sound": np.stack([_pcm(c.sound) for c in clips]),
        "together_frames": together.frames[None],
        "together_sound": _pcm(together.sound)[None],
        "reference_frames": np.ascontiguousarray(reference.frames[::_EVERY]),
        "reference_landmarks": np.array(reference.truth["cast"][0]["landmarks"], np.float32)[::_EVERY].copy(),
        "reference_sound": _pcm(reference.sound),
    }
    truths = json.dumps({"clips": [c.truth for c in clips], "together": [together.truth], "reference": reference.truth})
    partial = path.with_suffix(".part")
    save_file(tensors, partial, metadata={"seed": str(seed), "truths": truths})
    partial.replace(path)


def _pcm(sound: np.ndarray) -> np.ndarray:
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def main() -> None:
    stage = Stage.parse("people", __doc__, _options)
    folder = stage.folder("people")
    seeds = range(stage.options.first, stage.options.first + stage.options.people)
    paths = ((seed, folder / f"{seed:06d}.safetensors") for seed in seeds)
    missing = [(seed, path, str(stage.device)) for seed, path in paths if not path.exists()]
    for_each(stage, make_shard, missing)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=500, help="how many people")
    worker_options(parser)
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")


if __name__ == "__main__":
    main()
