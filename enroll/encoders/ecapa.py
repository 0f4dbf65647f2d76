"""``ecapa-192``: SpeechBrain's ECAPA-TDNN (Desplanques et al., 2020), ``speechbrain/spkrec-ecapa-voxceleb``.

The network is built here and only its tensors are read: SpeechBrain's own loader runs whatever the folder's YAML says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from enroll.encoders.base import Card, damaged, unit_rows, weights_folder
from enroll.encoders.facenet import load_state

__all__ = ["SPACE", "Ecapa"]

_FILES = ("embedding_model.safetensors", "embedding_model.ckpt")
_HUB = "speechbrain/spkrec-ecapa-voxceleb"
_MELS = 80


class Ecapa:
    """192 numbers of unit length for each 3 s of speech."""

    card = Card(
        space="ecapa-192",
        modality="voice",
        dim=192,
        unit=True,
        licence="Apache-2.0 (trained on VoxCeleb 1 and 2)",
        commercial=True,
        source=f"put embedding_model.ckpt of huggingface.co/{_HUB} into $CAMEO_WEIGHTS/ecapa-192",
        window=3.0,
    )

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
        rows = []
        with torch.inference_mode():
            for sound in samples:
                wave = torch.from_numpy(np.ascontiguousarray(sound, np.float32))[None]
                whole = torch.ones(1)
                rows.append(self._net(self._centre(self._features(wave), whole), whole).reshape(-1).numpy())
        return unit_rows(np.array(rows, np.float32).reshape(-1, self.card.dim))


class _Space:
    card = Ecapa.card

    def find(self) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        if folder := weights_folder(self.card.space):
            for name in _FILES:
                if (folder / name).is_file():
                    return folder / name
        cached = try_to_load_from_cache(_HUB, "embedding_model.ckpt")
        return Path(cached) if isinstance(cached, str) else None

    def load(self, path: Path) -> Ecapa:
        return Ecapa(path)


SPACE = _Space()
