"""``facenet-vggface2-512``: facenet-pytorch's InceptionResnetV1 (Schroff et al., 2015) trained on VGGFace2."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from enroll.encoders.base import Card, damaged, weights_folder
from enroll.looks import Look

__all__ = ["SPACE", "Facenet", "load_state"]

_FILE = "20180402-114759-vggface2.pt"
_EDGE = 160


class Facenet:
    """512 numbers of unit length for each look."""

    card = Card(
        space="facenet-vggface2-512",
        modality="face",
        dim=512,
        unit=True,
        licence="MIT code; VGGFace2 was released for non-commercial research",
        commercial=False,
        source=f"put {_FILE} of github.com/timesler/facenet-pytorch (release v2.2.9) "
        "into $CAMEO_WEIGHTS/facenet-vggface2-512",
    )

    def __init__(self, path: Path) -> None:
        from facenet_pytorch import InceptionResnetV1

        try:
            # The published file holds the classifier it was trained with as well.
            state = {name: value for name, value in load_state(path).items() if not name.startswith("logits.")}
            self._net = InceptionResnetV1(pretrained=None).eval()
            self._net.load_state_dict(state)
        except (RuntimeError, OSError, ValueError, SafetensorError) as error:
            raise damaged(self.card.space, path, error) from error

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        if not samples:
            return np.zeros((0, self.card.dim), np.float32)
        batch = torch.from_numpy(np.stack([_face(look) for look in samples])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            vectors: NDArray[np.float32] = self._net((batch.float() - 127.5) / 128.0).numpy()
        return vectors


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """A state dict from ``.safetensors``, or from a torch file of which only tensors are read.

    Raises:
        ValueError: the file holds something else.
    """
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises UnpicklingError, EOFError, RuntimeError … for one and the same thing
        raise ValueError(f"{path.name} holds no plain tensors") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path.name} is not a state dict")
    return state


def _face(look: Look) -> NDArray[np.uint8]:
    """The box as MTCNN draws it, as the network was trained: RGB uint8, shape (160, 160, 3)."""
    height, width = look.patch.shape[:2]
    x0, y0, x1, y1 = (round(float(v)) for v in look.box)
    face = look.patch[max(y0, 0) : max(min(y1, height), 1), max(x0, 0) : max(min(x1, width), 1)]
    return cv2.resize(face, (_EDGE, _EDGE), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


class _Space:
    card = Facenet.card

    def find(self) -> Path | None:
        if folder := weights_folder(self.card.space):
            files = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".pt"))
            if files:
                return files[-1]
        cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        cached = Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "checkpoints" / _FILE
        return cached if cached.is_file() else None

    def load(self, path: Path) -> Facenet:
        return Facenet(path)


SPACE = _Space()
