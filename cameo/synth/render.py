"""Draws made-up people: a head and shoulders as a signed-distance scene, sphere-traced by parallel rays.

Everything is element-wise torch over (frames, height, width), so that ``torch.compile`` makes one loop of it and the
same code runs on a CPU or an accelerator. Axes: x to the picture's right, y up, z towards the viewer; the origin is the
middle of the head. Signed distances and the smooth union follow Quilez, "Distance functions" (2008).
"""

from __future__ import annotations

import functools
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cameo.synth.settings import backdrop

__all__ = ["BATCH", "FaceParameters", "landmarks", "render", "rotation"]

FaceParameters = Mapping[str, Tensor]
"""Every number of a frame by name, each of shape (B, 1, 1): the traits of ``Person``, and the frame's own. ``r00`` to
``r22`` rotate the head; ``zoom`` is in picture heights per head unit; ``cx`` and ``cy`` place the head, in picture
heights from the middle; then ``mouth``, ``round``, ``smile``, ``blink``, ``gaze``, light, clothes and setting."""

BATCH = 25
"""Frames drawn at a time: one compiled shape serves every length."""

_EAGER_BATCH = 1  # uncompiled, what a frame needs fits into the cache and what 25 need does not
_STEPS = 15
_NEAR = 1.7
_EPSILON = 0.006

Field = tuple[Tensor, Tensor, Tensor, Tensor]


def render(
    parameters: Sequence[Mapping[str, float]], height: int, width: int, *, device: str | torch.device = "cpu"
) -> NDArray[np.uint8]:
    """One picture for each set of numbers.

    Args:
        parameters: one mapping a frame; the names are those of ``FaceParameters``.
        height: pixels.
        width: pixels.
        device: where to draw.

    Returns:
        RGB uint8, shape (len(parameters), height, width, 3).
    """
    names = sorted(parameters[0])
    pictures = []
    size = BATCH if _may_compile() else _EAGER_BATCH
    for start in range(0, len(parameters), size):
        batch = list(parameters[start : start + size])
        count = len(batch)
        if _may_compile():
            batch += [batch[-1]] * (size - count)
        table = torch.tensor([[p[name] for name in names] for p in batch], dtype=torch.float32, device=device)
        columns = {name: table[:, i].reshape(-1, 1, 1) for i, name in enumerate(names)}
        with torch.no_grad():
            pictures.append(_draw(columns, height, width)[:count].cpu())
    return torch.cat(pictures).numpy()


def landmarks(parameters: Mapping[str, float], height: int, width: int) -> NDArray[np.float32]:
    """Where the five points of the face are, pixels, shape (5, 2): eyes, nose tip, mouth corners, in MTCNN's order."""
    p = parameters
    eye_z, mouth_z = 0.72, 0.70
    points = np.array(
        [
            [-p["eye_x"], p["eye_y"], eye_z],
            [p["eye_x"], p["eye_y"], eye_z],
            [0.0, p["nose_y"] - 0.06, 0.80 + p["nose_l"]],
            [-p["lip_w"], p["mouth_y"], mouth_z],
            [p["lip_w"], p["mouth_y"], mouth_z],
        ]
    )
    rotation = np.array([[p[f"r{i}{j}"] for j in range(3)] for i in range(3)])
    world = points @ rotation.T
    x = (world[:, 0] * p["zoom"] + p["cx"]) * height + width / 2
    y = height / 2 - (world[:, 1] * p["zoom"] + p["cy"]) * height
    return np.stack([x, y], 1).astype(np.float32)


@dataclass(frozen=True)
class _Kernels:
    """The three loops of the renderer. Compiled apart: as one graph they take minutes to compile."""

    distance: Callable[..., Tensor]
    surface: Callable[..., Tensor]
    backdrop: Callable[..., tuple[Tensor, Tensor, Tensor]]


@functools.lru_cache(maxsize=1)
def _may_compile() -> bool:
    # Without a C++ compiler the same code runs as it is, several times slower.
    return shutil.which(os.environ.get("CXX", "g++")) is not None and os.environ.get("CAMEO_EAGER") != "1"


