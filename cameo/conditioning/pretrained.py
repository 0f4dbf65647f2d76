"""Reading a module of ours from a folder: safetensors, and every weight or none."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from diffusers.models.modeling_utils import ModelMixin
from safetensors import SafetensorError

from cameo.conditioning.errors import AdapterUnreadable

__all__ = ["read_module"]

_Module = TypeVar("_Module", bound=ModelMixin)


def read_module(kind: type[_Module], folder: str | Path, name: str) -> _Module:
    """What ``save_pretrained`` wrote, ready to be used.

    Args:
        kind: of the module.
        folder: ``config.json`` and ``diffusion_pytorch_model.safetensors``.
        name: of such a module, for people.

    Raises:
        AdapterUnreadable: there is none, or it is damaged, or lacks weights or has too many.
    """
    try:
        module, report = kind.from_pretrained(
            folder, use_safetensors=True, low_cpu_mem_usage=False, output_loading_info=True
        )
    except (OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise AdapterUnreadable(f"the {name} in {folder} cannot be read: {error}") from error
    if report["missing_keys"] or report["unexpected_keys"]:
        # diffusers would fill the gaps with noise and go on.
        raise AdapterUnreadable(
            f"the {name} in {folder} lacks {len(report['missing_keys'])} weights "
            f"and has {len(report['unexpected_keys'])} too many"
        )
    made: _Module = module.eval()
    return made
