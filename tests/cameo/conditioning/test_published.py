"""Resamplers of published layouts, held to the papers' arithmetic written out here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import gelu, layer_norm, linear

from cameo.conditioning import AdapterMismatch, AdapterUnreadable, IdentityAdapter, load_adapter
from cameo.conditioning.encoder import Embedder
from cameo.conditioning.proof import prove, somebody
from cameo.conditioning.published import PublishedResampler, begin_from, read_resampler
from tests.cameo.tiny import make_adapter, open_values

READS, WIDE, HEADS, QUERIES, GIVES, TOKEN = 24, 48, 2, 3, 40, 16


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape))) / shape[-1] ** 0.5


def perceiver() -> dict[str, torch.Tensor]:
    """As IP-Adapter Plus and InstantID publish it: four layers, heads of 64."""
    inner = HEADS * 64
    held = {
        "latents": noise(1, QUERIES, WIDE),
        "proj_in.weight": noise(WIDE, READS),
        "proj_in.bias": noise(WIDE),
        "proj_out.weight": noise(GIVES, WIDE),
        "proj_out.bias": noise(GIVES),
        "norm_out.weight": 1 + noise(GIVES),
        "norm_out.bias": noise(GIVES),
    }
    for n in range(4):
        for norm in ("norm1", "norm2"):
            held |= {f"layers.{n}.0.{norm}.weight": 1 + noise(WIDE, seed=n), f"layers.{n}.0.{norm}.bias": noise(WIDE)}
        held |= {
            f"layers.{n}.0.to_q.weight": noise(inner, WIDE, seed=n),
            f"layers.{n}.0.to_kv.weight": noise(2 * inner, WIDE, seed=n),
            f"layers.{n}.0.to_out.weight": noise(WIDE, inner, seed=n),
            f"layers.{n}.1.0.weight": 1 + noise(WIDE, seed=9),
            f"layers.{n}.1.0.bias": noise(WIDE, seed=9),
            f"layers.{n}.1.1.weight": noise(4 * WIDE, WIDE, seed=n),
            f"layers.{n}.1.3.weight": noise(WIDE, 4 * WIDE, seed=n),
        }
    return held


def perceived(held: dict[str, torch.Tensor], embeddings: torch.Tensor) -> torch.Tensor:
    """(N, READS) to (N, QUERIES, GIVES): the Perceiver of IP-Adapter, step by step."""
    x = linear(embeddings[:, None], held["proj_in.weight"], held["proj_in.bias"])
    queries = held["latents"].expand(len(x), -1, -1)
    for n in range(4):
        own = {name.removeprefix(f"layers.{n}."): w for name, w in held.items() if name.startswith(f"layers.{n}.")}
        seen = layer_norm(x, (WIDE,), own["0.norm1.weight"], own["0.norm1.bias"])
        asked = layer_norm(queries, (WIDE,), own["0.norm2.weight"], own["0.norm2.bias"])
        q = linear(asked, own["0.to_q.weight"]).unflatten(-1, (HEADS, 64)).transpose(1, 2)
        both = linear(torch.cat([seen, asked], 1), own["0.to_kv.weight"])
        k, v = (part.unflatten(-1, (HEADS, 64)).transpose(1, 2) for part in both.chunk(2, -1))
        attended = (q @ k.transpose(-1, -2) / 8).softmax(-1) @ v
        queries = queries + linear(attended.transpose(1, 2).flatten(2), own["0.to_out.weight"])
        hidden = layer_norm(queries, (WIDE,), own["1.0.weight"], own["1.0.bias"])
        queries = queries + linear(gelu(linear(hidden, own["1.1.weight"])), own["1.3.weight"])
    out = linear(queries, held["proj_out.weight"], held["proj_out.bias"])
    return layer_norm(out, (GIVES,), held["norm_out.weight"], held["norm_out.bias"])


def face_id(reads: int = READS) -> dict[str, torch.Tensor]:
    """As IP-Adapter FaceID publishes it."""
    return {
        "proj.0.weight": noise(2 * reads, reads),
        "proj.0.bias": noise(2 * reads),
        "proj.2.weight": noise(QUERIES * GIVES, 2 * reads),
        "proj.2.bias": noise(QUERIES * GIVES),
        "norm.weight": 1 + noise(GIVES),
        "norm.bias": noise(GIVES),
    }


def mapped(held: dict[str, torch.Tensor], embeddings: torch.Tensor) -> torch.Tensor:
    hidden = gelu(linear(embeddings, held["proj.0.weight"], held["proj.0.bias"]))
    out = linear(hidden, held["proj.2.weight"], held["proj.2.bias"]).unflatten(-1, (QUERIES, GIVES))
    return layer_norm(out, (GIVES,), held["norm.weight"], held["norm.bias"])


LAYOUTS = [(perceiver, perceived), (face_id, mapped)]


def written(tmp_path: Path, held: dict[str, torch.Tensor], prefix: str = "image_proj.") -> Path:
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "resampler.safetensors"
    save_file({prefix + name: weight.contiguous() for name, weight in held.items()}, path)
    return path


@pytest.mark.parametrize("length", [1.0, 21.5])
@pytest.mark.parametrize("prefix", ["", "image_proj."])
@pytest.mark.parametrize(("made", "computed"), LAYOUTS)
def test_it_says_what_the_published_one_says(tmp_path, made, computed, prefix, length):
    shape, weights = read_resampler(written(tmp_path, made(), prefix))
    resampler = PublishedResampler(READS, TOKEN, shape)
    begin_from(resampler, weights, length)
    embedder = Embedder(resampler, resampler.tokens, TOKEN)
    views = torch.nn.functional.normalize(noise(2, 5, READS), dim=-1)
    present = torch.tensor([[True] * 5, [False] + [True] * 4])
    with torch.no_grad():
        tokens, mask = embedder(views, present)
        expected = resampler.to_token(computed(made(), (views * length).flatten(0, 1))).unflatten(0, (2, 5))
    assert embedder.tokens == QUERIES and tokens.shape == (2, 5 * QUERIES, TOKEN) and mask.all()
    assert torch.allclose(tokens[0].unflatten(0, (5, QUERIES)), expected[0], atol=1e-5)
    assert torch.equal(tokens[1, :QUERIES], embedder.absent), "learned tokens where nobody is known"


@pytest.mark.parametrize("made", [perceiver, face_id])
def test_an_adapter_begins_with_it_is_proven_and_comes_back(tmp_path, made):
    shape, weights = read_resampler(written(tmp_path, made()))
    adapter = open_values(make_adapter(face_dim=READS, face_resampler=shape))
    begin_from(adapter.face.net, weights)
    prove(adapter)
    adapter.save_pretrained(tmp_path / "adapter")
    back = load_adapter(tmp_path / "adapter")
    person = somebody(adapter)
    with torch.no_grad():
        before, after = adapter.eval()(person), back(person)
    held = adapter.state_dict()
    assert all(torch.equal(weight, held[name]) for name, weight in back.state_dict().items())
    assert torch.allclose(before.video, after.video, atol=1e-5) and dict(back.config.face_resampler) == shape
    per = adapter.config.tokens_per_embedding
    plain = make_adapter(face_dim=READS)(person).video.shape[1]
    assert before.video.shape[1] == plain + adapter.config.face_views * (QUERIES - per)
    assert isinstance(back, IdentityAdapter)


def test_one_for_another_space_is_refused(tmp_path):
    shape, _ = read_resampler(written(tmp_path, perceiver()))
    with pytest.raises(AdapterMismatch, match=f"reads embeddings of {READS} dimensions, this space has 12"):
        make_adapter(face_dim=12, face_resampler=shape)


def spoilt(held: dict[str, torch.Tensor], name: str, weight: torch.Tensor | None) -> dict[str, torch.Tensor]:
    return {k: (v if k != name else weight) for k, v in held.items() if k != name or weight is not None}


@pytest.mark.parametrize(
    "held",
    [
        {"something": torch.zeros(2)},
        spoilt(perceiver(), "layers.2.0.to_kv.weight", None),
        perceiver() | {"layers.4.0.to_q.weight": torch.zeros(2, 2)},
        spoilt(perceiver(), "proj_out.weight", torch.zeros(GIVES, WIDE + 1)),
        spoilt(perceiver(), "proj_in.bias", torch.full((WIDE,), torch.nan)),
        spoilt(face_id(), "proj.2.bias", None),
    ],
)
def test_what_is_no_such_resampler_is_refused(tmp_path, held):
    with pytest.raises(AdapterUnreadable):
        read_resampler(written(tmp_path, held))


def test_a_pickle_is_never_opened(tmp_path):
    torch.save(perceiver(), tmp_path / "ip-adapter.bin")
    with pytest.raises(AdapterUnreadable, match="as safetensors"):
        read_resampler(tmp_path / "ip-adapter.bin")
    with pytest.raises(AdapterUnreadable, match="as safetensors"):
        read_resampler(tmp_path / "missing.safetensors")
