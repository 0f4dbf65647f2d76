"""Where a made-up scene plays: six backdrops, each with its light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["SETTINGS", "Light", "Setting", "backdrop"]


@dataclass(frozen=True)
class Light:
    """Key light direction (unit vector to the light), its strength and the ambient strength, tint as RGB."""

    direction: tuple[float, float, float]
    key: float
    ambient: float
    tint: tuple[float, float, float]


@dataclass(frozen=True)
class Setting:
    """A place a caption can name.

    Attributes:
        name: registry name; also what ``sounds.ambience`` takes.
        phrases: how a caption says it.
        key: key light strength.
        ambient: ambient light strength.
        tint: colour of the light, RGB about 1.
    """

    name: str
    phrases: tuple[str, ...]
    key: float
    ambient: float
    tint: tuple[float, float, float]

    @property
    def index(self) -> int:
        return list(SETTINGS).index(self.name)

    def light(self, rng: np.random.Generator) -> Light:
        """The light of one occasion: from the upper left or right, never quite the same."""
        side = rng.choice([-1.0, 1.0])
        raw = np.array([side * rng.uniform(0.15, 0.75), rng.uniform(0.3, 0.75), 0.8])
        x, y, z = raw / np.linalg.norm(raw)
        tint = np.array(self.tint) * (1 + rng.normal(0, 0.02, 3))
        return Light(
            (float(x), float(y), float(z)),
            self.key * float(rng.uniform(0.85, 1.15)),
            self.ambient * float(rng.uniform(0.9, 1.1)),
            (float(tint[0]), float(tint[1]), float(tint[2])),
        )


SETTINGS = {
    s.name: s
    for s in (
        Setting("indoor", ("in a room", "indoors", "at home"), 0.55, 0.52, (1.04, 1.0, 0.93)),
        Setting("street", ("in the street", "on a street", "in town"), 0.62, 0.50, (1.0, 1.0, 1.0)),
        Setting("beach", ("by the sea", "on the beach", "at the beach"), 0.72, 0.52, (1.03, 1.0, 0.95)),
        Setting("forest", ("in the forest", "in a forest", "among trees"), 0.52, 0.48, (0.95, 1.03, 0.92)),
        Setting("snow", ("in the snow", "in winter", "on a snowy hill"), 0.55, 0.60, (0.96, 1.0, 1.06)),
        Setting("night_city", ("in the city at night", "at night", "in a night city"), 0.50, 0.36, (0.92, 0.92, 1.10)),
    )
}
"""Every setting, by name. The order is what the renderer's ``setting`` number counts."""