@functools.lru_cache(maxsize=1)
def _kernels() -> _Kernels:
    if not _may_compile():
        return _Kernels(_distance, _surface, backdrop)
    compile_ = functools.partial(torch.compile, dynamic=False)
    return _Kernels(compile_(_distance), compile_(_surface), compile_(backdrop))


def _draw(p: FaceParameters, height: int, width: int) -> Tensor:
    """(B, H, W, 3) uint8."""
    run = _kernels()
    device = p["zoom"].device
    frames = p["zoom"].shape[0]
    rows = (0.5 - (torch.arange(height, device=device) + 0.5) / height).reshape(1, -1, 1)
    columns = ((torch.arange(width, device=device) + 0.5 - width / 2) / height).reshape(1, 1, -1)
    v, u = rows.expand(frames, height, width), columns.expand(frames, height, width)
    x = (u - p["cx"]) / p["zoom"]
    y = (v - p["cy"]) / p["zoom"]

    z = torch.full_like(x, _NEAR)
    nearest = torch.full_like(x, 9.0)
    for _ in range(_STEPS):
        d = run.distance(p, x, y, z)
        nearest = torch.minimum(nearest, d)
        z = z - d * 0.9
    d = run.distance(p, x, y, z)
    nearest = torch.minimum(nearest, d)
    normal = [
        run.distance(p, x + _EPSILON, y, z) - d,
        run.distance(p, x, y + _EPSILON, z) - d,
        run.distance(p, x, y, z + _EPSILON) - d,
    ]
    person = run.surface(p, x, y, z, *normal)
    behind = torch.stack(run.backdrop(p, u, v), -1)
    pixel = 1.0 / (p["zoom"] * height)
    # A ray that ends within a hair of the surface has met it; over the next pixel the edge fades.
    cover = ((1.0 - (nearest - 0.008) / pixel).clamp(0, 1) * (z > -1.8)).unsqueeze(-1)
    picture = behind + (person - behind) * cover
    return (picture.clamp(0, 1) ** 0.9 * 255 + 0.5).to(torch.uint8)


