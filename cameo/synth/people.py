"""People who do not exist: the traits that make one recognisable, drawn from a seed.

The same seed is the same person for ever. What changes from one occasion to the next (clothes, light, pose) is not here
but in ``clips``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

__all__ = ["CLOTHES", "Outfit", "Person"]

# Anchors of skin tone from light to dark, linear mixtures of which make any tone between (RGB, 0 to 1).
_SKIN = np.array([[0.97, 0.84, 0.75], [0.90, 0.70, 0.56], [0.76, 0.54, 0.39], [0.56, 0.37, 0.25], [0.36, 0.23, 0.16]])

_HAIR = {
    "black": (0.07, 0.06, 0.06),
    "brown": (0.27, 0.16, 0.08),
    "fair": (0.76, 0.60, 0.34),
    "red": (0.52, 0.20, 0.08),
    "grey": (0.58, 0.57, 0.56),
    "dark brown": (0.15, 0.09, 0.06),
}

_IRIS = np.array([[0.24, 0.14, 0.07], [0.28, 0.47, 0.66], [0.32, 0.45, 0.24], [0.10, 0.07, 0.05], [0.45, 0.46, 0.44]])

CLOTHES = {
    "red": (0.75, 0.12, 0.12),
    "blue": (0.14, 0.28, 0.70),
    "green": (0.13, 0.50, 0.22),
    "yellow": (0.90, 0.76, 0.16),
    "black": (0.08, 0.08, 0.09),
    "white": (0.92, 0.92, 0.90),
    "purple": (0.46, 0.18, 0.58),
    "orange": (0.90, 0.45, 0.10),
}
"""Colours of clothes a caption can name, RGB from 0 to 1."""


@dataclass(frozen=True)
class Person:
    """What one made-up person looks like. Lengths are in head units: half the height of a head is about 1.

    ``skin``, ``hair`` and ``iris`` are RGB from 0 to 1; every other trait is a length, or a weight from 0 to 1.
    """

    seed: int
    hair_name: str
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    iris: tuple[float, float, float]
    head_w: float
    head_h: float
    jaw_w: float
    jaw_y: float
    chin: float
    cheek: float
    eye_x: float
    eye_y: float
    eye_r: float
    eye_open: float
    eye_tilt: float
    brow_y: float
    brow_t: float
    brow_tilt: float
    brow_len: float
    brow_dark: float
    nose_w: float
    nose_h: float
    nose_l: float
    nose_y: float
    bridge: float
    mouth_y: float
    lip_w: float
    lip_t: float
    lip_red: float
    ear: float
    hair_vol: float
    hair_len: float
    hair_line: float
    hair_part: float
    hair_wave: float
    beard: float
    moustache: float
    glasses: float
    glasses_r: float
    freckles: float
    age: float
    blush: float
    build: float
    neck: float

    @classmethod
    def from_seed(cls, seed: int) -> Person:
        g = np.random.default_rng([0xCA3E0, seed])
        u = g.uniform
        tone = u(0, len(_SKIN) - 1.001)
        low, part = int(tone), tone % 1
        skin = (_SKIN[low] * (1 - part) + _SKIN[low + 1] * part) * u(0.95, 1.05) * (1 + g.normal(0, 0.02, 3))
        hair_name = str(g.choice(list(_HAIR), p=[0.24, 0.24, 0.17, 0.1, 0.1, 0.15]))
        hair = np.array(_HAIR[hair_name]) * u(0.8, 1.2) * (1 + g.normal(0, 0.04, 3))
        iris = _IRIS[g.integers(len(_IRIS))] * u(0.8, 1.2)
        bearded = u() < 0.33
        age = u() ** 1.6
        return cls(
            seed=seed,
            hair_name=hair_name,
            skin=_rgb(skin),
            hair=_rgb(hair * (1 - 0.25 * age) + 0.62 * 0.25 * age),
            iris=_rgb(iris),
            head_w=u(0.66, 0.88),
            head_h=u(0.92, 1.14),
            jaw_w=u(0.40, 0.74),
            jaw_y=u(-0.56, -0.34),
            chin=u(0.0, 1.0),
            cheek=u(0.0, 1.0),
            eye_x=u(0.245, 0.375),
            eye_y=u(0.02, 0.18),
            eye_r=u(0.095, 0.15),
            eye_open=u(0.5, 1.0),
            eye_tilt=u(-0.22, 0.3),
            brow_y=u(0.16, 0.27),
            brow_t=u(0.018, 0.062),
            brow_tilt=u(-0.25, 0.35),
            brow_len=u(0.14, 0.23),
            brow_dark=u(0.45, 1.0),
            nose_w=u(0.08, 0.19),
            nose_h=u(0.14, 0.30),
            nose_l=u(0.14, 0.28),
            nose_y=u(-0.22, -0.08),
            bridge=u(0.04, 0.10),
            mouth_y=u(-0.60, -0.44),
            lip_w=u(0.17, 0.34),
            lip_t=u(0.03, 0.095),
            lip_red=u(0.2, 0.9),
            ear=u(0.14, 0.27),
            hair_vol=u(0.02, 0.26) if u() < 0.85 else 0.42,
            hair_len=u(0.0, 1.0) ** (1.6 if bearded else 0.8),
            hair_line=u(0.30, 0.72),
            hair_part=u(-0.5, 0.5),
            hair_wave=u(0.0, 1.0),
            beard=u(0.35, 1.0) if bearded else 0.0,
            moustache=u(0.3, 1.0) if bearded or u() < 0.06 else 0.0,
            glasses=1.0 if u() < 0.25 else 0.0,
            glasses_r=u(0.17, 0.25),
            freckles=u(0.3, 1.0) if u() < 0.2 else 0.0,
            age=age,
            blush=u(0.0, 0.25),
            build=u(0.8, 1.25),
            neck=u(0.30, 0.48),
        )

    def traits(self) -> dict[str, float]:
        """Every number of the person by name; colours as ``skin_r`` and so on. What the renderer takes."""
        flat: dict[str, float] = {}
        for name, value in asdict(self).items():
            if isinstance(value, tuple):
                flat |= {f"{name}_{channel}": float(part) for channel, part in zip("rgb", value, strict=True)}
            elif isinstance(value, float):
                flat[name] = value
        return flat


@dataclass(frozen=True)
class Outfit:
    """What a person wears on one occasion."""

    colour: str
    rgb: tuple[float, float, float]
    stripes: float
    collar: float

    @classmethod
    def from_seed(cls, seed: int, occasion: int) -> Outfit:
        g = np.random.default_rng([0x0F17, seed, occasion])
        colour = str(g.choice(list(CLOTHES)))
        rgb = np.array(CLOTHES[colour]) * g.uniform(0.88, 1.08) + g.normal(0, 0.015, 3)
        return cls(colour, _rgb(rgb), stripes=float(g.uniform() < 0.3), collar=float(g.uniform(0, 1)))


def _rgb(value: np.ndarray) -> tuple[float, float, float]:
    r, g, b = (float(v) for v in np.clip(value, 0.02, 1.0))
    return r, g, b
