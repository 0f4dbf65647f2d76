"""``ecapa-192``: SpeechBrain's ECAPA-TDNN (Desplanques et al., 2020), ``speechbrain/spkrec-ecapa-voxceleb``.

The network is built here and only its tensors are read: SpeechBrain's own loader runs whatever the folder's YAML says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from enroll.encoders.base import Card, Download, Known, damaged, first_file, unit_rows, weights_folder
from enroll.encoders.facenet import load_state

__all__ = ["SPACES", "Ecapa"]

_HUB = "speechbrain/spkrec-ecapa-voxceleb"
_REVISION = "0f99f2d0ebe89ac095bcc5903c4dd8f72b367286"
_FILE = Known("embedding_model.ckpt", "0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2", 83_316_686)
_MELS = 80
_BATCH = 16


_CARD = Card(
    space="ecapa-192",
    modality="voice",
    dim=192,
    unit=True,
    licence="Apache-2.0 (trained on VoxCeleb 1 and 2)",
    commercial=True,
    source=f"cameo weights get ecapa-192; or put {_FILE.name} of huggingface.co/{_HUB} into $CAMEO_WEIGHTS/ecapa-192",
    window=3.0,
    files=(_FILE,),
    download=Download(f"https://huggingface.co/{_HUB}/resolve/{_REVISION}/{_FILE.name}", "file", _FILE.name, _FILE),
    licence_url=f"https://huggingface.co/{_HUB}",
)


class Ecapa:
    """192 numbers of unit length for each 3 s of speech."""

    card = _CARD

    def __init__(self, path: Path) -> None:
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
        from speechbrain.processing.features import InputNormalization

        try:
            # The figures of the published hyperparams.yaml.
            self._net = ECAPA_TDNN(_MELS, lin_neurons=self.card.dim, channels=[1024, 1024, 1024, 1024, 3072]).eval()
            self._net.load_state_dict(load_state(path))
        except (RuntimeError, OSError, ValueError, SafetensorError) as error:
            raise damaged(self.card.space, path, error) from error
        self._features = Fbank(n_mels=_MELS).eval()
        self._centre = InputNormalization(norm_type="sentence", std_norm=False).eval()

    def encode(self, samples: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        rows = np.zeros((len(samples), self.card.dim), np.float32)
        lengths = np.array([len(sound) for sound in samples])
        with torch.inference_mode():
            # Padding would reach into the statistics pooling; so only sounds of one length go together.
            for length in np.unique(lengths):
                for part in np.array_split(where := np.flatnonzero(lengths == length), -(-len(where) // _BATCH)):
                    waves = torch.from_numpy(np.stack([np.asarray(samples[i], np.float32) for i in part]))
                    whole = torch.ones(len(part))
                    vectors = self._net(self._centre(self._features(waves), whole), whole)
                    rows[part] = vectors.reshape(len(part), -1).numpy()
        return unit_rows(rows)


@dataclass(frozen=True)
class _Space:
    card: Card = _CARD

    def find(self) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        folder = weights_folder(self.card.space)
        if path := first_file(folder / _FILE.name, folder / "embedding_model.safetensors"):
            return path
        # The revision this was written for, else what SpeechBrain itself fetched last.
        cached = (try_to_load_from_cache(_HUB, _FILE.name, revision=revision) for revision in (_REVISION, "main"))
        return next((Path(path) for path in cached if isinstance(path, str)), None)

    def files(self, path: Path) -> tuple[Path, ...]:
        return (path,)

    def load(self, path: Path) -> Ecapa:
        return Ecapa(path)


SPACES = (_Space(),)
