"""``reid-cheetah_l-256``: person re-identification, from InsightFace's PersonAnalysis packs cheetah_l and cheetah_s.

Both packs hold the same re-identification model, so their vectors share a space; ``reid-cheetah_s-256`` is understood.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enroll.encoders.base import Card, Download, damaged, unit_rows, weights_folder
from enroll.looks import Look

__all__ = ["SPACES", "ReId"]

_PACKS = ("cheetah_l", "cheetah_s")
_CARD = Card(
    space="reid-cheetah_l-256",
    modality="body",
    dim=256,
    unit=True,
    licence="InsightFace model licence: non-commercial research only",
    commercial=False,
    source="cameo weights get reid-cheetah_l-256; or unpack cheetah_s.zip of github.com/deepinsight/insightface "
    "(release model-zoo) into ~/.insightface/models/cheetah_s",
    # The smaller pack: what differs are detectors, which stay closed here. Nobody publishes a digest of the archive;
    # the manifest in it has one for every model.
    download=Download(
        "https://github.com/deepinsight/insightface/releases/download/model-zoo/cheetah_s.zip",
        "pack",
        "models/cheetah_s",
    ),
    licence_url="https://github.com/deepinsight/insightface/blob/master/model_zoo/README.md",
    aliases=("reid-cheetah_s-256",),
)


class ReId:
    """256 numbers of unit length for each look."""

    card = _CARD

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


@dataclass(frozen=True)
class _Space:
    card: Card = _CARD

    def find(self) -> Path | None:
        roots = (weights_folder(self.card.space), Path("~/.insightface").expanduser())
        packs = (root / "models" / pack for root in roots for pack in _PACKS)
        return next((pack for pack in packs if (pack / "manifest.json").is_file()), None)

    def files(self, path: Path) -> tuple[Path, ...]:
        try:
            manifest = json.loads((path / "manifest.json").read_bytes())
            model = path / Path(manifest["tasks"]["person_reid"]["file"]).name
        except (OSError, ValueError, LookupError, TypeError):
            return (path / "manifest.json",)  # ``load`` will say what is wrong with it
        return (model,) if model.is_file() else (path / "manifest.json",)

    def load(self, path: Path) -> ReId:
        return ReId(path)


SPACES = (_Space(),)