def _distance(p: FaceParameters, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    skin, eye, hair, body = _field(p, x, y, z)
    return torch.minimum(torch.minimum(skin, eye), torch.minimum(hair, body))


def _surface(p: FaceParameters, x: Tensor, y: Tensor, z: Tensor, nx: Tensor, ny: Tensor, nz: Tensor) -> Tensor:
    """The lit colour where each ray ended, (B, H, W, 3)."""
    norm = torch.rsqrt(nx * nx + ny * ny + nz * nz + 1e-12)
    nx, ny, nz = nx * norm, ny * norm, nz * norm
    red, green, blue = _colour(p, _field(p, x, y, z), x, y, z)
    light = (nx * p["lx"] + ny * p["ly"] + nz * p["lz"]).clamp(0, 1)
    fill = (0.6 * nz - 0.6 * nx * torch.sign(p["lx"])).clamp(0, 1)
    rim = (1 - nz.clamp(0, 1)) ** 3
    shade = p["ambient"] * (0.8 + 0.2 * ny) + p["key"] * light + 0.18 * fill - 0.12 * rim
    return torch.stack([red * shade * p["light_r"], green * shade * p["light_g"], blue * shade * p["light_b"]], -1)


def _field(p: FaceParameters, x: Tensor, y: Tensor, z: Tensor) -> Field:
    """Signed distances to skin, eyeballs, hair and clothes."""
    qx, qy, qz = _to_head(p, x, y, z)
    ax = qx.abs()

    skin = _ellipsoid(qx, qy - 0.1, qz + 0.05, p["head_w"], p["head_h"] * 0.9, 0.86)
    skin = _smin(skin, _ellipsoid(qx, qy - p["jaw_y"], qz - 0.16, p["jaw_w"], 0.50, 0.56), 0.25)
    skin = _smin(skin, _ellipsoid(qx, qy - p["jaw_y"] + 0.40, qz - 0.42, 0.10 + 0.16 * p["chin"], 0.13, 0.16), 0.14)
    skin = _smin(skin, _ellipsoid(ax - 0.42, qy + 0.12, qz - 0.48, 0.2 + 0.09 * p["cheek"], 0.2, 0.2), 0.15)
    socket = _ellipsoid(ax - p["eye_x"], qy - p["eye_y"], qz - 0.87, 0.2, 0.12, 0.16)
    skin = -_smin(-skin, socket, 0.12)
    nose = _smin(
        _ellipsoid(qx, qy - p["nose_y"], qz - 0.80, p["nose_w"], p["nose_h"] * 0.5, p["nose_l"]),
        _ellipsoid(qx, qy - 0.05, qz - 0.78, p["bridge"], 0.26, 0.13),
        0.08,
    )
    skin = _smin(skin, nose, 0.07)
    skin = _smin(skin, _ellipsoid(ax - p["eye_x"], qy - p["eye_y"] - p["brow_y"], qz - 0.72, 0.2, 0.05, 0.10), 0.08)
    skin = _smin(skin, _ellipsoid(ax - p["head_w"] + 0.01, qy - 0.02, qz + 0.08, 0.10, p["ear"], 0.12), 0.05)
    wide = p["lip_w"] * (1 - 0.35 * p["round"] + 0.18 * p["smile"])
    lift = 0.10 * p["smile"] * (qx / wide) ** 2
    mouth_y = qy - p["mouth_y"] - lift
    opening = 0.15 * p["mouth"]
    upper = _ellipsoid(qx, mouth_y - p["lip_t"] * 0.5 - opening * 0.25, qz - 0.72, wide, p["lip_t"] * 0.75, 0.11)
    lower = _ellipsoid(qx, mouth_y + p["lip_t"] * 0.6 + opening * 0.9, qz - 0.70, wide * 0.86, p["lip_t"], 0.11)
    skin = _smin(skin, torch.minimum(upper, lower), 0.03)
    hole = _ellipsoid(qx, mouth_y + opening * 0.35, qz - 0.86, wide * 0.72, 0.01 + opening * 0.75, 0.28)
    skin = torch.maximum(skin, -hole)
    neck = _ellipsoid(x, y + 1.15, z + 0.15, p["neck"], 0.85, p["neck"])
    skin = _smin(skin, neck, 0.12)

    eye = _ellipsoid(ax - p["eye_x"], qy - p["eye_y"], qz - 0.64, p["eye_r"], p["eye_r"], p["eye_r"])

    crown = _ellipsoid(
        qx,
        qy - 0.22,
        qz + 0.16,
        p["head_w"] + p["hair_vol"],
        p["head_h"] * 0.9 + p["hair_vol"] * 0.6,
        0.86 + p["hair_vol"] * 0.4,
    )
    # The hairline: a plane that leans back, with a dip to one side where the hair is parted.
    line = p["hair_line"] - 0.16 * torch.exp(-(((qx - p["hair_part"]) / 0.25) ** 2))
    crown = torch.maximum(crown, qz - 0.36 + (qy - line) * -0.9)
    length = p["hair_len"]
    side = _ellipsoid(
        ax - p["head_w"] * 0.92, qy + 0.1 + length * 0.75, qz + 0.22, 0.12 + 0.14 * length, 0.25 + length * 0.85, 0.34
    )
    hair = _smin(crown, side + (0.35 - length).clamp(0, 1) * 2.0, 0.12)
    hair = hair - 0.018 * p["hair_wave"] * torch.sin(qy * 13 + 3 * torch.sin(qx * 6)) * torch.sin(qx * 11 + 1.3)

    shoulder = 1.32 * p["build"]
    body = _smin(
        _ellipsoid(x, y + 2.12, z + 0.2, shoulder, 0.74, 0.60),
        _ellipsoid(x, y + 4.0, z + 0.2, shoulder * 0.86, 2.2, 0.62),
        0.3,
    )
    body = _smin(body, _ellipsoid(x.abs() - shoulder * 1.0, y + 3.4, z + 0.1, 0.30, 1.35, 0.34), 0.12)
    return skin, eye, hair, body


def _colour(p: FaceParameters, field: Field, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The surface's own colour where each ray ended."""
    skin_d, eye_d, hair_d, body_d = field
    qx, qy, qz = _to_head(p, x, y, z)
    ax = qx.abs()
    front = (qz > 0.2).float()

    wide = p["lip_w"] * (1 - 0.35 * p["round"] + 0.18 * p["smile"])
    lift = 0.10 * p["smile"] * (qx / wide) ** 2
    mouth_y = qy - p["mouth_y"] - lift
    opening = 0.15 * p["mouth"]
    lips = (
        torch.exp(-((qx / wide) ** 4) - ((mouth_y + opening * 0.35) / (p["lip_t"] * 1.5 + opening * 0.9)) ** 4) * front
    )
    inside = (
        ((qx / (wide * 0.74)) ** 2 + ((mouth_y + opening * 0.35) / (opening * 0.75 + 0.012)) ** 2 < 1) & (qz > 0.2)
    ).float()
    teeth = inside * (mouth_y > -opening * 0.15).float() * (p["mouth"] > 0.25).float()

    tilt = p["brow_tilt"] * (ax - p["eye_x"])
    brow_y = qy - p["eye_y"] - p["brow_y"] - tilt
    brow = torch.exp(-(((ax - p["eye_x"]) / p["brow_len"]) ** 4) - (brow_y / p["brow_t"]) ** 4) * front
    bag = p["age"] * 0.22 * torch.exp(-(((ax - p["eye_x"]) / 0.12) ** 2) - ((qy - p["eye_y"] + 0.17) / 0.03) ** 2)
    fold = (
        p["age"]
        * 0.30
        * torch.exp(-(((ax - 0.19 - 0.25 * (-0.1 - qy).clamp(0, 0.5)) / 0.03) ** 2))
        * ((qy < -0.12) & (qy > p["mouth_y"]))
    )
    line = p["age"] * 0.20 * (torch.sin(qy * 55).clamp(0.6, 1) - 0.6) * 2.5 * (qy > p["eye_y"] + 0.34)
    dark = 1 - (bag + fold + line) * front
    blush = p["blush"] * torch.exp(-(((ax - 0.42) / 0.2) ** 2) - ((qy + 0.18) / 0.16) ** 2)
    spots = torch.sin(qx * 47 + 2 * torch.sin(qy * 31)) * torch.sin(qy * 53 + 2 * torch.sin(qx * 37))
    freckle = p["freckles"] * (spots > 0.72).float() * 0.28 * torch.exp(-((qy / 0.3) ** 2)) * front
    chin = ((qy < p["mouth_y"] + 0.16 + 0.35 * (ax - 0.25).clamp(0, 1)) & (qz > -0.05) & (qy > -1.05)).float()
    beard = p["beard"] * chin * (1 - lips).clamp(0, 1) * 0.85
    above = torch.exp(-((qx / (p["lip_w"] * 1.05)) ** 4) - ((mouth_y - p["lip_t"] * 1.9 - 0.05) / 0.075) ** 4)
    hairy = torch.maximum(torch.maximum(beard, p["moustache"] * above * 0.85 * front), brow * p["brow_dark"])

    strand = 0.86 + 0.14 * torch.sin(qx * 38 + 4 * torch.sin(qy * 5) * p["hair_wave"])
    # Eye: iris and pupil about the gaze, white around, lids by the opening and the blink.
    ex, ey = ax - p["eye_x"], qy - p["eye_y"] - p["eye_tilt"] * (ax - p["eye_x"])
    gx = ex - p["gaze"] * torch.sign(qx)
    radius = torch.sqrt(gx * gx + (qy - p["eye_y"]) ** 2)
    iris_r = p["eye_r"] * 0.52
    lid = p["eye_r"] * 0.68 * p["eye_open"] * (1 - p["blink"])
    lidded = (ey.abs() > lid * (1 - (ex / (p["eye_r"] * 1.25)) ** 2).clamp(0.05, 1)).float()
    lash = (((ey - lid).abs() < 0.02) | (lid < 0.015)).float()
    is_iris, is_pupil = (radius < iris_r).float(), (radius < iris_r * 0.48).float()
    glint = (((gx + 0.02) ** 2 + (qy - p["eye_y"] - 0.03) ** 2) < 0.0005).float()

    # Glasses are drawn on whatever the ray met: a ring before each eye and a bridge.
    ring_r = torch.sqrt((ax - p["eye_x"]) ** 2 + ((qy - p["eye_y"]) * 1.1) ** 2)
    bar = (ax < p["eye_x"] - p["glasses_r"]) & ((qy - p["eye_y"] - 0.03).abs() < 0.022)
    arm = (ax > p["eye_x"] + p["glasses_r"]) & ((qy - p["eye_y"] - 0.04).abs() < 0.025)
    glasses = p["glasses"] * (((ring_r - p["glasses_r"]).abs() < 0.024) | bar | arm).float() * (qz > 0.15).float()

    # Clothes: stripes, and skin showing in the neckline.
    stripe = 1 - p["stripes"] * 0.45 * (torch.sin(y * 14) > 0.2).float()
    neckline = ((y + 1.42 + 0.4 * p["collar"]) * 1.0 > x.abs() * 1.25).float()

    least = torch.minimum(torch.minimum(skin_d, eye_d), torch.minimum(hair_d, body_d))
    on_eye, on_hair, on_body = (eye_d <= least).float(), (hair_d <= least).float(), (body_d <= least).float()
    bare = on_body * neckline

    channels = []
    white, tooth, maw = 0.93, 0.9, {"r": 0.28, "g": 0.06, "b": 0.07}
    lip_tone = {"r": 0.66, "g": 0.24, "b": 0.25}
    blush_tone = {"r": 0.85, "g": 0.38, "b": 0.34}
    for c in "rgb":
        base = p[f"skin_{c}"] * dark * (1 - freckle)
        base = base + (blush_tone[c] - base) * blush
        base = base + (lip_tone[c] * (0.5 + 0.5 * p[f"skin_{c}"]) - base) * lips * (0.35 + 0.5 * p["lip_red"])
        base = base + (p[f"hair_{c}"] - base) * hairy
        base = base + (maw[c] - base) * inside
        base = base + (tooth - base) * teeth
        eye = white + (p[f"iris_{c}"] - white) * is_iris
        eye = eye * (1 - 0.9 * is_pupil)
        eye = eye + (1 - eye) * glint
        eye = eye + (p[f"skin_{c}"] * 0.82 - eye) * lidded
        eye = eye * (1 - 0.85 * lash)
        cloth = p[f"cloth_{c}"] * stripe
        colour = base + (eye - base) * on_eye
        colour = colour + (p[f"hair_{c}"] * strand - colour) * on_hair
        colour = colour + (cloth - colour) * (on_body - bare)
        colour = colour + (p[f"skin_{c}"] - colour) * bare
        channels.append(colour * (1 - 0.88 * glasses * (1 - on_body)))
    return channels[0], channels[1], channels[2]


def _to_head(p: FaceParameters, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return (
        x * p["r00"] + y * p["r10"] + z * p["r20"],
        x * p["r01"] + y * p["r11"] + z * p["r21"],
        x * p["r02"] + y * p["r12"] + z * p["r22"],
    )


def _smin(a: Tensor, b: Tensor, k: float) -> Tensor:
    h = (0.5 + 0.5 * (b - a) / k).clamp(0, 1)
    return b + (a - b) * h - k * h * (1 - h)


def _ellipsoid(x: Tensor, y: Tensor, z: Tensor, rx: Tensor | float, ry: Tensor | float, rz: Tensor | float) -> Tensor:
    ux, uy, uz = x / rx, y / ry, z / rz
    k0 = torch.sqrt(ux * ux + uy * uy + uz * uz + 1e-9)
    vx, vy, vz = ux / rx, uy / ry, uz / rz
    return k0 * (k0 - 1) * torch.rsqrt(vx * vx + vy * vy + vz * vz + 1e-9)


def rotation(yaw: float, pitch: float, roll: float) -> dict[str, float]:
    """Entries ``r00`` … ``r22`` of the head's rotation, from degrees (conventions of ``enroll.identity.Pose``)."""
    a, b, c = math.radians(yaw), math.radians(-pitch), math.radians(-roll)
    about_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    matrix = about_z @ about_y @ about_x
    return {f"r{i}{j}": float(matrix[i, j]) for i in range(3) for j in range(3)}
