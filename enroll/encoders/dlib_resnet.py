"""``dlib-resnet-128``: dlib's face recognition ResNet (King, 2017). Euclidean; two views below 0.6 are one person."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray

from enroll.encoders.base import Card, damaged
from enroll.looks import Look

__all__ = ["SPACE", "DlibResNet"]

_RESNET = "dlib_face_recognition_resnet_model_v1.dat"
_LANDMARKS = "shape_predictor_5_face_landmarks.dat"


class DlibResNet:
    """128 numbers for each look, of no fixed length."""

    card = Card(
        space="dlib-resnet-128",
        modality="face",
        dim=128,
        unit=False,
        licence="CC0-1.0 (trained on VGG Face, FaceScrub and collected pictures)",
        commercial=True,
        source="pip install face-recognition-models==0.3.0",
    )

    def __init__(self, folder: Path) -> None:
        try:
            self._resnet = dlib.face_recognition_model_v1(str(folder / _RESNET))
            self._landmarks = dlib.shape_predictor(str(folder / _LANDMARKS))
        except RuntimeError as error:
            raise damaged(self.card.space, folder, error) from error

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        if not samples:
            return np.zeros((0, self.card.dim), np.float32)
        vectors = self._resnet.compute_face_descriptor([self.chip(look) for look in samples])
        return np.array(vectors, np.float32)

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


class _Space:
    card = DlibResNet.card

    def find(self) -> Path | None:
        # Importing the package needs pkg_resources, which setuptools no longer has.
        spec = find_spec("face_recognition_models")
        if spec is None or spec.origin is None:
            return None
        folder = Path(spec.origin).parent / "models"
        return folder if (folder / _RESNET).is_file() and (folder / _LANDMARKS).is_file() else None

    def load(self, path: Path) -> DlibResNet:
        return DlibResNet(path)


SPACE = _Space()
