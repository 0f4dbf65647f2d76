"""TrustMark: a watermark in single pictures, 100 bits (Bui et al., "TrustMark: Robust Watermarking and Watermark
Removal for Arbitrary Resolution Images", ICCV 2025). Its weights are two ONNX files, ``encoder_Q.onnx`` and
``decoder_Q.onnx``, in ``$CAMEO_WEIGHTS/trustmark``; the runtime comes with InsightFace.

The bits go in as they are, without the published error correction: which scene a damaged message is of is found by how
little it differs (see ``base``). Another reader of TrustMark finds them as a message without a schema.
"""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from cameo.marks.watermarks.base import sampled, weights_of
from enroll.encoders.base import damaged

__all__ = ["TrustMarkMark"]

_BITS: Final = 100
_ENCODER, _DECODER = "encoder_Q.onnx", "decoder_Q.onnx"
_MOST_FRAMES: Final = 24
_WIDEST: Final = 2.0
"""Of a picture that is longer than this times its other side, the square in the middle is marked."""


class TrustMarkMark:
    """See above.

    Args:
        folder: where the weights are.
    """

    name: Final = "trustmark"
    carrier: Final[Literal["picture"]] = "picture"
    bits: Final = _BITS

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def find(cls) -> Self | None:
        """None where the weights, or what runs them, are not on this machine."""
        folder = weights_of("trustmark", _ENCODER, _DECODER)
        return cls(folder) if folder is not None and find_spec("onnxruntime") is not None else None

    def embed(self, frames: NDArray[np.uint8], message: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """See ``PictureMark``."""
        secret = message.astype(np.float32)[None]
        marked = frames.copy()
        for part in _region(marked):
            cover = _scaled(part, self._encoder.side)
            added = self._encoder(cover, secret).clip(-1, 1) - cover
            added -= added.mean((2, 3), keepdims=True)  # no colour of its own
            added = cv2.resize(added[0].transpose(1, 2, 0), part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
            part[:] = (part + added * 127.5).round().clip(0, 255).astype(np.uint8)
        return marked

    def read(self, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """See ``PictureMark``: the sum of what the frames say."""
        some = _region(sampled(frames, _MOST_FRAMES))
        if not len(some):
            return np.zeros((0, _BITS), bool)
        said = [self._decoder(_scaled(part, self._decoder.side)) for part in some]
        return np.asarray(sum(said) > 0)

    @cached_property
    def _encoder(self) -> _Network:
        return _Network(self._folder / _ENCODER, (1, 3), _BITS)

    @cached_property
    def _decoder(self) -> _Network:
        return _Network(self._folder / _DECODER, (1, _BITS))


class _Network:
    """One of the two files, for one picture at a time.

    Args:
        gives: how the shape of its answer begins.
        secret: how many bits it takes beside the picture.

    Attributes:
        side: of the square picture it takes.

    Raises:
        WeightsMissing: the file does not hold such a network.
    """

    def __init__(self, path: Path, gives: tuple[int, ...], secret: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            picture, *others = self._session.get_inputs()
            self.side = int(picture.shape[2])
            self._names = [one.name for one in (picture, *others)]
            shapes = [(1, 3, self.side, self.side), *([(1, secret)] if secret else [])]
            answer = self(*(np.zeros(shape, np.float32) for shape in shapes))
        except Exception as error:  # onnxruntime has an exception of its own for every kind of damage
            raise damaged(TrustMarkMark.name, path, error) from None
        if answer.shape[: len(gives)] != gives:
            raise damaged(TrustMarkMark.name, path, ValueError(f"shape {answer.shape}"))

    def __call__(self, *given: NDArray[np.float32]) -> NDArray[np.float32]:
        answer: Any = self._session.run(None, dict(zip(self._names, given, strict=True)))[0]
        return np.asarray(answer, np.float32)


def _region(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What of the frames is marked, a view of them."""
    height, width = frames.shape[1:3]
    least = min(height, width)
    if max(height, width) <= _WIDEST * least:
        return frames
    top, left = (height - least) // 2, (width - least) // 2
    return frames[:, top : top + least, left : left + least]


def _scaled(picture: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """As a network takes it: float32 in [-1, 1], (1, 3, side, side)."""
    how = cv2.INTER_AREA if min(picture.shape[:2]) > side else cv2.INTER_LINEAR
    small = cv2.resize(picture, (side, side), interpolation=how)
    return (small.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
