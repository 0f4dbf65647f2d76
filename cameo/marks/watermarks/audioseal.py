"""AudioSeal: a watermark in sound, 16 bits (San Roman et al., "Proactive Detection of Voice Cloning with Localized
Watermarking", 2024). The library is optional (``pip install cameo-kit[audioseal]``), and so are its weights:
``generator_base.pth`` and ``detector_base.pth`` in ``$CAMEO_WEIGHTS/audioseal``, from the hub's ``facebook/audioseal``.

Sixteen bits alone name one scene among few; with the picture's they say more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from cameo.marks.watermarks.base import weights_of
from enroll.encoders.base import damaged

__all__ = ["AudioSealMark"]

_RATE: Final = 16_000
_BITS: Final = 16
_PRESENT: Final = 0.5
"""Share of the sound that must be found marked."""
_GENERATOR, _DETECTOR = "generator_base.pth", "detector_base.pth"


class AudioSealMark:
    """See above.

    Args:
        folder: where the weights are.
    """

    name: Final = "audioseal"
    carrier: Final[Literal["sound"]] = "sound"
    bits: Final = _BITS

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def find(cls) -> Self | None:
        """None where the library or its weights are not on this machine."""
        folder = weights_of("audioseal", _GENERATOR, _DETECTOR)
        return cls(folder) if folder is not None and find_spec("audioseal") is not None else None

    def embed(self, sound: NDArray[np.float32], sample_rate: int, message: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See ``SoundMark``."""
        channels = np.atleast_2d(sound)
        at_its_rate = torch.from_numpy(_resampled(channels, sample_rate, _RATE))[:, None]
        bits = torch.from_numpy(message.astype(np.int64)).repeat(len(channels), 1)
        with torch.inference_mode():
            added = self._generator.get_watermark(at_its_rate, sample_rate=_RATE, message=bits)[:, 0].numpy()
        added = _resampled(added, _RATE, sample_rate)[:, : channels.shape[1]]
        marked = channels.copy()
        marked[:, : added.shape[1]] += added
        return marked.clip(-1, 1).reshape(sound.shape)

    def read(self, sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.bool_]:
        """See ``SoundMark``."""
        mono = np.atleast_2d(sound).mean(0, keepdims=True, dtype=np.float32)
        if not mono.size:
            return np.zeros((0, _BITS), bool)
        heard = torch.from_numpy(_resampled(mono, sample_rate, _RATE))[:, None]
        with torch.inference_mode():
            present, bits = self._detector.detect_watermark(heard, sample_rate=_RATE)
        return bits.numpy().astype(bool) if float(present) >= _PRESENT else np.zeros((0, _BITS), bool)

    @cached_property
    def _generator(self) -> Any:
        from audioseal.builder import AudioSealWMConfig, create_generator

        return self._load(_GENERATOR, "audioseal_wm_16bits", AudioSealWMConfig, create_generator)

    @cached_property
    def _detector(self) -> Any:
        from audioseal.builder import AudioSealDetectorConfig, create_detector

        return self._load(_DETECTOR, "audioseal_detector_16bits", AudioSealDetectorConfig, create_detector)

    def _load(self, file: str, card: str, schema: type, create: Callable[[Any], torch.nn.Module]) -> torch.nn.Module:
        """The library would unpickle whatever is in the file; here nothing but tensors is read."""
        from audioseal import loader
        from omegaconf import OmegaConf

        config: Any = OmegaConf.to_container(loader.load_local_model_config(card))
        model = create(loader.AudioSeal.parse_config(config, schema, nbits=_BITS))
        path = self._folder / file
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            weights = weights.get("model", weights)
            loader.load_state_dict(model, loader.convert_state_dict_for_scriptable_model(weights))
        except (OSError, RuntimeError, UnpicklingError, AttributeError, KeyError, AssertionError) as error:
            raise damaged(self.name, path, error) from None
        return model.eval()


def _resampled(sound: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    return resample_poly(sound, wanted, rate, axis=-1).astype(np.float32) if rate != wanted else sound
