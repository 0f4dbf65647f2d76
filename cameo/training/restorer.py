"""Stage 11: the restorer of nano's faces.

    python -m cameo.training.restorer --max-minutes 40

From aligned faces as nano draws them (``faces``), crops and descriptors of the people from another clip
(``identities``) and what is heard, to how they truly are: by the absolute difference, most of it in the face; by the
squared one in the mouth, for an absolute one keeps a mouth shut that is open less than half of the time; and by what a
recogniser sees (``recognition``). How far the mouth is open is learned from the sound by itself: what is drawn is told
the truth of it. Half of the batches are mirrored.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor
from torch.nn import functional

from cameo.restoration.aligned import LANDMARKS, MOUTH, PASTE, as_tensor, crop_middle, mouths_hidden
from cameo.restoration.network import FACE, FaceRestorer
from cameo.restoration.restoring import MOUTH_SECONDS, nearest_crops
from cameo.training.flow import FRAME_RATE
from cameo.training.identities import FACE as FACE_SPACE
from cameo.training.recognition import Gallery, chips, recognition_loss
from cameo.training.run import Ema, Stage
from enroll.identity import Identity

__all__ = ["Faces"]

_WARM_UP = 100
_SAVED_EVERY = 5.0
"""Minutes."""
_TRIED = 48

_Y, _X = torch.meshgrid(torch.arange(float(FACE)), torch.arange(float(FACE)), indexing="ij")
_FACE_WEIGHT: Final = torch.exp(-((((_X - 56) / 36) ** 2 + ((_Y - 60) / 40) ** 2) ** 2))
_WEIGHT: Final = 0.5 + 2 * _FACE_WEIGHT


@dataclass(frozen=True, repr=False)
class _Given:
    """A batch: what the restorer is given, (B, ...), see its ``forward``; the faces as drawn and as they truly are,
    (B, 3, FACE, FACE); and who they are in the gallery, (B,)."""

    def words(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.shown, self.references, self.descriptors, self.heard, self.opening

    shown: Tensor
    references: Tensor
    descriptors: Tensor
    heard: Tensor
    opening: Tensor
    drawn: Tensor
    true: Tensor
    who: Tensor


class Faces:
    """All pairs, in memory: two megabytes a clip.

    Args:
        pairs: folder that ``faces`` wrote.
        identities: folder that ``identities`` wrote.
        device: where batches go.
    """

    def __init__(self, pairs: Path, identities: Path, device: torch.device) -> None:
        rows = [row for path in sorted(pairs.glob("*.safetensors")) for row in _rows(path)]
        known = {int(path.stem): path for path in identities.glob("[0-9]*.safetensors")}
        self._rows = [row for row in rows if int(row["person"][0]) in known]
        if not self._rows:
            raise SystemExit(f"no faces in {pairs}: run `python -m cameo.training.faces` first")
        people = {seed: Identity.from_bytes(known[seed].read_bytes()) for seed in sorted(set(map(_seed, self._rows)))}
        self._numbers = {seed: number for number, seed in enumerate(people)}
        crops = [person.crops_of("head") for person in people.values()]
        self._crops = [np.stack([crop_middle(crop.pixels) for crop in some]) for some in crops]
        self._turned = [np.array([crop.pose.yaw for crop in some], np.float32) for some in crops]
        vectors = [torch.from_numpy(person.embeddings[FACE_SPACE].vector) for person in people.values()]
        self._descriptors = functional.normalize(torch.stack(vectors), dim=1).to(device)
        self.gallery = Gallery.of(self._descriptors)
        span = round(MOUTH_SECONDS * FRAME_RATE)
        self._shown = [np.rint(mouths_hidden(row["drawn"], span)).astype(np.uint8) for row in self._rows]
        self._device = device

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, count: int, rng: np.random.Generator) -> _Given:
        """Frames drawn at random from clips drawn at random."""
        rows = rng.integers(len(self._rows), size=count).tolist()
        at = [int(rng.integers(len(self._rows[row]["drawn"]))) for row in rows]
        picked = list(zip(rows, at, strict=True))
        who = [self._numbers[_seed(self._rows[row])] for row in rows]
        yaws = [float(self._rows[row]["yaw"][frame]) for row, frame in picked]
        references = [self._crops[n][nearest_crops(self._turned[n], yaw)] for n, yaw in zip(who, yaws, strict=True)]
        pictures = (
            np.stack([self._shown[row][frame] for row, frame in picked]),
            np.stack(references),
            *(np.stack([self._rows[row][name][frame] for row, frame in picked]) for name in ("drawn", "true")),
        )
        tensors = [as_tensor(one).to(self._device) for one in pictures]
        shown, nearest, drawn, true = [one.flip(-1) for one in tensors] if rng.uniform() < 0.5 else tensors
        heard, opening = (
            torch.from_numpy(np.stack([self._rows[row][name][frame] for row, frame in picked])).float().to(self._device)
            for name in ("heard", "opening")
        )
        numbers = torch.tensor(who, device=self._device)
        return _Given(shown, nearest, self._descriptors[numbers], heard, opening, drawn, true, numbers)


def main() -> None:
    stage = Stage.parse("restorer", __doc__, _options)
    options = stage.options
    restorer = FaceRestorer().to(stage.device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(restorer.parameters(), lr=options.lr, betas=(0.9, 0.99), weight_decay=1e-3)
    ema = Ema(restorer, 0.995)
    stage.resume({"restorer": restorer}, [optimiser], ema)
    begun, saved, rng = stage.step, stage.minutes(), np.random.default_rng([options.seed, stage.step, 10])
    faces = Faces(stage.folder("faces"), stage.folder("identities"), stage.device)
    stage.say(f"{len(faces)} clips")
    running: dict[str, float] = {}
    for progress in stage.steps():
        course = min(1.0, (stage.step - begun + 1) / _WARM_UP) * (1.02 - progress)
        for group in optimiser.param_groups:
            group["lr"] = options.lr * course
        given = faces.batch(options.batch, rng)
        with stage.mixed():
            figures = _losses(restorer, given, faces.gallery, options.faces)
        for name, figure in figures.items():
            running[name] = running.get(name, figure.item()) * 0.97 + figure.item() * 0.03
        optimiser.zero_grad(set_to_none=True)
        torch.stack([getattr(options, name) * figure for name, figure in figures.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(restorer.parameters(), 1.0)
        optimiser.step()
        ema.update(restorer)
        if stage.step % 50 == 49:
            stage.log(**running)
        if stage.minutes() - saved > _SAVED_EVERY:
            saved = stage.minutes()
            _keep(stage, restorer, optimiser, ema, faces)
    _keep(stage, restorer, optimiser, ema, faces)


def _losses(restorer: FaceRestorer, given: _Given, gallery: Gallery, count: int) -> dict[str, Tensor]:
    """``difference``, ``mouth``, ``opening``, and ``recognition`` of ``count`` faces."""
    paste = torch.from_numpy(PASTE).to(given.drawn)
    made = restorer(*given.words()).float()
    opening = restorer.opening(given.heard).float()
    made = given.drawn + paste * (made - given.drawn)
    weight, mouth = _WEIGHT.to(made.device), torch.from_numpy(MOUTH).to(made.device)
    points = torch.from_numpy(LANDMARKS).expand(len(made), -1, -1)[:count]
    ours, theirs = (chips(one[:count], points) for one in (made, given.true))
    return {
        "difference": (weight * (made - given.true).abs()).mean() / weight.mean(),
        "mouth": (mouth * (made - given.true).square()).mean() / mouth.mean(),
        "opening": functional.mse_loss(opening, given.opening),
        "recognition": recognition_loss(ours, theirs, gallery, given.who[:count]),
    }


def _keep(stage: Stage, restorer: FaceRestorer, optimiser: torch.optim.Optimizer, ema: Ema, faces: Faces) -> None:
    """Save, and say how the averaged weights do on faces that are always the same; four of them drawn, restored and
    true below each other in ``samples.png``."""
    import cv2

    stage.save({"restorer": restorer}, [optimiser], ema)
    given = faces.batch(_TRIED, np.random.default_rng(0))
    with ema.averaged(restorer), torch.no_grad():
        figures = _losses(restorer, given, faces.gallery, _TRIED)
        made = restorer(*(one[:8] for one in given.words()))
    stage.log(**{f"averaged_{name}": figure.item() for name, figure in figures.items()})
    rows = [_sheet(one) for one in (given.references[:8, 0], given.drawn[:8], made.float(), given.true[:8])]
    cv2.imwrite(str(stage.folder() / "samples.png"), np.concatenate(rows)[..., ::-1])


def _sheet(faces: Tensor) -> NDArray[np.uint8]:
    """(FACE, N * FACE, 3), beside each other."""
    pixels = ((faces + 1) * 127.5).clamp(0, 255).round().byte().movedim(1, -1).cpu().numpy()
    return np.concatenate(list(pixels), 1)


def _rows(path: Path) -> list[dict[str, NDArray[Any]]]:
    tensors = load_file(path)
    numbers = sorted({int(name.split("/")[0]) for name in tensors})
    names = {name.split("/")[1] for name in tensors}
    return [{name: tensors[f"{number}/{name}"] for name in names} for number in numbers]


def _seed(row: dict[str, NDArray[Any]]) -> int:
    return int(row["person"][0])


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--batch", type=int, default=16, help="faces a step")
    parser.add_argument("--difference", type=float, default=5.0, help="weight of the absolute difference")
    parser.add_argument("--mouth", type=float, default=10.0, help="weight of the squared difference in the mouth")
    parser.add_argument("--opening", type=float, default=5.0, help="weight of the error of how far it is open")
    parser.add_argument("--recognition", type=float, default=0.5, help="weight of how a recogniser sees the faces")
    parser.add_argument("--faces", type=int, default=8, help="that it sees in a step, at most")


if __name__ == "__main__":
    main()