def backdrop(p: Mapping[str, Tensor], u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Red, green and blue behind the person.

    Args:
        p: frame parameters of shape (B, 1, 1): ``setting`` (index into SETTINGS), ``pan`` (picture heights the camera
            has moved sideways), ``place`` (0 to 1, which such place it is).
        u: picture coordinate to the right in picture heights, 0 in the middle, shape (1, H, W).
        v: the same upwards, from -0.5 to 0.5.
    """
    u = u + p["pan"]
    place = p["place"]
    wave = torch.sin(u * 23 + place * 40)
    scenes = [
        _indoor(u, v, place),
        _street(u, v, place),
        _beach(u, v, place, wave),
        _forest(u, v, place),
        _snow(u, v, place),
        _night(u, v, place),
    ]
    out = []
    for channel in range(3):
        value = torch.zeros_like(u)
        for index, scene in enumerate(scenes):
            value = value + scene[channel] * (p["setting"] == index).float()
        out.append(value)
    return out[0], out[1], out[2]


def _mix(a: float | Tensor, b: float | Tensor, t: Tensor) -> Tensor:
    return a + (b - a) * t


def _step(x: Tensor, softness: float = 0.01) -> Tensor:
    return (x / softness + 0.5).clamp(0, 1)


def _indoor(u: Tensor, v: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    floor = _step(-0.34 - v)
    wx, wy = (u - 0.32 + place * 0.64).abs(), (v - 0.22).abs()
    window = _step(0.13 - wx) * _step(0.17 - wy)
    bars = torch.maximum(_step(0.008 - wx), _step(0.008 - wy)) * window
    glow = 0.10 * torch.exp(-(wx**2 + wy**2) * 8)
    r = _mix(0.80 - 0.12 * place + glow, 0.45, floor)
    g = _mix(0.72 - 0.04 * place + glow, 0.30, floor)
    b = _mix(0.58 + 0.10 * place + glow, 0.18, floor)
    return (
        _mix(_mix(r, 0.75, window), 0.5, bars),
        _mix(_mix(g, 0.88, window), 0.4, bars),
        _mix(_mix(b, 0.98, window), 0.3, bars),
    )


def _street(u: Tensor, v: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    block = torch.floor(u * 2.5 + place * 7)
    tall = 0.12 + 0.16 * torch.sin(block * 2.3 + place * 9)
    wall = _step(tall - v) * _step(v + 0.30)
    pane = (torch.sin(u * 47 + place * 30) > 0.25).float() * (torch.sin(v * 55) > 0.1).float() * wall
    tone = 0.50 + 0.14 * torch.sin(block * 4.1 + place * 5)
    road = _step(-0.30 - v)
    r = _mix(_mix(0.66, tone + 0.10, wall), 0.36, road)
    g = _mix(_mix(0.76, tone - 0.04, wall), 0.36, road)
    b = _mix(_mix(0.86, tone - 0.12, wall), 0.38, road)
    return _mix(r, 0.28, pane * 0.7), _mix(g, 0.34, pane * 0.7), _mix(b, 0.42, pane * 0.7)


def _beach(u: Tensor, v: Tensor, place: Tensor, wave: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    horizon = 0.04 + 0.08 * place
    sea, sand = _step(horizon - v), _step(-0.24 + 0.012 * wave - v)
    foam = torch.exp(-(((v + 0.24 - 0.012 * wave) / 0.012) ** 2)) * 0.8
    up = (v + 0.5).clamp(0, 1)
    glitter = 0.05 * torch.sin(v * 130 + wave * 2)
    r = _mix(_mix(0.72 - 0.25 * up, 0.12 + glitter, sea), 0.88, sand)
    g = _mix(_mix(0.88 - 0.12 * up, 0.46 + glitter, sea), 0.78, sand)
    b = _mix(0.98, 0.66 + glitter, sea)
    b = _mix(b, 0.55, sand)
    return _mix(r, 0.98, foam), _mix(g, 0.98, foam), _mix(b, 0.98, foam)


def _forest(u: Tensor, v: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    trunk = _step(torch.sin(u * 17 + place * 30 + 0.8 * torch.sin(u * 5)) - 0.72, 0.1) * _step(v + 0.34)
    ground = _step(-0.32 - v + 0.01 * torch.sin(u * 40))
    leaf = 0.08 * torch.sin(u * 61 + 3 * torch.sin(v * 29)) * torch.sin(v * 67 + 2 * torch.sin(u * 37 + place * 9))
    up = (v + 0.5).clamp(0, 1)
    r = _mix(_mix(0.16 + 0.16 * up + leaf, 0.26, trunk), 0.26 + leaf, ground)
    g = _mix(_mix(0.34 + 0.26 * up + leaf, 0.19, trunk), 0.34 + leaf, ground)
    b = _mix(_mix(0.12 + 0.12 * up + leaf * 0.5, 0.12, trunk), 0.12 + leaf, ground)
    return r, g, b


def _snow(u: Tensor, v: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    hill = _step(-0.08 + 0.08 * torch.sin(u * 4 + place * 20) - v, 0.015)
    saw = (u * 5 + place * 3) % 1.0 - 0.5
    pine = _step(0.30 * (1 - 2.6 * saw.abs()) - (v + 0.08), 0.02) * _step(v + 0.10) * (1 - hill)
    flake = (
        torch.sin(u * 83 + place * 50 + 5 * torch.sin(v * 13)) * torch.sin(v * 71 + 4 * torch.sin(u * 17)) > 0.93
    ).float()
    up = (v + 0.5).clamp(0, 1)
    r = _mix(_mix(0.74 + 0.06 * up, 0.93, hill), 0.22, pine)
    g = _mix(_mix(0.81 + 0.05 * up, 0.95, hill), 0.36, pine)
    b = _mix(_mix(0.90 + 0.05 * up, 0.99, hill), 0.32, pine)
    return _mix(r, 1.0, flake), _mix(g, 1.0, flake), _mix(b, 1.0, flake)


def _night(u: Tensor, v: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    block = torch.floor(u * 3.4 + place * 9)
    tower = _step(0.18 + 0.20 * torch.sin(block * 3.7 + place * 4) - v)
    lit = (
        (torch.sin(u * 67 + block) > 0.3)
        & (torch.sin(v * 59 + block * 2) > 0.2)
        & (torch.sin(block * 5 + torch.floor(v * 9.4) * 7 + torch.floor(u * 10.6) * 3) > -0.1)
    )
    window = lit.float() * tower * _step(v + 0.30)
    shine = _step(-0.30 - v)
    up = (v + 0.5).clamp(0, 1)
    r = _mix(_mix(0.05 + 0.10 * (1 - up), 0.09, tower), 0.12, shine)
    g = _mix(_mix(0.06 + 0.05 * (1 - up), 0.09, tower), 0.11, shine)
    b = _mix(_mix(0.16 + 0.14 * (1 - up), 0.15, tower), 0.18, shine)
    return _mix(r, 0.98, window), _mix(g, 0.80, window), _mix(b, 0.38, window)
