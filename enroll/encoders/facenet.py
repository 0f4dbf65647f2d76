"""``facenet-vggface2-512``, ``facenet-casia-512``: facenet-pytorch's InceptionResnetV1 (Schroff et al., 2015), trained
on VGGFace2 and on CASIA-WebFace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from enroll.encoders.base import Card, Download, Known, damaged, first_file, weights_folder
from enroll.looks import Look

__all__ = ["SPACES", "Facenet", "load_state"]

_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"
_EDGE = 160
_BATCH = 16


class Facenet:
    """512 numbers of unit length for each look."""

    def __init__(self, card: Card, path: Path) -> None:
        from facenet_pytorch import InceptionResnetV1

        self.card = card
        try:
            # The published file holds the classifier it was trained with as well.
            state = {name: value for name, value in load_state(path).items() if not name.startswith("logits.")}
            self._net = InceptionResnetV1(pretrained=None).eval()
            self._net.load_state_dict(state)
        except (RuntimeError, OSError, ValueError, SafetensorError) as error:
            raise damaged(card.space, path, error) from error

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        rows = [np.zeros((0, self.card.dim), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(samples), _BATCH):
                faces = np.stack([_face(look) for look in samples[start : start + _BATCH]])
                batch = torch.from_numpy(faces).permute(0, 3, 1, 2).float()
                rows.append(self._net((batch - 127.5) / 128.0).numpy())
        return np.concatenate(rows)


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


@dataclass(frozen=True)
class _Space:
    card: Card
    file: str

    def find(self) -> Path | None:
        folder = weights_folder(self.card.space)
        cache = Path(os.environ.get("TORCH_HOME", Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"))
        return first_file(
            folder / self.file,
            folder / f"{Path(self.file).stem}.safetensors",
            # facenet-pytorch keeps its downloads here.
            cache.expanduser() / "checkpoints" / self.file,
        )

    def files(self, path: Path) -> tuple[Path, ...]:
        return (path,)

    def load(self, path: Path) -> Facenet:
        return Facenet(self.card, path)


def _space(name: str, data: str, file: str, known: Known | None) -> _Space:
    space = f"facenet-{name}-512"
    card = Card(
        space=space,
        modality="face",
        dim=512,
        unit=True,
        licence=f"MIT code; {data} was released for non-commercial research",
        commercial=False,
        source=f"cameo weights get {space}; or put {file} of github.com/timesler/facenet-pytorch (release v2.2.9) "
        f"into $CAMEO_WEIGHTS/{space}",
        files=(known,) if known else (),
        download=Download(f"{_RELEASE}/{file}", "file", file, known),
        licence_url="https://github.com/timesler/facenet-pytorch/blob/master/README.md",
    )
    return _Space(card, file)


SPACES = (
    _space(
        "vggface2",
        "VGGFace2",
        "20180402-114759-vggface2.pt",
        Known(
            "20180402-114759-vggface2.pt",
            "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
            111_898_327,
        ),
    ),
    # Nobody publishes a digest of this one.
    _space("casia", "CASIA-WebFace", "20180408-102900-casia-webface.pt", None),
)
