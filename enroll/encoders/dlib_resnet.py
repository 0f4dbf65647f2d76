"""``dlib-resnet-128``: dlib's face recognition ResNet (King, 2017). Euclidean; two views below 0.6 are one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray

from enroll.encoders.base import Card, Known, damaged
from enroll.encoders.dlib_net import DlibNet
from enroll.looks import Look

__all__ = ["SPACES", "DlibResNet"]

_RESNET = "dlib_face_recognition_resnet_model_v1.dat"
_LANDMARKS = "shape_predictor_5_face_landmarks.dat"


_CARD = Card(
    space="dlib-resnet-128",
    modality="face",
    dim=128,
    unit=False,
    licence="CC0-1.0 (trained on VGG Face, FaceScrub and collected pictures)",
    commercial=True,
    source="pip install face-recognition-models==0.3.0",
    files=(
        Known(_RESNET, "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30", 22_466_066),
        Known(_LANDMARKS, "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888", 9_150_489),
    ),
    licence_url="https://github.com/davisking/dlib-models",
)


class DlibResNet:
    """128 numbers for each look, of no fixed length.

    Attributes:
        network: which gives them, of chips.
    """

    card = _CARD

    def __init__(self, folder: Path) -> None:
        try:
            self.network = DlibNet(folder / _RESNET)
            self._landmarks = dlib.shape_predictor(str(folder / _LANDMARKS))
        except (RuntimeError, ValueError, OSError) as error:
            raise damaged(self.card.space, folder, error) from error

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        if not samples:
            return np.zeros((0, self.card.dim), np.float32)
        return self.network(np.stack([self.chip(look) for look in samples]))

    def chip(self, look: Look) -> NDArray[np.uint8]:
        """The aligned face dlib was trained on: RGB uint8, shape (150, 150, 3)."""
        # dlib's own detector draws a square from the brows to the chin; its predictor expects that square.
        eyes, mouth = look.landmarks[:2].mean(0), look.landmarks[3:].mean(0)
        centre = eyes + 0.55 * (mouth - eyes)
        half = (
            max(float(np.linalg.norm(mouth - eyes)), float(np.linalg.norm(np.diff(look.landmarks[:2], axis=0)))) * 1.15
        )
        square = dlib.rectangle(*(round(float(v)) for v in (*(centre - half), *(centre + half))))
        patch = np.ascontiguousarray(look.patch)
        return np.ascontiguousarray(dlib.get_face_chip(patch, self._landmarks(patch, square), size=150))


@dataclass(frozen=True)
class _Space:
    card: Card = _CARD

    def find(self) -> Path | None:
        # Importing the package needs pkg_resources, which setuptools no longer has.
        spec = find_spec("face_recognition_models")
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent / "models"
        return folder if (folder / _RESNET).is_file() and (folder / _LANDMARKS).is_file() else None

    def files(self, path: Path) -> tuple[Path, ...]:
        return path / _RESNET, path / _LANDMARKS

    def load(self, path: Path) -> DlibResNet:
        return DlibResNet(path)


SPACES = (_Space(),)
