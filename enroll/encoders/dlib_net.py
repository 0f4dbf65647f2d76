"""dlib's face recognition network (``anet_type`` of dlib's examples) in torch, read from dlib's own file.

dlib's wheels come without BLAS, and their one descriptor of 0.1 s is most of what an enrollment costs. The same weights
in torch give the same vectors, up to the rounding of float32, in a tenth of the time: 12 faces took 1.26 s of one
processor and take 0.12 s.

A ResNet of 29 convolutions:

    input 150×150, minus the mean colour, by 256
    7×7 by 2, max pooling 3×3 by 2
    3 blocks of 32, then 4 of 64, 3 of 128, 3 of 256, 1 of 256; the first of each but the 32s halves
    mean over the picture, 256 → 128

Where a block halves, its shortcut is pooled and the sum is taken over the larger of the two, what is missing being
zero: dlib's ``add_prev``.
"""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

__all__ = ["DlibNet"]

_MEAN: Final = (122.782, 117.001, 104.298)
_BLOCKS: Final = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Filters, how many, and whether the first of them halves."""
_BATCH: Final = 16

_Layer = tuple[Tensor, Tensor]


class DlibNet:
    """128 numbers for each aligned face.

    Args:
        path: ``dlib_face_recognition_resnet_model_v1.dat``.

    Raises:
        ValueError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        reader = _Reader(path.read_bytes())
        self._first = reader.convolution(3, 32, 7)
        self._blocks: list[tuple[bool, _Layer, _Layer]] = []
        before = 32
        for filters, count, halving in _BLOCKS:
            for number in range(count):
                first = reader.convolution(before, filters, 3)
                self._blocks.append((halving and number == 0, first, reader.convolution(filters, filters, 3)))
                before = filters
        self._last = reader.matrix(256, 128)

    def __call__(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Chips: RGB uint8, shape (N, 150, 150, 3). Returns (N, 128)."""
        rows = [np.zeros((0, 128), np.float32)]
        with torch.inference_mode():
            parts = (torch.from_numpy(part).permute(0, 3, 1, 2) for part in _parts(chips))
            rows += [self.see(part.float())[1].numpy() for part in parts]
        return np.concatenate(rows)

    def on(self, device: torch.device) -> DlibNet:
        """The same network on another device."""
        moved = copy(self)
        moved._first = _moved(self._first, device)
        moved._blocks = [(halving, _moved(a, device), _moved(b, device)) for halving, a, b in self._blocks]
        moved._last = self._last.to(device)
        return moved

    def see(self, faces: Tensor) -> tuple[list[Tensor], Tensor]:
        """The same with gradient, and what is seen on the way.

        Args:
            faces: RGB, 0 to 255, (N, 3, 150, 150).

        Returns:
            The maps before each of the five kinds of blocks, (N, 32, 36, 36) first, and the vectors, (N, 128).
        """
        x = (faces - faces.new_tensor(_MEAN).view(1, 3, 1, 1)) / 256.0
        x = F.max_pool2d(F.conv2d(x, *self._first, stride=2).relu_(), 3, 2)
        maps = [x]
        for halving, first, second in self._blocks:
            if halving:
                maps.append(x)
            y = F.conv2d(x, *first, stride=2 if halving else 1, padding=0 if halving else 1).relu_()
            y = F.conv2d(y, *second, padding=1)
            x = _sum(y, F.avg_pool2d(x, 2) if halving else x).relu_()
        return maps, x.mean((2, 3)) @ self._last


def _moved(layer: _Layer, device: torch.device) -> _Layer:
    return layer[0].to(device), layer[1].to(device)


def _parts(chips: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [chips[start : start + _BATCH] for start in range(0, len(chips), _BATCH)]


def _sum(a: Tensor, b: Tensor) -> Tensor:
    """``add_prev``: over the larger extent in every dimension."""
    if a.shape == b.shape:
        return a + b
    shape = [max(m, n) for m, n in zip(a.shape, b.shape, strict=True)]
    total = a.new_zeros(shape)
    for part in (a, b):
        total[:, : part.shape[1], : part.shape[2], : part.shape[3]] += part
    return total


class _Reader:
    """The tensors of a network as dlib serialises it, in order from the input to the output.

    An integer is a byte that says how many bytes follow, and those, least first. A tensor is its version (2), its four
    dimensions, and float32. Every layer begins with its name, a byte of length before it.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def convolution(self, channels: int, filters: int, edge: int) -> _Layer:
        """A convolution with the scale and shift that follow it folded in."""
        size = filters * channels * edge * edge
        both = self._layer(b"con_4", size + filters)
        scale, shift = np.split(self._layer(b"affine_", 2 * filters), 2)
        weight = both[:size].reshape(filters, channels, edge, edge) * scale[:, None, None, None]
        return _tensor(weight), _tensor(both[size:] * scale + shift)

    def matrix(self, rows: int, columns: int) -> Tensor:
        return _tensor(self._layer(b"fc_2", rows * columns, integers=2).reshape(rows, columns))

    def _layer(self, name: bytes, size: int, integers: int = 0) -> NDArray[np.float64]:
        place = self._content.find(bytes([len(name)]) + name, self._at)
        if place < 0:
            raise ValueError(f"the network has no further {name.decode()}")
        self._at = place + 1 + len(name)
        for _ in range(integers):
            self._integer()
        version, *shape = (self._integer() for _ in range(5))
        end = self._at + 4 * size
        if version != 2 or int(np.prod(shape)) != size or end > len(self._content):
            raise ValueError(f"a {name.decode()} of the network has shape {shape}, expected {size} numbers")
        values = np.frombuffer(self._content[self._at : end], "<f4").astype(np.float64)
        self._at = end
        return values

    def _integer(self) -> int:
        if self._at >= len(self._content):
            raise ValueError("the network ends early")
        count = self._content[self._at] & 0x0F
        start, self._at = self._at + 1, self._at + 1 + count
        return int.from_bytes(self._content[start : self._at], "little")


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
