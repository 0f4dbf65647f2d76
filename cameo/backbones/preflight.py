"""What a generator needs, before anything of it is loaded: download, licence, memory, and how it would be run.

Weights are counted exactly, from the headers of their files. What a scene needs on top of them is an estimate, from the
sizes of the largest things that are in memory at one time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import psutil
import torch
from huggingface_hub import HfApi, metadata_load
from huggingface_hub.errors import HFValidationError, HTTPError, OfflineModeIsEnabled

from cameo.backbones.checkpoint import folder_of
from cameo.backbones.defaults import Defaults, read_defaults
from cameo.backbones.licences import Licence, licence_of
from enroll.errors import BadInput

__all__ = ["Offload", "Part", "Preflight", "choose_offload", "gigabytes", "preflight", "weights_of"]

Offload = Literal["none", "model", "group"]
"""Everything on the device; one part of the pipeline at a time; one layer at a time."""

_WEIGHTS = re.compile(r"(?:diffusion_pytorch_model|model)(?:-\d+-of-\d+)?\.safetensors")
"""What diffusers reads without a variant."""

_SPARE = 1.1
"""Allocators keep more than they are asked for."""

_COPIES = 24
"""Tensors of one block's width that are alive at once in a pass, projections and feed-forward included."""

_MAPS = 4
"""Feature maps of the video decoder's last stage that are alive at once."""


@dataclass(frozen=True)
class Part:
    """One component of a pipeline.

    Attributes:
        name: of its folder.
        parameters: how many; None where only the size of its files is known.
        bytes: of its weights as they would be loaded.
        layer: bytes of its largest layer; of its largest file where only files are known, which is too much.
    """

    name: str
    parameters: int | None
    bytes: int
    layer: int


@dataclass(frozen=True)
class Preflight:
    """What there is to know beforehand.

    Attributes:
        model: as asked for.
        where: its folder; None when it is not on this machine.
        download: bytes to fetch; 0 when it is here, None when nobody can be asked.
        licence: what it allows.
        parts: components with weights, the largest first.
        working: bytes a scene needs on top of weights, estimated.
        scene: the scene that is counted on: (frames, height, width).
        device: where it would run, ``name`` of it for people to read.
        dtype: of the weights.
        free: bytes free there.
        ram: bytes of main memory free.
        offload: how it would be run; None when it does not fit at all.
        adapter: the spaces its identity adapter reads; empty without one.
    """

    model: str
    where: Path | None
    download: int | None
    licence: Licence
    parts: tuple[Part, ...]
    working: int
    scene: tuple[int, int, int]
    device: torch.device
    name: str
    dtype: torch.dtype
    free: int
    ram: int
    offload: Offload | None
    adapter: tuple[str, ...]

    @property
    def weights(self) -> int:
        """Bytes of all weights."""
        return sum(part.bytes for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "path": str(self.where) if self.where else None,
            "download_bytes": self.download,
            "licence": {"name": self.licence.name, "says": self.licence.says, "url": self.licence.url},
            "parts": [{"name": p.name, "parameters": p.parameters, "bytes": p.bytes} for p in self.parts],
            "weights_bytes": self.weights,
            "working_bytes": self.working,
            "scene": dict(zip(("frames", "height", "width"), self.scene, strict=True)),
            "device": self.name,
            "dtype": str(self.dtype).removeprefix("torch."),
            "free_bytes": self.free,
            "ram_free_bytes": self.ram,
            "offload": self.offload,
            "adapter": list(self.adapter),
        }


def preflight(
    model: str = "nano", device: str | torch.device | None = None, dtype: torch.dtype | None = None
) -> Preflight:
    """Look at a generator without loading it. Of one that is not here, the hub is asked for the sizes of its files.

    Args:
        device, dtype: as for ``cameo.backbones.load``, which asks here.

    Raises:
        BadInput: a folder that holds something else, or weights that cannot be read.
    """
    folder = folder_of(model)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    defaults = read_defaults(folder) if folder is not None else None
    kind = dtype or (torch.float32 if defaults is not None or place.type == "cpu" else torch.bfloat16)
    download: int | None = 0
    if folder is not None:
        parts, stated = weights_of(folder, kind), defaults.license if defaults is not None else _card(folder)
    else:
        parts, stated, download = _asked_of_hub(model, kind)
    working, scene = _working(folder, defaults, kind)
    ram = int(psutil.virtual_memory().available)
    free = int(torch.cuda.mem_get_info(place)[0]) if place.type == "cuda" else ram
    return Preflight(
        model=model,
        where=folder,
        download=download,
        licence=licence_of(model, stated),
        parts=parts,
        working=working,
        scene=scene,
        device=place,
        name=torch.cuda.get_device_name(place) if place.type == "cuda" else str(place),
        dtype=kind,
        free=free,
        ram=ram,
        offload=choose_offload(parts, working, free, ram if place.type == "cuda" else None),
        adapter=_adapter(folder),
    )


