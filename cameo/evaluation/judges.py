"""Who says whether two faces are one person: an encoder that had no part in the conditioning, where there is one.

A generator that is given an embedding may learn to please the encoder it came from. So the judge is another encoder,
trained by others on other pictures; where none is on this machine the conditioning one judges, and ``independent`` says
so in every report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enroll.alignment import face_chip
from enroll.encoders import registry
from enroll.encoders.base import unit_rows
from enroll.errors import WeightsMissing
from enroll.looks import Look

__all__ = ["Judge", "find_judge"]

_HINT = "give a MobileFaceNet as ONNX (RGB 112×112, ArcFace alignment) with --judge or $CAMEO_JUDGE"
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, repr=False)
class Judge:
    """A face encoder as judge.

    Attributes:
        name: of the encoder, as reports give it.
        dim: length of a vector.
        independent: False when the generator was conditioned on this very encoder.
        encode: looks to vectors, (N, dim).
    """

    name: str
    dim: int
    independent: bool
    encode: Callable[[Sequence[Look]], NDArray[np.float32]]

    def person(self, looks: Sequence[Look]) -> NDArray[np.float32]:
        """One vector of unit length for all looks at a person, shape (dim,); NaN where there is no look."""
        if not looks:
            return np.full(self.dim, np.nan, np.float32)
        return unit_rows(unit_rows(self.encode(looks)).mean(0, keepdims=True))[0]


def find_judge(path: Path | None, *, conditioning: str) -> Judge:
    """The first of: the file given, the file ``$CAMEO_JUDGE`` names, a face space on this machine that is not
    ``conditioning``, the conditioning space itself.

    Args:
        path: a MobileFaceNet as ONNX; None to look elsewhere.
        conditioning: the face space the generator was conditioned on.

    Raises:
        WeightsMissing: a file was named and is not there, or is not such a model.
    """
    named = path if path is not None else _from_environment()
    if named is not None:
        return _onnx(named)
    others = [space for space in registry.available("face") if space != conditioning]
    # Offline spaces come first in the registry; a stronger recogniser that somebody fetched is the better judge.
    space = others[-1] if others else conditioning
    encoder = registry.get(space)
    return Judge(space, encoder.card.dim, space != conditioning, encoder.encode)


def _from_environment() -> Path | None:
    value = os.environ.get("CAMEO_JUDGE")
    return Path(value).expanduser() if value else None


def _onnx(path: Path) -> Judge:
    if not path.is_file():
        raise WeightsMissing(f"there is no judge at {path}", hint=_HINT)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        (trial,) = session.run(None, {name: np.zeros((1, 3, 112, 112), np.float32)})
    except Exception as error:  # onnxruntime has an exception of its own for every kind of damage
        raise WeightsMissing(f"the judge at {path} cannot be used: {type(error).__name__}", hint=_HINT) from error
    if trial.ndim != 2 or trial.shape[0] != 1:
        raise WeightsMissing(f"the judge at {path} gives shape {trial.shape}, expected (1, D)", hint=_HINT)

    def encode(looks: Sequence[Look]) -> NDArray[np.float32]:
        chips = np.stack([face_chip(look.patch, look.landmarks) for look in looks]).astype(np.float32) / 255.0
        batch = ((chips - _MEAN) / _STD).transpose(0, 3, 1, 2)
        # One at a time: the file may have been exported for a batch of one.
        return np.concatenate([session.run(None, {name: row[None]})[0] for row in batch]).astype(np.float32)

    return Judge(path.stem, int(trial.shape[1]), True, encode)
