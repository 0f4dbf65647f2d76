"""Where a made-up close-up plays and which colour is worn, told from its pixels by simple rules.

Both hold for close-ups as ``synth`` frames them: the corners beside the head show the backdrop, the bottom edge the
clothes. They were fitted on what ``synth`` draws and know nothing of the world.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cameo.synth.people import CLOTHES
from cameo.synth.settings import SETTINGS, backdrop

__all__ = ["Scenery"]

_EDGE = 64  # pictures are compared at this size, so that a sharp one and a soft one can be
_PLACES = 48
_BINS = 8
_GAMMA = 0.9  # of the renderer
# Rows and columns as shares of the picture.
_SIDE, _DOWN = 0.16, 0.75
_HEM, _CHEST = 0.92, (0.36, 0.64)
# What light makes of cloth, from a dark stripe at night to full sun.
_SHADES = (0.42, 0.55, 0.7, 0.85, 1.0, 1.15)


class Scenery:
    """Tells settings and clothes. Made once, deterministic."""

    def setting(self, frames: NDArray[np.uint8]) -> str:
        """The name of the nearest setting for (T, H, W, 3) uint8: the nearest of the examples by the Bhattacharyya
        coefficient of colour histograms beside the head."""
        names, examples = self._examples
        return names[int(np.argmax(examples @ _histogram(frames)))]

    def clothes(self, frames: NDArray[np.uint8]) -> str:
        """The name of the nearest colour of ``CLOTHES`` for (T, H, W, 3) uint8, by the median Lab colour of the chest
        (CIE76)."""
        height, width = frames.shape[1:3]
        chest = frames[:, int(_HEM * height) :, int(_CHEST[0] * width) : int(_CHEST[1] * width)]
        colour = np.median(_lab(chest.reshape(1, -1, 3) / 255.0)[0], axis=0)
        names, anchors = self._cloth
        return names[int(np.argmin(np.linalg.norm(anchors - colour, axis=1)))]

    @cached_property
    def _examples(self) -> tuple[list[str], NDArray[np.float64]]:
        rng = np.random.default_rng(0)
        grid = (torch.arange(_EDGE) + 0.5) / _EDGE - 0.5
        u, v = grid.reshape(1, 1, -1), -grid.reshape(1, -1, 1)
        names, rows = [], []
        for setting in SETTINGS.values():
            parameters = {
                "setting": torch.full((_PLACES, 1, 1), float(setting.index)),
                "place": torch.from_numpy(rng.uniform(size=(_PLACES, 1, 1))).float(),
                "pan": torch.from_numpy(rng.normal(0, 0.03, (_PLACES, 1, 1))).float(),
            }
            size = (_PLACES, _EDGE, _EDGE)
            channels = backdrop(parameters, u.expand(size), v.expand(size))
            pictures = (torch.stack(channels, -1).clamp(0, 1) ** _GAMMA * 255).to(torch.uint8).numpy()
            names += [setting.name] * _PLACES
            rows += [_histogram(picture[None]) for picture in pictures]
        return names, np.stack(rows)

    @cached_property
    def _cloth(self) -> tuple[list[str], NDArray[np.float64]]:
        names, colours = [], []
        for name, rgb in CLOTHES.items():
            for setting in SETTINGS.values():
                for shade in _SHADES:
                    names.append(name)
                    colours.append(np.clip(np.array(rgb) * shade * setting.tint, 0, 1) ** _GAMMA)
        return names, _lab(np.array(colours)[None])[0]


def _histogram(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Square roots of the shares of colours left and right of the head, upper and lower half apart, smoothed, so that
    the dot product of two such rows is their Bhattacharyya coefficient."""
    small = np.stack([cv2.resize(frame, (_EDGE, _EDGE), interpolation=cv2.INTER_AREA) for frame in frames])
    side, down = int(_SIDE * _EDGE), int(_DOWN * _EDGE)
    beside = np.concatenate([small[:, :down, :side], small[:, :down, -side:]], 2)
    halves = []
    for half in np.array_split(beside, 2, axis=1):
        counts, _ = np.histogramdd(half.reshape(-1, 3), bins=_BINS, range=[(0, 256)] * 3)
        soft = gaussian_filter(counts, 0.6, mode="nearest")
        halves.append(np.sqrt(soft / soft.sum() / 2).reshape(-1))
    return np.concatenate(halves)


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of RGB from 0 to 1, shape (H, W, 3)."""
    return cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2LAB).astype(np.float64)
