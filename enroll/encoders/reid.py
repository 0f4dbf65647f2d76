"""``reid-cheetah_l-256``: person re-identification, from InsightFace's PersonAnalysis pack cheetah_l."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enroll.encoders.base import Card, damaged, unit_rows, weights_folder
from enroll.looks import Look

__all__ = ["SPACE", "ReId"]

_PACK = "cheetah_l"


class ReId:
    """256 numbers of unit length for each look."""

    card = Card(
        space="reid-cheetah_l-256",
        modality="body",
        dim=256,
        unit=True,
        licence="InsightFace model licence: non-commercial research only",
        commercial=False,
        source=f"unpack {_PACK}.zip of github.com/deepinsight/insightface (release model-zoo) "
        f"into ~/.insightface/models/{_PACK}",
    )

    def __init__(self, path: Path) -> None:
        from insightface.model_zoo.person_package import load_person_package
        from insightface.model_zoo.person_reid import PersonReID

        try:
            # Checks the pack's manifest and hashes; downloads nothing. Its detectors stay closed: the look has the box.
            pack = load_person_package(path.name, path.parent.parent)
            self._net = PersonReID(pack["tasks"]["person_reid"], ["CPUExecutionProvider"], threads=1)
        except Exception as error:  # onnx, onnxruntime and the manifest reader each raise their own
            raise damaged(self.card.space, path, error) from error

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        rows = [self._net.embed(np.ascontiguousarray(_person(look)[..., ::-1])) for look in samples]
        return unit_rows(np.array(rows, np.float32).reshape(-1, self.card.dim))


def _person(look: Look) -> NDArray[np.uint8]:
    """As much of a standing person's box (half as wide as high) as the look shows."""
    height, width = look.patch.shape[:2]
    middle = float(look.box[0] + look.box[2]) / 2
    half = max(height / 4, float(look.box[2] - look.box[0]))
    return look.patch[:, max(0, int(middle - half)) : min(width, int(middle + half) + 1)]


class _Space:
    card = ReId.card

    def find(self) -> Path | None:
        roots = (weights_folder(self.card.space), Path("~/.insightface").expanduser())
        packs = (root / "models" / _PACK for root in roots if root is not None)
        return next((pack for pack in packs if (pack / "manifest.json").is_file()), None)

    def load(self, path: Path) -> ReId:
        return ReId(path)


SPACE = _Space()
