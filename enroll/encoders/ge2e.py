"""``ge2e-256``: Resemblyzer's speaker encoder, trained with the generalised end-to-end loss (Wan et al., 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from enroll.encoders.base import Card, Known, damaged, unit_rows

__all__ = ["GE2E", "SPACES"]


_CARD = Card(
    space="ge2e-256",
    modality="voice",
    dim=256,
    unit=True,
    licence="Apache-2.0 (trained on LibriSpeech, VoxCeleb 1 and 2)",
    commercial=True,
    source="pip install resemblyzer==0.1.4 webrtcvad-wheels",
    window=1.6,
    files=(Known("pretrained.pt", "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e", 17_090_379),),
    licence_url="https://github.com/resemble-ai/Resemblyzer",
)


class GE2E:
    """256 non-negative numbers of unit length for each 1.6 s of speech.

    Attributes:
        network: Resemblyzer's own.
        mel: what it is given of a sound.
    """

    card = _CARD

    def __init__(self, path: Path) -> None:
        from resemblyzer import VoiceEncoder, hparams
        from torchaudio.transforms import MelSpectrogram

        try:
            self.network = VoiceEncoder("cpu", verbose=False, weights_fpath=path).eval()
        except (RuntimeError, KeyError, OSError) as error:
            raise damaged(self.card.space, path, error) from error
        # What Resemblyzer computes with librosa, to a millionth, in a quarter of the memory and without compiling.
        self.mel = MelSpectrogram(
            hparams.sampling_rate,
            n_fft=hparams.sampling_rate * hparams.mel_window_length // 1000,
            hop_length=hparams.sampling_rate * hparams.mel_window_step // 1000,
            n_mels=hparams.mel_n_channels,
            norm="slaney",
            mel_scale="slaney",
            pad_mode="constant",
        )

    def encode(self, samples: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        from resemblyzer import hparams
        from resemblyzer.audio import normalize_volume

        if not samples:
            return np.zeros((0, self.card.dim), np.float32)
        mels = []
        for sound in samples:
            if np.any(sound):
                sound = normalize_volume(sound, hparams.audio_norm_target_dBFS, increase_only=True)
            mel = self.mel(torch.from_numpy(np.ascontiguousarray(sound, np.float32))).T[: hparams.partials_n_frames]
            mels.append(torch.nn.functional.pad(mel, (0, 0, 0, hparams.partials_n_frames - len(mel))))
        with torch.inference_mode():
            vectors = self.network(torch.stack(mels)).numpy()
        # A window of nothing at all has no direction.
        return unit_rows(np.nan_to_num(vectors))


@dataclass(frozen=True)
class _Space:
    card: Card = _CARD

    def find(self) -> Path | None:
        spec = find_spec("resemblyzer")
        if spec is None or spec.origin is None or find_spec("webrtcvad") is None:
            return None
        path = Path(spec.origin).parent / "pretrained.pt"
        return path if path.is_file() else None

    def files(self, path: Path) -> tuple[Path, ...]:
        return (path,)

    def load(self, path: Path) -> GE2E:
        return GE2E(path)


SPACES = (_Space(),)
