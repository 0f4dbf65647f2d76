"""High dynamic range to standard: BT.2020 with PQ or HLG (ITU-R BT.2100) to BT.709.

A display of 1,000 cd/m² is brought down to one whose white is 203 cd/m² (the diffuse white of ITU-R BT.2408) by the
roll-off of ITU-R BT.2390 §5.4, on red, green and blue by themselves: what is darker than about 90 cd/m², faces among
it, stays as it was. Colours outside BT.709 are clipped. Values go out with the display gamma of BT.1886.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["GREY_TO_SDR", "TRANSFERS", "Transfer", "to_sdr"]

Transfer = Literal["pq", "hlg"]
TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
"""By FFmpeg's ``AVCOL_TRC_*``, which are the numbers of ITU-T H.273."""

_PEAK, _WHITE = 1000.0, 203.0
_GAMMA = 2.4
# SMPTE ST 2084
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
# BT.2020 to BT.709 in linear light, ITU-R BT.2087 (the inverse).
_PRIMARIES = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
_STEPS = 4096
_ROWS = 64


def pq_to_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084: signal in [0, 1] to cd/m²."""
    root = np.clip(code, 0, 1) ** (1 / _M2)
    return 10_000.0 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def light_to_pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of ``pq_to_light``."""
    power = np.clip(light / 10_000.0, 0, 1) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_to_scene(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2100, inverse of HLG's OETF: signal in [0, 1] to scene light in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def roll_off(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2390 §5.4, black level 0: cd/m² on a display of ``_PEAK`` to shares of ``_WHITE``, 0 to 1."""
    top = light_to_pq(np.array(_PEAK))
    most = light_to_pq(np.array(_WHITE)) / top
    knee = 1.5 * most - 0.5
    e = np.clip(light_to_pq(light) / top, 0, 1)
    t = (e - knee) / (1 - knee)
    hermite = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return np.clip(pq_to_light(np.where(e < knee, e, hermite) * top) / _WHITE, 0, 1)


def to_sdr(pixels: NDArray[np.uint16], transfer: Transfer) -> NDArray[np.uint8]:
    """BT.2020 signal, uint16 full range (H, W, 3), to BT.709, uint8 of the same shape."""
    made = np.empty(pixels.shape, np.uint8)
    # A few rows at a time stay in the cache.
    for at in range(0, len(pixels), _ROWS):
        codes = pixels[at : at + _ROWS] >> 4
        if transfer == "pq":
            light = _PQ_TO_SHARE[codes]
        else:
            scene = _HLG_TO_SCENE[codes]
            # BT.2100's opto-optical transfer: brightness gets the display's gamma of 1.2, hue stays.
            shown = scene * (scene @ _LUMA + 1e-6)[..., None] ** np.float32(0.2)
            light = _SHOWN_TO_SHARE[(np.sqrt(np.minimum(shown, 1)) * (_STEPS - 1)).astype(np.uint16)]
        light = np.clip(light @ _PRIMARIES.T, 0, 1)
        made[at : at + _ROWS] = _SHARE_TO_CODE[(np.sqrt(light) * (_STEPS - 1) + 0.5).astype(np.uint16)]
    return made


def _grey(transfer: Transfer) -> NDArray[np.uint8]:
    codes = (np.arange(256, dtype=np.uint16) * 257)[:, None, None].repeat(3, -1)
    return np.ascontiguousarray(to_sdr(codes, transfer)[:, 0, 1])


_codes = np.arange(_STEPS) / (_STEPS - 1)
_PQ_TO_SHARE = roll_off(pq_to_light(_codes)).astype(np.float32)
_HLG_TO_SCENE = hlg_to_scene(_codes).astype(np.float32)
_SHOWN_TO_SHARE = roll_off(_PEAK * _codes**2).astype(np.float32)
_SHARE_TO_CODE = np.round(255 * _codes ** (2 / _GAMMA)).astype(np.uint8)
GREY_TO_SDR: dict[Transfer, NDArray[np.uint8]] = {"pq": _grey("pq"), "hlg": _grey("hlg")}
"""For 8-bit luma: what a neutral grey of that code becomes."""
