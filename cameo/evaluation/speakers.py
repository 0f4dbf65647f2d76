"""Whose voice it is, by an encoder that no generator is conditioned on.

An ECAPA-TDNN (Desplanques et al., 2020) of SpeechBrain's, small, and trained by ``cameo.training.speakers`` on made-up
voices alone, none of those that are judged. What it says of people who exist is not known.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from enroll.clip import SAMPLE_RATE
from enroll.errors import NoSpeech
from enroll.voice import listen, speech_of

if TYPE_CHECKING:
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

__all__ = ["DIM", "NAME", "WEIGHTS", "SpeakerNet", "speaker_of", "speaker_vector", "write"]

NAME = "ecapa-128-made-up"
DIM = 128
WEIGHTS = Path(__file__).parent / "speakers"
"""Where the weights lie in the package."""

_FILE, _CARD = "weights.safetensors", "card.json"
_MELS, _WIDTH = 80, 128
_WINDOW = 2.0
"""Seconds that are looked at together."""


class SpeakerNet(nn.Module):
    """Sounds to vectors, (B, N) at 16 kHz to (B, DIM); of any length from half a second on."""

    def __init__(self) -> None:
        super().__init__()
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

        channels = [_WIDTH] * 4 + [3 * _WIDTH]
        self.net: ECAPA_TDNN = ECAPA_TDNN(_MELS, lin_neurons=DIM, channels=channels, attention_channels=64)
        self._features: Any = Fbank(n_mels=_MELS)

    def forward(self, sounds: Tensor) -> Tensor:
        with torch.no_grad():
            features = self._features(sounds)
            # What a microphone or a room does to all of a sound alike says nothing of who speaks.
            features = features - features.mean(1, keepdim=True)
        return torch.as_tensor(self.net(features)).flatten(1)


def write(network: SpeakerNet, folder: Path, card: dict[str, Any]) -> None:
    """Write what ``speaker_vector`` reads: the weights in float16, and where they come from."""
    folder.mkdir(parents=True, exist_ok=True)
    halved = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.net.state_dict().items()
    }
    save_file({name: tensor.contiguous() for name, tensor in halved.items()}, folder / _FILE)
    (folder / _CARD).write_text(json.dumps(card, indent=2) + "\n")


def speaker_vector(sound: NDArray[np.float32], folder: Path = WEIGHTS) -> NDArray[np.float32]:
    """The speaker of mono sound at 16 kHz, (DIM,) of unit length; NaN where too little is said to tell.

    Args:
        sound: (N,), in [-1, 1].
        folder: that ``write`` wrote.
    """
    try:
        return speaker_of(speech_of(listen(sound), sound).samples, folder)
    except NoSpeech:
        return np.full(DIM, np.nan, np.float32)


def speaker_of(speech: NDArray[np.float32], folder: Path = WEIGHTS) -> NDArray[np.float32]:
    """The speaker of a stretch that is known to be speech, of half a second or more; as ``speaker_vector``."""
    window = min(len(speech), round(_WINDOW * SAMPLE_RATE))
    starts = np.linspace(0, len(speech) - window, 1 + 2 * (len(speech) - window) // window).round().astype(int)
    parts = torch.from_numpy(np.stack([speech[at : at + window] for at in starts]).astype(np.float32))
    with torch.inference_mode():
        vectors = nn.functional.normalize(_network(folder)(parts), dim=1)
        mean = nn.functional.normalize(vectors.mean(0), dim=0)
    return np.asarray(mean.numpy(), np.float32)


@lru_cache(maxsize=1)
def _network(folder: Path) -> SpeakerNet:
    network = SpeakerNet()
    # float16, copied into float32.
    network.net.load_state_dict(load_file(folder / _FILE))
    return network.eval()
