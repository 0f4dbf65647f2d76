"""LoRA on LTX-2's transformer: one to train, its bytes, and loading that proves itself.

A LoRA that loads and does nothing is the commonest complaint about LoRAs. So every weight must have a place, arrive
there unchanged, and the output must move; otherwise ``load_lora`` refuses and leaves the pipeline as it was. A LoRA of
a person is biometric: its bytes go to a cipher, not to a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import LTX2Pipeline, LTX2VideoTransformer3DModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from cameo.conditioning.errors import AdapterUnreadable, LoraMismatch

__all__ = ["TARGETS", "add_lora", "dump_lora", "fuse_lora", "load_lora", "set_lora_scales", "unload_lora"]

TARGETS = (
    r"transformer_blocks\.\d+\.(attn1|attn2|audio_attn2)\.(to_q|to_k|to_v|to_out\.0)"
    r"|transformer_blocks\.\d+\.ff\.net\.(0\.proj|2)"
)
"""Which linear layers a LoRA of ours sits on: the picture's attentions and feed-forward, and the sound's attention to
the prompt. A regular expression over module names."""

_FILE = "pytorch_lora_weights.safetensors"
_COMPONENTS = ("transformer", "connectors")
_FUSED = "fused"
"""Name of a LoRA on its way into the weights."""


def add_lora(
    transformer: LTX2VideoTransformer3DModel, rank: int = 16, name: str = "person", targets: str = TARGETS
) -> list[nn.Parameter]:
    """Put a fresh LoRA on ``transformer``, active and at zero effect. Returns its parameters, the only ones that train.

    Alpha equals the rank, so that its strength is the scale given later and nothing else.
    """
    transformer.requires_grad_(False)
    transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=targets), adapter_name=name)
    return [p for key, p in transformer.named_parameters() if ".lora_" in key and f".{name}." in key]


def dump_lora(transformer: LTX2VideoTransformer3DModel, name: str = "person") -> bytes:
    """The LoRA in diffusers' format (safetensors). Written to a file, ``LTX2Pipeline.load_lora_weights`` reads it."""
    layers = get_peft_model_state_dict(transformer, adapter_name=name)
    tensors = {f"transformer.{key}": tensor.detach().cpu().contiguous() for key, tensor in layers.items()}
    return save(tensors, metadata={"format": "pt"})


def load_lora(pipeline: LTX2Pipeline, source: Path | bytes, name: str = "person", scale: float = 1.0) -> None:
    """Load a LoRA, prove that it works, set its strength. Other LoRAs stay loaded; this one alone is active.

    Args:
        pipeline: where to.
        source: a safetensors file, a folder with ``pytorch_lora_weights.safetensors``, or such a file's bytes.
        name: what to call it in ``set_lora_scales`` and ``unload_lora``.
        scale: strength; 0 is the base model.

    Raises:
        AdapterUnreadable: not a safetensors file.
        LoraMismatch: a weight has no place here, did not arrive, or the output does not move.
    """
    blob = _read(source)
    state = _state(blob)
    _check_places(pipeline, state)
    if name in getattr(pipeline.transformer, "peft_config", {}):
        raise LoraMismatch(f"a LoRA called {name!r} is loaded already", hint="unload it first")
    before = _probe(pipeline.transformer)
    try:
        for component in _COMPONENTS:
            # What load_lora_weights does with a file, header included; it knows no way to take one from memory.
            if part := {key: tensor for key, tensor in state.items() if key.startswith(f"{component}.")}:
                pipeline.load_lora_into_transformer(
                    part,
                    transformer=getattr(pipeline, component),
                    adapter_name=name,
                    metadata=_metadata(blob),
                    _pipeline=pipeline,
                    prefix=component,
                )
        _check_arrived(pipeline, state, name)
        pipeline.set_adapters([name], [1.0])
        if all(torch.equal(a, b) for a, b in zip(before, _probe(pipeline.transformer), strict=True)):
            raise LoraMismatch("this LoRA changes nothing: with it the output is the same to the bit")
    except LoraMismatch:
        unload_lora(pipeline, name)
        raise
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        unload_lora(pipeline, name)
        raise LoraMismatch(f"this LoRA does not load: {error}") from error
    pipeline.set_adapters([name], [scale])


def set_lora_scales(pipeline: LTX2Pipeline, scales: Mapping[str, float]) -> None:
    """Make exactly these LoRAs active, each at its strength."""
    pipeline.set_adapters(list(scales), list(scales.values()))


def unload_lora(pipeline: LTX2Pipeline, name: str = "person") -> None:
    """Take one LoRA off again. With the last one gone, the modules are the original ones."""
    pipeline.delete_adapters([name])
    if not getattr(pipeline.transformer, "peft_config", None):
        pipeline.unload_lora_weights()


