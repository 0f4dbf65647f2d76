"""The restorer's network: untrained it changes nothing, trained every part of it has a say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cameo.conditioning import AdapterMismatch, AdapterUnreadable
from cameo.restoration.network import FACE, REFERENCES, SOUND_BANDS, SOUND_STEPS, FaceRestorer, load_restorer

WEIGHTS = "diffusion_pytorch_model.safetensors"


def small(seed: int = 0, *, says: bool = True) -> FaceRestorer:
    torch.manual_seed(seed)
    restorer = FaceRestorer(widths=(8, 8, 8), depths=(1, 1, 1), condition=8)
    if says:
        torch.nn.init.normal_(restorer.leave.weight, std=0.1)
    return restorer.eval()


def given(count: int = 2, seed: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator) * 2 - 1

    return (
        noise(3, FACE, FACE),
        noise(REFERENCES, 3, FACE, FACE),
        torch.nn.functional.normalize(noise(128), dim=1),
        noise(SOUND_BANDS, SOUND_STEPS),
    )


def test_untrained_it_gives_back_what_is_drawn():
    shown, *others = given()
    assert torch.equal(small(says=False)(shown, *others), shown)


def test_every_weight_has_a_say():
    restorer = small()
    restorer(*given()).square().sum().backward()
    idle = [name for name, weight in restorer.named_parameters() if not bool(weight.grad.count_nonzero())]
    assert idle == []


@pytest.mark.parametrize("which", range(4), ids=["drawn", "references", "person", "sound"])
def test_everything_it_is_given_matters(which: int):
    restorer, one = small(), list(given())
    before = restorer(*one)
    one[which] = given(seed=2)[which]
    assert (restorer(*one) - before).abs().max() > 1e-4


def test_how_far_a_mouth_opens_is_told_from_the_sound_unless_it_is_given():
    restorer, one = small(), given()
    told = restorer.opening(one[3])
    assert told.shape == (2,) and bool(((told > 0) & (told < 1)).all())
    assert torch.allclose(restorer(*one, told), restorer(*one), atol=1e-6)
    shut, open_ = (restorer(*one, torch.full((2,), share)) for share in (0.0, 1.0))
    assert (shut - open_).abs().max() > 1e-4


def test_faces_of_a_batch_do_not_see_each_other():
    restorer, both = small(), given(2)
    alone = restorer(*(one[1:] for one in both))
    assert torch.allclose(restorer(*both)[1:], alone, atol=1e-5)


def test_it_comes_back_from_a_folder(tmp_path: Path):
    restorer = small()
    restorer.save_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(load_restorer(tmp_path)(*given()), restorer(*given()))


def test_one_that_is_damaged_is_refused(tmp_path: Path):
    small().save_pretrained(tmp_path)
    weights = load_file(tmp_path / WEIGHTS)
    kept = {name: weight for name, weight in weights.items() if name != "enter.weight"}
    save_file(kept, tmp_path / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(AdapterUnreadable, match="lacks 1 weight"):
        load_restorer(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"no safetensors at all")
    with pytest.raises(AdapterUnreadable, match="cannot be read"):
        load_restorer(tmp_path)
    with pytest.raises(AdapterUnreadable, match="cannot be read"):
        load_restorer(tmp_path / "nowhere")


def test_one_that_says_nothing_or_no_number_is_refused(tmp_path: Path):
    small(says=False).save_pretrained(tmp_path / "untrained")
    with pytest.raises(AdapterMismatch, match="never trained"):
        load_restorer(tmp_path / "untrained")
    broken = small()
    with torch.no_grad():
        broken.leave.weight[0, 0, 0, 0] = torch.nan
    broken.save_pretrained(tmp_path / "broken")
    with pytest.raises(AdapterUnreadable, match=r"'leave\.weight' holds numbers that are none"):
        load_restorer(tmp_path / "broken")
