"""``arcface-buffalo_l-512``: ArcFace (Deng et al., CVPR 2019), the recogniser of InsightFace's pack buffalo_l."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enroll.alignment import face_chip
from enroll.encoders.base import Card, damaged, unit_rows, weights_folder
from enroll.looks import Look

__all__ = ["SPACE", "ArcFace"]

_FILE = "w600k_r50.onnx"


class ArcFace:
    """512 numbers of unit length for each look."""

    card = Card(
        space="arcface-buffalo_l-512",
        modality="face",
        dim=512,
        unit=True,
        licence="InsightFace model licence: non-commercial research only (trained on WebFace600K)",
        commercial=False,
        source="unpack buffalo_l.zip of github.com/deepinsight/insightface (release model-zoo) "
        "into ~/.insightface/models/buffalo_l",
    )

    def __init__(self, path: Path) -> None:
        from insightface.model_zoo import ArcFaceONNX

        try:
            self._net = ArcFaceONNX(str(path))
        except Exception as error:  # onnx, protobuf and onnxruntime each raise their own
            raise damaged(self.card.space, path, error) from error
        if tuple(self._net.input_size) != (112, 112) or self._net.output_shape[-1] != self.card.dim:
            raise damaged(self.card.space, path, ValueError("shape"))

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        # get_feat takes BGR and swaps. One at a time: the pack's model is exported for any batch, others for one.
        rows = [self._net.get_feat(face_chip(look.patch, look.landmarks)[..., ::-1])[0] for look in samples]
        return unit_rows(np.array(rows, np.float32).reshape(-1, self.card.dim))


class _Space:
    card = ArcFace.card

    def find(self) -> Path | None:
        folders = (weights_folder(self.card.space), Path("~/.insightface/models/buffalo_l").expanduser())
        return next((f / _FILE for f in folders if f is not None and (f / _FILE).is_file()), None)

    def load(self, path: Path) -> ArcFace:
        return ArcFace(path)


SPACE = _Space()