def fuse_lora(pipeline: LTX2Pipeline, source: Path | bytes) -> None:
    """Load a LoRA, prove that it works, and add it to the weights for good: from then on it costs nothing.

    Args:
        pipeline: where to; without other LoRAs yet.
        source: see ``load_lora``.

    Raises:
        AdapterUnreadable, LoraMismatch: see ``load_lora``.
    """
    load_lora(pipeline, source, _FUSED)
    components = [name for name in _COMPONENTS if _FUSED in getattr(getattr(pipeline, name), "peft_config", {})]
    pipeline.fuse_lora(components=components, adapter_names=[_FUSED])
    pipeline.unload_lora_weights()


def _read(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    path = source / _FILE if source.is_dir() else source
    try:
        return path.read_bytes()
    except OSError as error:
        raise AdapterUnreadable(f"{path} cannot be read: {error.strerror}") from error


def _state(blob: bytes) -> dict[str, torch.Tensor]:
    """The tensors under diffusers' names, whichever of the known names they came under."""
    try:
        tensors = load(blob)
    except SafetensorError as error:
        raise AdapterUnreadable("this is not a safetensors file", hint="LoRAs are read as safetensors only") from error
    try:
        return LTX2Pipeline.lora_state_dict(tensors)
    except (KeyError, ValueError) as error:
        raise LoraMismatch(f"this LoRA is of no format known here: {error}") from error


def _metadata(blob: bytes) -> dict[str, object] | None:
    """What diffusers keeps of a LoRA's configuration in the file's header: alpha above all."""
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    stated = header.get("__metadata__", {}).get("lora_adapter_metadata")
    return json.loads(stated) if stated else None


def _check_places(pipeline: LTX2Pipeline, state: dict[str, torch.Tensor]) -> None:
    if not any(key.startswith("transformer.") for key in state):
        raise LoraMismatch("this LoRA holds nothing for the transformer")
    for key, tensor in state.items():
        component, _, rest = key.partition(".")
        module_name, found, side = rest.partition(".lora_")
        if component not in _COMPONENTS or not found or side not in ("A.weight", "B.weight"):
            raise LoraMismatch(f"LoRA weight {key!r} has no place in this pipeline")
        try:
            module = getattr(pipeline, component).get_submodule(module_name)
        except AttributeError as error:
            raise LoraMismatch(f"LoRA weight {key!r}: this {component} has no module {module_name!r}") from error
        linear = getattr(module, "base_layer", module)
        if not isinstance(linear, nn.Linear):
            raise LoraMismatch(f"LoRA weight {key!r}: {module_name!r} is no linear layer")
        expected, got = (
            (linear.in_features, tensor.shape[1]) if side[0] == "A" else (linear.out_features, tensor.shape[0])
        )
        if expected != got:
            raise LoraMismatch(
                f"LoRA weight {key!r} has width {got}, expected {expected}",
                hint="use a LoRA that was trained on this backbone",
            )
        other = f"{component}.{module_name}.lora_{'B' if side[0] == 'A' else 'A'}.weight"
        if other not in state:
            raise LoraMismatch(f"LoRA weight {key!r} comes without its other half")


def _check_arrived(pipeline: LTX2Pipeline, state: dict[str, torch.Tensor], name: str) -> None:
    arrived = {
        f"{component}.{key}"
        for component in _COMPONENTS
        if name in getattr(getattr(pipeline, component), "peft_config", {})
        for key in get_peft_model_state_dict(getattr(pipeline, component), adapter_name=name)
    }
    if missing := sorted(state.keys() - arrived):
        raise LoraMismatch(f"{len(missing)} of {len(state)} LoRA weights did not arrive, the first is {missing[0]!r}")


@torch.no_grad()
def _probe(transformer: LTX2VideoTransformer3DModel) -> tuple[torch.Tensor, torch.Tensor]:
    """One pass over the smallest possible scene: what the transformer computes, cheaply."""
    config = transformer.config
    device, dtype = transformer.device, transformer.dtype
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, generator=generator).to(device, dtype)

    if config.use_prompt_embeddings:
        text_widths = (config.caption_channels, config.caption_channels)
    else:
        text_widths = (config.cross_attention_dim, config.audio_cross_attention_dim)
    timestep = torch.full((1,), 500.0, device=device)
    video, audio = transformer(
        hidden_states=noise(4, config.in_channels),
        audio_hidden_states=noise(2, config.audio_in_channels),
        encoder_hidden_states=noise(2, text_widths[0]),
        audio_encoder_hidden_states=noise(2, text_widths[1]),
        timestep=timestep,
        sigma=timestep,
        num_frames=1,
        height=2,
        width=2,
        fps=24.0,
        audio_num_frames=2,
        return_dict=False,
    )
    return video, audio
