"""LoRA: to bytes, through diffusers' own loader and ours, and every way it could do nothing."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from cameo.conditioning import AdapterUnreadable, LoraMismatch
from cameo.conditioning.lora import _probe, add_lora, dump_lora, fuse_lora, load_lora, set_lora_scales, unload_lora
from tests.cameo.tiny import same


@pytest.fixture
def blob(tiny_pipeline) -> bytes:
    """A LoRA that was trained, on a transformer that is clean again."""
    transformer = tiny_pipeline.transformer
    torch.manual_seed(5)
    for parameter in add_lora(transformer, rank=2):
        nn.init.normal_(parameter, std=0.1)
    dumped = dump_lora(transformer)
    tiny_pipeline.unload_lora_weights()
    return dumped


def changed(blob: bytes, change) -> bytes:
    tensors = load(blob)
    change(tensors)
    return save(tensors)


def rename(old: str, new: str):
    def change(tensors):
        for key in [key for key in tensors if old in key]:
            tensors[key.replace(old, new)] = tensors.pop(key)

    return change


def forget_a_half(tensors):
    tensors.pop(next(key for key in tensors if ".lora_B." in key))


def cut(tensors):
    key = next(key for key in tensors if ".lora_A." in key)
    tensors[key] = tensors[key][:, :-1].contiguous()


def add_identity_weights(tensors):
    tensors["transformer.transformer_blocks.0.attn2.processor.to_k_id.weight"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (rename("transformer.", "unet."), "nothing for the transformer"),
        (rename("blocks.1.", "blocks.7."), "no module"),
        (rename("attn2.to_k.", "attn2.to_z."), "no module"),
        (rename(".lora_A.", ".lora_C."), "no place|other half"),
        (rename("attn2.to_k.", "attn2.norm_k."), "no linear layer"),
        (forget_a_half, "other half"),
        (cut, "width"),
        (add_identity_weights, "no place|no module"),
    ],
)
def test_a_weight_without_a_place_is_refused_and_nothing_stays(tiny_pipeline, blob, change, reason):
    base = _probe(tiny_pipeline.transformer)
    with pytest.raises(LoraMismatch, match=reason):
        load_lora(tiny_pipeline, changed(blob, change))
    assert same(_probe(tiny_pipeline.transformer), base)
    assert not any(".lora_" in name for name, _ in tiny_pipeline.transformer.named_parameters())


def test_one_that_changes_nothing_is_refused_and_nothing_stays(tiny_pipeline, blob):
    def silence(tensors):
        for key in tensors:
            if ".lora_B." in key:
                tensors[key].zero_()

    with pytest.raises(LoraMismatch, match="changes nothing"):
        load_lora(tiny_pipeline, changed(blob, silence))
    assert not any(".lora_" in name for name, _ in tiny_pipeline.transformer.named_parameters())


@pytest.mark.parametrize("junk", [b"", b"not safetensors", b"\x80\x04pickle"])
def test_what_is_no_safetensors_is_refused(tiny_pipeline, junk):
    with pytest.raises(AdapterUnreadable):
        load_lora(tiny_pipeline, junk)


def test_a_file_that_is_not_there_is_refused(tiny_pipeline, tmp_path):
    with pytest.raises(AdapterUnreadable, match="cannot be read"):
        load_lora(tiny_pipeline, tmp_path / "none.safetensors")


def test_the_same_name_twice_is_refused(tiny_pipeline, blob):
    load_lora(tiny_pipeline, blob)
    with pytest.raises(LoraMismatch, match="already"):
        load_lora(tiny_pipeline, blob)


def test_a_fresh_lora_changes_nothing_and_trains_alone(tiny_pipeline):
    transformer = tiny_pipeline.transformer
    base = _probe(transformer)
    parameters = add_lora(transformer, rank=2)
    assert same(_probe(transformer), base)
    trainable = [p for p in transformer.parameters() if p.requires_grad]
    assert {id(p) for p in parameters} == {id(p) for p in trainable}
    # Two blocks; four projections in three attentions and two in the feed-forward; two halves each.
    assert len(parameters) == 2 * (3 * 4 + 2) * 2


def test_ours_loads_through_diffusers_and_through_us_alike(tiny_pipeline, blob, tmp_path):
    base = _probe(tiny_pipeline.transformer)
    (tmp_path / "pytorch_lora_weights.safetensors").write_bytes(blob)
    tiny_pipeline.load_lora_weights(tmp_path, adapter_name="theirs")
    theirs = _probe(tiny_pipeline.transformer)
    unload_lora(tiny_pipeline, "theirs")
    assert not same(theirs, base)
    for source in (blob, tmp_path, tmp_path / "pytorch_lora_weights.safetensors"):
        load_lora(tiny_pipeline, source)
        assert same(_probe(tiny_pipeline.transformer), theirs)
        unload_lora(tiny_pipeline)
        assert same(_probe(tiny_pipeline.transformer), base)
        assert not any(".lora_" in name for name, _ in tiny_pipeline.transformer.named_parameters())


def test_the_names_that_ltx_s_own_trainer_gives_load_alike(tiny_pipeline, blob):
    """As ID-LoRAs are published."""
    load_lora(tiny_pipeline, blob)
    ours = _probe(tiny_pipeline.transformer)
    unload_lora(tiny_pipeline)
    load_lora(tiny_pipeline, changed(blob, rename("transformer.", "diffusion_model.")))
    assert same(_probe(tiny_pipeline.transformer), ours)


def test_scale_zero_is_the_base_model_to_the_bit(tiny_pipeline, blob):
    base = _probe(tiny_pipeline.transformer)
    load_lora(tiny_pipeline, blob, scale=0.0)
    assert same(_probe(tiny_pipeline.transformer), base)
    set_lora_scales(tiny_pipeline, {"person": 1.0})
    whole = _probe(tiny_pipeline.transformer)
    set_lora_scales(tiny_pipeline, {"person": 0.5})
    assert not same(_probe(tiny_pipeline.transformer), whole)
    assert not same(_probe(tiny_pipeline.transformer), base)


def test_alpha_in_the_header_counts(tiny_pipeline, blob, tmp_path):
    """A LoRA trained elsewhere with alpha of twice its rank works twice as much, as with diffusers."""
    layers = {key.removeprefix("transformer."): tensor for key, tensor in load(blob).items()}
    metadata = {"r": 2, "lora_alpha": 4, "target_modules": sorted({key.split(".lora_")[0] for key in layers})}
    type(tiny_pipeline).save_lora_weights(
        tmp_path, transformer_lora_layers=layers, transformer_lora_adapter_metadata=metadata
    )
    tiny_pipeline.load_lora_weights(tmp_path, adapter_name="theirs")
    theirs = _probe(tiny_pipeline.transformer)
    unload_lora(tiny_pipeline, "theirs")
    load_lora(tiny_pipeline, tmp_path)
    assert same(_probe(tiny_pipeline.transformer), theirs)
    unload_lora(tiny_pipeline)
    load_lora(tiny_pipeline, blob)
    assert not same(_probe(tiny_pipeline.transformer), theirs)


def test_fused_it_is_in_the_weights_and_others_go_on_top(tiny_pipeline, blob):
    load_lora(tiny_pipeline, blob)
    worn = _probe(tiny_pipeline.transformer)
    unload_lora(tiny_pipeline)
    names = [name for name, _ in tiny_pipeline.transformer.named_parameters()]
    fuse_lora(tiny_pipeline, blob)
    fused = _probe(tiny_pipeline.transformer)
    assert [name for name, _ in tiny_pipeline.transformer.named_parameters()] == names
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(fused, worn, strict=True))
    load_lora(tiny_pipeline, blob)  # proves that it moves what is there
    unload_lora(tiny_pipeline)
    assert same(_probe(tiny_pipeline.transformer), fused)


def test_what_cannot_be_fused_leaves_the_weights_alone(tiny_pipeline, blob):
    base = _probe(tiny_pipeline.transformer)
    with pytest.raises(LoraMismatch, match="width"):
        fuse_lora(tiny_pipeline, changed(blob, cut))
    assert same(_probe(tiny_pipeline.transformer), base)
