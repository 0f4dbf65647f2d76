"""Opening LTX-2-format checkpoints: nano, a folder, or a hub id; never a silent download, never a pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING

import diffusers.utils.logging as diffusers_logging
import torch
import transformers.utils.logging as transformers_logging
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError

from cameo.backbones.defaults import Defaults, read_defaults
from cameo.conditioning.adapter import IdentityAdapter, load_adapter
from cameo.conditioning.errors import AdapterMismatch
from cameo.errors import ModelTooLarge
from enroll.errors import BadInput, WeightsMissing

if TYPE_CHECKING:
    from cameo.backbones.preflight import Offload, Preflight
    from cameo.pipeline import CameoLTX2InContextPipeline, CameoLTX2Pipeline
    from cameo.restoration import FaceRestorer

__all__ = [
    "NANO",
    "Backbone",
    "Description",
    "describe",
    "folder_of",
    "load",
    "may_download",
    "refusing",
    "settle",
    "spare",
    "weights_digest",
]

NANO = Path(__file__).resolve().parents[1] / "nano" / "weights"
"""The embedded checkpoint."""


@dataclass(repr=False)
class Backbone:
    """A generator, ready to run.

    Attributes:
        pipeline: on its device, or on the CPU until ``settle`` when it is to be offloaded.
        adapter: the identity adapter that came with it, not yet attached; None when it brings none.
        name: ``nano``, or the folder or hub id asked for.
        defaults: what a scene is made with when nothing is said.
        lora: a folder with a LoRA that came with it, not yet loaded; None when it brings none.
        distilled: whether a LoRA that does with few steps was added to its weights.
        restorer: of the faces it draws, which came with it; None when it brings none.
        device: where it is to run; None for the CPU.
        offload: how, see ``cameo.backbones.preflight``; ``spare`` changes it.
        adapter_sha256: hex digest of the adapter's weights, see ``weights_digest``; None without one.
        loras_sha256: likewise of each LoRA that is on it, but for people's own.
        worn: those, by the names they have on the pipeline, with their strengths.
    """

    pipeline: CameoLTX2Pipeline | CameoLTX2InContextPipeline
    adapter: IdentityAdapter | None
    name: str
    defaults: Defaults
    lora: Path | None = None
    distilled: bool = False
    restorer: FaceRestorer | None = None
    device: torch.device | None = None
    offload: Offload | None = "none"
    adapter_sha256: str | None = None
    loras_sha256: tuple[str, ...] = ()
    worn: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Backbone({self.name!r}, adapter={self.adapter is not None}, lora={self.lora is not None})"


@dataclass(frozen=True)
class Description:
    """What ``cameo doctor`` shows of a model.

    Attributes:
        name: as asked for.
        present: whether it is on this machine.
        where: its folder; None when absent.
        megabytes: size of its files, 0 when absent.
        license: as it states, or empty.
        adapter: the face, body and voice spaces its adapter reads; empty without an adapter.
        lora: whether it brings one.
        distilled: likewise one that does with few steps.
        restorer: likewise one of faces.
        hint: how to get it when absent.
    """

    name: str
    present: bool
    where: Path | None
    megabytes: float
    license: str
    adapter: tuple[str, ...]
    lora: bool
    distilled: bool
    restorer: bool
    hint: str


def load(
    model: str = "nano",
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    *,
    allow_download: bool | None = None,
    in_context: bool = False,
    distilled: bool = True,
) -> Backbone:
    """Open a checkpoint and what comes with it (``cameo.json``, ``adapter/``, ``lora/``, ``distilled/``,
    ``restorer/``).

    Args:
        model: ``nano``, a folder of the format ``LTX2Pipeline.save_pretrained`` writes, or a hub id.
        device: None for CUDA where there is one, else the CPU.
        dtype: None for float32 on the CPU and for checkpoints of ours, else bfloat16.
        allow_download: may a hub id be downloaded; None asks ``$CAMEO_ALLOW_DOWNLOAD``.
        in_context: as the pipeline that reads references in context.
        distilled: with the LoRA that does with few steps, where it brings one. False for what learns from the
            generator, which flow matching would unteach them.

    Raises:
        WeightsMissing: it is not on this machine and may not be downloaded.
        BadInput: it is no LTX-2 checkpoint, or damaged.
        AdapterMismatch: the adapter beside it was trained on another backbone.
        AdapterUnreadable, LoraMismatch: the LoRA of few steps cannot be read, is for another backbone or does nothing.
        ModelTooLarge: it does not fit into the memory of this machine, in no way of running it.
    """
    # Conditioning reads a backbone's spectrograms, and these stand on conditioning.
    from cameo.conditioning.lora import fuse_lora
    from cameo.pipeline import CameoLTX2InContextPipeline, CameoLTX2Pipeline
    from cameo.restoration import load_restorer

    kind = CameoLTX2InContextPipeline if in_context else CameoLTX2Pipeline
    download = may_download() if allow_download is None else allow_download
    folder = folder_of(model)
    if folder is None and not download:
        raise WeightsMissing(f"model {model!r} is not on this machine", hint=_how_to_get(model))
    defaults = read_defaults(folder) if folder is not None else None
    found = _fitting(model, device, dtype)
    with refusing(model):
        pipeline = kind.from_pretrained(
            model if folder is None else folder,
            dtype=found.dtype,
            use_safetensors=True,
            local_files_only=not download,
        )
    if found.offload == "none":
        pipeline.to(found.device)
    defaults = defaults or Defaults.for_pipeline(pipeline)
    adapter = _adapter(folder, model, defaults, pipeline)
    lora, few_steps, restorer = (_beside(folder, name) for name in ("lora", "distilled", "restorer"))
    if not distilled:
        few_steps = None
    if few_steps is not None:
        fuse_lora(pipeline, few_steps)
        defaults = defaults.in_few_steps()
    return Backbone(
        pipeline=pipeline,
        adapter=adapter.to(pipeline.transformer.device, found.dtype) if adapter is not None else None,
        name=model,
        defaults=defaults,
        lora=lora,
        distilled=few_steps is not None,
        restorer=None if restorer is None else load_restorer(restorer).to(found.device),
        adapter_sha256=weights_digest(folder / "adapter") if folder is not None and adapter is not None else None,
        loras_sha256=tuple(weights_digest(each) for each in (few_steps, lora) if each is not None),
        device=found.device,
        offload=found.offload,
    )


def _beside(folder: Path | None, name: str) -> Path | None:
    """A folder that came with a checkpoint; None where it did not."""
    return folder / name if folder is not None and (folder / name).is_dir() else None


def may_download() -> bool:
    """Whether ``$CAMEO_ALLOW_DOWNLOAD`` says that hub ids may be downloaded."""
    return os.environ.get("CAMEO_ALLOW_DOWNLOAD") == "1"


def settle(backbone: Backbone) -> None:
    """Let a pipeline that does not fit as a whole come to its device by parts, now that all is attached to it."""
    device = backbone.device or torch.device("cpu")
    backbone.pipeline.remove_all_hooks()
    if backbone.offload == "model":
        backbone.pipeline.enable_model_cpu_offload(device=device)
    elif backbone.offload == "group":
        # The next layer is fetched while this one computes.
        backbone.pipeline.enable_group_offload(device, offload_type="leaf_level", use_stream=device.type == "cuda")


def spare(backbone: Backbone) -> bool:
    """Keep less of a pipeline on its device than so far: one model at a time, then one layer; False when it is so
    already."""
    then: dict[Offload | None, Offload] = {"none": "model", "model": "group"}
    if backbone.offload not in then:
        return False
    backbone.offload = then[backbone.offload]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    settle(backbone)
    return True


def weights_digest(source: Path) -> str:
    """Hex SHA-256 of a safetensors file, or of all that are in a folder, one after the other in the order of their
    names: what ``cat FOLDER/*.safetensors | sha256sum`` says."""
    digest = sha256()
    for path in sorted(source.glob("*.safetensors")) if source.is_dir() else (source,):
        with path.open("rb") as file:
            file_digest(file, lambda: digest)
    return digest.hexdigest()


def describe(model: str = "nano") -> Description:
    """What is on this machine of ``model``, read from its small files; no weights are loaded."""
    try:
        folder = folder_of(model)
    except BadInput:
        folder = None
    if folder is None:
        return Description(model, False, None, 0.0, "", (), False, False, False, _how_to_get(model))
    defaults = read_defaults(folder)
    spaces: tuple[str, ...] = ()
    config = folder / "adapter" / "config.json"
    if config.is_file():
        stated = json.loads(config.read_text())
        spaces = tuple(str(stated[f"{modality}_space"]) for modality in ("face", "body", "voice"))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Description(
        name=model,
        present=True,
        where=folder,
        megabytes=round(size / 2**20, 1),
        license=defaults.license if defaults is not None else "",
        adapter=spaces,
        lora=(folder / "lora").is_dir(),
        distilled=(folder / "distilled").is_dir(),
        restorer=(folder / "restorer").is_dir(),
        hint="",
    )


def _fitting(model: str, device: str | torch.device | None, dtype: torch.dtype | None) -> Preflight:
    """What there is to know of it beforehand, now that it is known to fit."""
    from cameo.backbones.preflight import gigabytes, preflight

    found = preflight(model, device, dtype)
    if found.offload is None:
        raise ModelTooLarge(
            f"model {model!r} needs {gigabytes(found.weights)} for its weights and about "
            f"{gigabytes(found.working)} to work; {gigabytes(found.free)} are free on {found.name}, "
            f"{gigabytes(found.ram)} in main memory",
            hint=f"`cameo doctor --model {model}` shows what would fit; nano fits anywhere",
        )
    return found


def version_of(model: str) -> str:
    """Of a checkpoint's weights, as it says itself; empty where it does not, or is not here.

    Raises:
        BadInput: see ``folder_of`` and ``read_defaults``.
    """
    folder = folder_of(model)
    defaults = None if folder is None else read_defaults(folder)
    return "" if defaults is None else defaults.version


def folder_of(model: str) -> Path | None:
    """Where the checkpoint lies on this machine; None when it does not.

    Raises:
        BadInput: there is such a folder, and it holds something else.
    """
    folder = _local(model)
    if folder is None:
        return None
    try:
        kind = json.loads((folder / "model_index.json").read_text()).get("_class_name", "")
    except FileNotFoundError:
        if model == "nano":
            return None
        raise BadInput(f"{folder} is no checkpoint: it has no model_index.json") from None
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"{folder}/model_index.json cannot be read") from error
    if not str(kind).startswith("LTX2"):
        raise BadInput(f"{folder} holds a {kind!r}, expected an LTX-2 checkpoint")
    return folder


@contextmanager
def refusing(model: str) -> Iterator[None]:
    """What goes wrong while libraries open a checkpoint, said in one line; their progress bars are off meanwhile.

    Raises:
        WeightsMissing: a part is missing, or its download was not finished.
        BadInput: a part is damaged, or is none.
    """
    try:
        with _quiet():
            yield
    except (OSError, HFValidationError) as error:
        # An incomplete download, a missing or damaged part, an unknown id.
        raise WeightsMissing(f"model {model!r} is not complete: {error}", hint=_how_to_get(model)) from error
    except (KeyError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise BadInput(f"model {model!r} cannot be opened: {error}", hint="it may be damaged; get it again") from error


def _local(model: str) -> Path | None:
    """A folder by its path, or by its hub id in the hub's cache."""
    folder = NANO if model == "nano" else Path(model)
    if model and folder.is_dir():
        return folder
    try:
        found = try_to_load_from_cache(model, "model_index.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _adapter(
    folder: Path | None, model: str, defaults: Defaults, pipeline: CameoLTX2Pipeline | CameoLTX2InContextPipeline
) -> IdentityAdapter | None:
    if folder is None or not (folder / "adapter").is_dir():
        return None
    name = model if model == "nano" else None
    adapter = load_adapter(folder / "adapter", transformer=pipeline.transformer, base_model=name)
    version = adapter.config.base_version
    if version and defaults.version and version != defaults.version:
        raise AdapterMismatch(
            f"the adapter was trained on version {version!r} of {model!r}, this is version {defaults.version!r}",
            hint="use the adapter that was trained on this backbone",
        )
    return adapter


def _how_to_get(model: str) -> str:
    if model == "nano":
        return "nano comes with the package; install cameo-kit again, weights included"
    if Path(model).is_dir() and model:
        return "copy the folder again, all of it"
    return f"run `hf download {model}`, or set CAMEO_ALLOW_DOWNLOAD=1, or give the folder of a checkpoint"


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of the libraries: standard error has one bar, and it is the scene's."""
    libraries = [log for log in (diffusers_logging, transformers_logging) if log.is_progress_bar_enabled()]
    for log in libraries:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in libraries:
            log.enable_progress_bar()
