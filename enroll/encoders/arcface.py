"""``arcface-*-512``: ArcFace (Deng et al., CVPR 2019), the recognisers of InsightFace's packs.

====================== ============== =========================== ==========================================
space                  file           network, training data      packs that hold this very file
====================== ============== =========================== ==========================================
arcface-buffalo_l-512  w600k_r50      ResNet-50, WebFace600K      buffalo_l, buffalo_m, cheetah_l
arcface-buffalo_s-512  w600k_mbf      MobileFaceNet, WebFace600K  buffalo_s, buffalo_sc, cheetah_s
arcface-antelopev2-512 glintr100      ResNet-100, Glint360K       antelopev2
====================== ============== =========================== ==========================================

Packs that share a recogniser share a space, for their vectors may be compared; the names of all packs are understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enroll.alignment import face_chip
from enroll.encoders.base import Card, Download, Known, damaged, first_file, unit_rows, weights_folder
from enroll.looks import Look

__all__ = ["SPACES", "ArcFace"]

_ZOO = "https://github.com/deepinsight/insightface/releases/download/model-zoo"


class ArcFace:
    """512 numbers of unit length for each look."""

    def __init__(self, card: Card, path: Path) -> None:
        from insightface.model_zoo import ArcFaceONNX

        self.card = card
        try:
            self._net = ArcFaceONNX(str(path))
        except Exception as error:  # onnx, protobuf and onnxruntime each raise their own
            raise damaged(card.space, path, error) from error
        if tuple(self._net.input_size) != (112, 112) or self._net.output_shape[-1] != card.dim:
            raise damaged(card.space, path, ValueError("shape"))
        # The packs' models are exported for any number of faces; another export may be for one.
        self._many = not isinstance(self._net.input_shape[0], int)

    def encode(self, samples: Sequence[Look]) -> NDArray[np.float32]:
        # get_feat takes BGR and swaps.
        chips = [np.ascontiguousarray(face_chip(look.patch, look.landmarks)[..., ::-1]) for look in samples]
        batches = [chips] if self._many and chips else [[chip] for chip in chips]
        rows = [self._net.get_feat(batch) for batch in batches]
        return unit_rows(np.concatenate([np.zeros((0, self.card.dim), np.float32), *rows]))


@dataclass(frozen=True)
class _Space:
    card: Card
    packs: tuple[str, ...]

    def find(self) -> Path | None:
        (known,) = self.card.files
        zoo = Path("~/.insightface/models").expanduser()
        # The archive of antelopev2 has a folder in it, and InsightFace unpacks it as it is.
        elsewhere = (folder / known.name for pack in self.packs for folder in (zoo / pack, zoo / pack / pack))
        return first_file(weights_folder(self.card.space) / known.name, *elsewhere)

    def files(self, path: Path) -> tuple[Path, ...]:
        return (path,)

    def load(self, path: Path) -> ArcFace:
        return ArcFace(self.card, path)


def _space(name: str, data: str, file: Known, archive: Known, packs: tuple[str, ...]) -> _Space:
    space = f"arcface-{name}-512"
    card = Card(
        space=space,
        modality="face",
        dim=512,
        unit=True,
        licence=f"InsightFace model licence: non-commercial research only (trained on {data})",
        commercial=False,
        source=f"cameo weights get {space}; or unpack {archive.name} of github.com/deepinsight/insightface "
        f"(release model-zoo) into ~/.insightface/models/{archive.name.removesuffix('.zip')}",
        files=(file,),
        download=Download(f"{_ZOO}/{archive.name}", "member", file.name, archive),
        licence_url="https://github.com/deepinsight/insightface/blob/master/model_zoo/README.md",
        aliases=tuple(f"arcface-{pack}-512" for pack in packs if pack != name and not pack.startswith("cheetah")),
    )
    return _Space(card, packs)


# Digests and sizes are those of the release's own list of assets, and of the files in them.
SPACES = (
    _space(
        "buffalo_l",
        "WebFace600K",
        Known("w600k_r50.onnx", "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43", 174_383_860),
        Known("buffalo_l.zip", "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f", 288_621_354),
        ("buffalo_l", "buffalo_m", "cheetah_l"),
    ),
    _space(
        "buffalo_s",
        "WebFace600K",
        Known("w600k_mbf.onnx", "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f", 13_616_099),
        # The same file as in buffalo_s.zip, without the 110 MB of landmark models beside it.
        Known("buffalo_sc.zip", "57d31b56b6ffa911c8a73cfc1707c73cab76efe7f13b675a05223bf42de47c72", 14_969_382),
        ("buffalo_s", "buffalo_sc", "cheetah_s"),
    ),
    _space(
        "antelopev2",
        "Glint360K",
        Known("glintr100.onnx", "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf", 260_665_334),
        Known("antelopev2.zip", "8e182f14fc6e80b3bfa375b33eb6cff7ee05d8ef7633e738d1c89021dcf0c5c5", 360_662_982),
        ("antelopev2",),
    ),
)
