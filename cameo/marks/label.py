"""The visible label: small words in a corner that say a scene was made by a model."""

from __future__ import annotations

import os
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["TEXT", "label", "wanted"]

TEXT: Final = "AI-generated"

# Shares of the picture's shorter edge; no smaller than can be read.
_HEIGHT, _LEAST_PX, _MARGIN = 0.05, 7, 0.025
_FONT, _SHARPER = cv2.FONT_HERSHEY_SIMPLEX, 8
_PLATE = 0.45


def wanted() -> bool:
    """Whether this home labels its scenes: unless its operator set ``CAMEO_LABEL=off``."""
    return os.environ.get("CAMEO_LABEL", "").strip().lower() not in {"off", "no", "0", "false"}


def label(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same frames, RGB uint8 (T, H, W, 3), with the label at the bottom left."""
    height, width = frames.shape[1:3]
    words = _words(max(_LEAST_PX, round(_HEIGHT * min(height, width))), width)
    h, w = words.shape
    margin = round(_MARGIN * min(height, width))
    top, left = max(0, height - h - margin), min(margin, max(0, width - w))
    made = frames.copy()
    under = made[:, top : top + h, left : left + w].astype(np.float32)
    over = words[None, : under.shape[1], : under.shape[2], None]
    # White words on a plate that darkens what is under it: legible on snow and at night.
    made[:, top : top + h, left : left + w] = (under * (1 - _PLATE) * (1 - over) + 255 * over).round().astype(np.uint8)
    return made


def _words(height: int, widest: int) -> NDArray[np.float32]:
    """The text as a mask, 0 to 1, with a little room around it."""
    scale = cv2.getFontScaleFromHeight(_FONT, height * _SHARPER, 2 * _SHARPER // 2)
    (w, h), below = cv2.getTextSize(TEXT, _FONT, scale, _SHARPER)
    pad = height * _SHARPER // 3
    large = np.zeros((h + below + 2 * pad, w + 2 * pad), np.uint8)
    cv2.putText(large, TEXT, (pad, pad + h), _FONT, scale, 255, max(_SHARPER, h // 9), cv2.LINE_AA)
    factor = min(1 / _SHARPER, widest / large.shape[1])
    size = (max(1, int(large.shape[1] * factor)), max(1, int(large.shape[0] * factor)))
    return (cv2.resize(large, size, interpolation=cv2.INTER_AREA) / 255).astype(np.float32)