def gigabytes(size: int) -> str:
    """As people say it: ``38.1 GB``, ``120 MB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def choose_offload(parts: Sequence[Part], working: int, free: int, ram: int | None) -> Offload | None:
    """How a pipeline is run where ``free`` bytes are free.

    Args:
        parts: of the pipeline.
        working: bytes a scene needs beside them.
        free: bytes on the device.
        ram: bytes of main memory that can hold what is not on the device; None where the device is main memory.

    Returns:
        The fastest way that fits; None when none does.
    """
    weights = sum(part.bytes for part in parts)
    if (weights + working) * _SPARE <= free:
        return "none"
    if ram is None or weights * _SPARE > ram:
        return None
    if (max((part.bytes for part in parts), default=0) + working) * _SPARE <= free:
        return "model"
    if (max((part.layer for part in parts), default=0) + working) * _SPARE <= free:
        return "group"
    return None


def weights_of(folder: Path, dtype: torch.dtype) -> tuple[Part, ...]:
    """The parts of a checkpoint, the largest first, as they would be in memory as ``dtype``.

    Raises:
        BadInput: a file of weights has no header.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(folder.glob("*/*.safetensors")):
        if _WEIGHTS.fullmatch(path.name):
            found.setdefault(path.parent.name, []).append(_header(path))
    parts = []
    for name, headers in found.items():
        sizes = {key: _numel(tensor["shape"]) for header in headers for key, tensor in header.items()}
        layers: dict[str, int] = {}
        for key, size in sizes.items():
            layer = key.rpartition(".")[0]
            layers[layer] = layers.get(layer, 0) + size
        parts.append(
            Part(name, sum(sizes.values()), sum(sizes.values()) * dtype.itemsize, max(layers.values()) * dtype.itemsize)
        )
    return tuple(sorted(parts, key=lambda part: part.bytes, reverse=True))


def _header(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for tensor in header.values():
            _numel(tensor["shape"])
        return header
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is no safetensors file", hint="copy the folder again, all of it") from error


def _numel(shape: list[int]) -> int:
    return prod(int(edge) for edge in shape)


def _asked_of_hub(model: str, dtype: torch.dtype) -> tuple[tuple[Part, ...], str, int | None]:
    """Parts, licence and size of a repository; nothing of it is fetched."""
    try:
        told = HfApi().model_info(model, files_metadata=True)
    except (HFValidationError, HTTPError, OfflineModeIsEnabled, OSError):
        return (), "", None
    sizes: dict[str, list[int]] = {}
    for file in told.siblings or ():
        name, _, rest = file.rfilename.partition("/")
        if _WEIGHTS.fullmatch(rest):
            sizes.setdefault(name, []).append(file.size or 0)
    # Published in bfloat16, two bytes a number.
    parts = [
        Part(name, None, sum(each) * dtype.itemsize // 2, max(each) * dtype.itemsize // 2)
        for name, each in sizes.items()
    ]
    card = told.card_data
    stated = str(card.get("license_name") or card.get("license") or "") if card is not None else ""
    ordered = tuple(sorted(parts, key=lambda part: part.bytes, reverse=True))
    return ordered, stated, sum(sum(each) for each in sizes.values())


def _working(folder: Path | None, defaults: Defaults | None, dtype: torch.dtype) -> tuple[int, tuple[int, int, int]]:
    """Bytes beside the weights, and for which scene."""
    transformer, vae = _config(folder, "transformer"), _config(folder, "vae")
    frames, height, width = (
        (defaults.frames, defaults.height, defaults.width) if defaults is not None else (121, 512, 768)
    )
    time, space, _ = transformer.get("vae_scale_factors", (8, 32, 32))
    tokens = ((frames - 1) // time + 1) * (height // space) * (width // space)
    inner = transformer.get("num_attention_heads", 32) * transformer.get("attention_head_dim", 128)
    # Guidance makes two of every pass.
    denoising = 2 * tokens * inner * _COPIES * dtype.itemsize
    patch, channels = vae.get("patch_size", 4), vae.get("decoder_block_out_channels", (256,))[0]
    decoding = frames * (height // patch) * (width // patch) * channels * _MAPS * dtype.itemsize
    return max(denoising, decoding), (frames, height, width)


def _config(folder: Path | None, part: str) -> dict[str, Any]:
    path = folder / part / "config.json" if folder is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadInput(f"{path} cannot be read", hint="copy the folder again, all of it") from error


def _card(folder: Path) -> str:
    """What the card in a folder says of the licence."""
    path = folder / "README.md"
    stated = metadata_load(path) if path.is_file() else None
    return str((stated or {}).get("license_name") or (stated or {}).get("license") or "")


def _adapter(folder: Path | None) -> tuple[str, ...]:
    stated = _config(folder, "adapter")
    spaces = (stated.get(f"{modality}_space") for modality in ("face", "body", "voice"))
    return tuple(str(space) for space in spaces if space)
