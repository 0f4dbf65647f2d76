"""Video Seal: a watermark in pictures, 256 bits (Fernandez et al., "Video Seal: Open and Efficient Video Watermarking",
2024). Its weights are one TorchScript file that needs no library: ``y_256b_img.jit``, in ``$CAMEO_WEIGHTS/videoseal``.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from cameo.marks.watermarks.base import sampled, weights_of
from enroll.encoders.base import damaged

__all__ = ["VideoSealMark"]

_BITS: Final = 256
_FILE: Final = "y_256b_img.jit"
_AT_A_TIME: Final = 8
_MOST_FRAMES: Final = 24


class VideoSealMark:
    """See above.

    Args:
        path: of the weights.
    """

    name: Final = "videoseal"
    carrier: Final[Literal["picture"]] = "picture"
    bits: Final = _BITS

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def find(cls) -> Self | None:
        """None where its weights are not on this machine."""
        folder = weights_of("videoseal", _FILE)
        return cls(folder / _FILE) if folder is not None else None

    def embed(self, frames: NDArray[np.uint8], message: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """See ``PictureMark``."""
        bits = torch.from_numpy(message.astype(np.float32))[None]
        marked = []
        with torch.inference_mode():
            for some in _batches(frames):
                made = self._model.embed(some, bits.expand(len(some), -1))
                marked.append((made.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy())
        return np.concatenate(marked)

    def read(self, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """See ``PictureMark``: the sum of what the frames say."""
        some = sampled(frames, _MOST_FRAMES)
        if not len(some):
            return np.zeros((0, _BITS), bool)
        with torch.inference_mode():
            # The first value of each is whether it is marked at all, and untrained in this model.
            said = sum(self._model.detect(batch)[:, 1:].sum(0) for batch in _batches(some))
        return (torch.as_tensor(said)[None] > 0).numpy()

    @cached_property
    def _model(self) -> Any:
        try:
            model = torch.jit.load(str(self._path), map_location="cpu").eval()
        except (RuntimeError, OSError) as error:
            raise damaged(self.name, self._path, error) from None
        if not all(hasattr(model, name) for name in ("embed", "detect")):
            raise damaged(self.name, self._path, AttributeError("embed"))
        return model


def _batches(frames: NDArray[np.uint8]) -> list[torch.Tensor]:
    """float32 in [0, 1], (N, 3, H, W) each."""
    parts = [frames[at : at + _AT_A_TIME] for at in range(0, len(frames), _AT_A_TIME)]
    return [torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2).float() / 255 for part in parts]
