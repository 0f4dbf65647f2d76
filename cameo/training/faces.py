"""Stage 10: aligned faces as nano draws them, with how they truly are.

    python -m cameo.training.faces --clips 1200

Clips are drawn again from much noise (``redrawn``), so that they have what a scene's faces have, and still the poses of
the true ones. Beside each face lies who it is, how the head is turned, and what is heard of them. What exists is kept,
so the command goes on where it stopped; others may help, each with a ``--seed`` of their own.
"""

from __future__ import annotations

import argparse
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from diffusers import LTX2Pipeline
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from cameo.restoration.aligned import SMALLEST, aligned, heights
from cameo.restoration.speech import heard_about
from cameo.training.flow import FRAME_RATE, Batch, Dataset
from cameo.training.redrawn import draw_again, generator
from cameo.training.run import Stage
from cameo.training.shards import HELD_OUT, Shards, training_people
from enroll.pose import face_length, head_poses

__all__ = ["Seen", "pair"]

_NOISE: Final = (0.45, 0.97)
_STEPS: Final = 6
_TOGETHER: Final = 0.25
_ASIDE: Final = 0.25
"""Pixels by which a detector's landmarks are off."""


@dataclass(frozen=True, repr=False)
class Seen:
    """One person in one clip.

    Attributes:
        person: their seed.
        frames: how the clip truly is, RGB, (T, H, W, 3).
        landmarks: theirs, pixels, (T, 5, 2).
        sound: of the clip, mono at 16 kHz, in [-1, 1].
        speaks: when they do, (begin, end) in seconds; None: whenever somebody does.
        opening: how far their mouth is open, 0 to 1, (T,).
    """

    person: int
    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    sound: NDArray[np.float32]
    speaks: tuple[float, float] | None
    opening: NDArray[np.float32]


def main() -> None:
    stage = Stage.parse("faces", __doc__, _options)
    folder, options = stage.folder(), stage.options
    pipeline, adapter = generator(options.runs)
    pipeline.to(stage.device)
    adapter.to(stage.device)
    data = Dataset(stage.folder("latents"), HELD_OUT, stage.device)
    shards = training_people(stage.folder("people"))
    done = len(list(folder.glob(f"{options.seed:03d}-*.safetensors")))
    rng = np.random.default_rng([options.seed, done, 9])
    torch.manual_seed(int(rng.integers(2**31)))
    while done * options.batch < options.clips and not stage.out_of_time():
        together = data.has_couples and rng.uniform() < _TOGETHER
        batch = data.couples(max(1, options.batch // 2), rng) if together else data.batch(options.batch, rng)
        latents = draw_again(pipeline, adapter, batch, rng, _NOISE, _STEPS)
        pairs = [
            pair(drawn, seen, rng)
            for drawn, cast in zip(_decoded(pipeline, latents), _casts(data, shards, batch), strict=True)
            for seen in cast
            if np.median(heights(seen.landmarks)) >= SMALLEST
        ]
        # Named when it is whole, so that half a file is never taken for one.
        partial = folder / f"{options.seed:03d}-{done:05d}.part"
        save_file({f"{number}/{name}": one for number, row in enumerate(pairs) for name, one in row.items()}, partial)
        partial.replace(partial.with_suffix(".safetensors"))
        done += 1
        if done % 20 == 0:
            stage.say(f"{done * options.batch} of {options.clips} clips")
    stage.say(f"{done * options.batch} clips")


def pair(drawn: NDArray[np.uint8], seen: Seen, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """What a restorer learns from one person in one clip.

    Args:
        drawn: the clip, drawn again, (T, H, W, 3).
        seen: how it truly is.
        rng: draws how far the landmarks are off.

    Returns:
        ``drawn`` and ``true``: aligned, uint8, (T, FACE, FACE, 3). ``yaw``: degrees, (T,). ``heard``: see
        ``restoration.speech``, float16. ``opening``: (T,). ``person``: (1,).
    """
    near = (seen.landmarks + rng.normal(0, _ASIDE, (1, 1, 2))).astype(np.float32)
    times = [index / FRAME_RATE for index in range(len(drawn))]
    return {
        "drawn": aligned(drawn, near),
        "true": aligned(seen.frames, near),
        "yaw": head_poses(seen.landmarks, face_length(list(seen.landmarks)))[:, 0].copy(),
        "heard": heard_about(seen.sound, times, None if seen.speaks is None else [seen.speaks]).half().numpy(),
        "opening": seen.opening,
        "person": np.array([seen.person]),
    }


def _decoded(pipeline: LTX2Pipeline, latents: Tensor) -> Iterator[NDArray[np.uint8]]:
    for latent in latents:
        with torch.inference_mode():
            drawn = pipeline.vae.decode(latent[None].to(pipeline.vae.dtype)).sample[0].float()
        yield ((drawn.permute(1, 2, 3, 0) + 1) * 127.5).clamp(0, 255).round().byte().cpu().numpy()


def _casts(data: Dataset, shards: Shards, batch: Batch) -> Iterator[list[Seen]]:
    """Who is in each clip of a batch."""
    numbers = {int(path.stem): number for number, path in enumerate(shards.paths)}
    for person, clip in typing.cast("Tensor", batch.sources).tolist():
        seed = data.seeds[person]
        at = numbers[seed]
        together = batch.partners is not None
        prefix, row = ("together_", 0) if together else ("", clip)
        truth = shards.truths(at)["together" if together else "clips"][row]
        frames = shards.tensor(at, f"{prefix}frames")[row]
        sound = shards.tensor(at, f"{prefix}sound")[row].astype(np.float32) / 32767
        yield [
            Seen(
                person=seed + side,
                frames=frames,
                landmarks=np.array(member["landmarks"], np.float32),
                sound=sound,
                speaks=tuple(member["speaks"]) if together else None,
                opening=np.array(member["mouth"], np.float32),
            )
            for side, member in enumerate(truth["cast"])
        ]


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=1200, help="how many, about")
    parser.add_argument("--batch", type=int, default=4, help="clips drawn at a time")


if __name__ == "__main__":
    main()
