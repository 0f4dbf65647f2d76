"""``cameo generate`` with an adapter, LoRAs and references of one's own."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cameo.cli.equipment import equipment_of, references_of
from cameo.errors import UsageError
from cameo.marks import read
from cameo.references import References
from cameo.studio import Studio


def test_words_to_what_is_meant() -> None:
    assert equipment_of("a", ["x.safetensors", "a=b/y.safetensors=0.6"]).loras == (
        (Path("x.safetensors"), 1.0),
        (Path("a=b/y.safetensors"), 0.6),
    )
    assert references_of("@Ada", None, 0.5, 0.25) == References(voice="ada", first_frame=0.5, preroll=0.25)
    with pytest.raises(UsageError, match="has no strength"):
        equipment_of(None, ["x=strong"])


def test_a_person_is_shown_to_a_model_without_an_adapter(cameo, enrolled, bare_model, lora, tmp_path) -> None:
    enrolled("ada")
    words = ("generate", '@ada says "hello" by the sea', "--model", bare_model, "-o")
    refused = cameo(*words, tmp_path / "no.mp4")
    assert refused.status == 3 and "--voice-reference" in refused.err and not (tmp_path / "no.mp4").exists()
    shown = ("--voice-reference", "ada", "--preroll", "0.5", "--lora", f"{lora}=0.8")
    made = cameo(*words, tmp_path / "voice.mp4", *shown)
    assert made.status == 0 and made.err == "", made.err
    pictured = cameo(*words, tmp_path / "picture.mp4", "--first-frame", "1", "--sheets", "1", "--json")
    assert pictured.status == 0
    scenes = {name: (tmp_path / f"{name}.mp4").read_bytes() for name in ("voice", "picture")}
    assert scenes["voice"] != scenes["picture"] and cameo("uses", "ada", "--json").json["scenes"]
    cast = read(tmp_path / "voice.mp4", trusted=Studio().signer.roots).cast
    assert cast is not None and cast.adapter is None
    assert cast.loras == (sha256(lora.read_bytes()).hexdigest(),)


def test_an_adapter_is_named_beside_the_model(cameo, enrolled, bare_model, tiny_model, tmp_path) -> None:
    enrolled("ada")
    words = ("generate", "@ada by the sea", "--seed", "2", "-o")
    given = cameo(*words, tmp_path / "given.mp4", "--model", bare_model, "--adapter", tiny_model / "adapter")
    assert given.status == 0, given.err
    brought = cameo(*words, tmp_path / "brought.mp4", "--model", tiny_model)
    assert brought.status == 0
    ours = [read(tmp_path / f"{name}.mp4", trusted=Studio().signer.roots).cast for name in ("given", "brought")]
    assert ours[0] is not None and ours[1] is not None and ours[0].adapter == ours[1].adapter is not None


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (("--lora", "lora.safetensors=strong"), 2, "has no strength"),
        (("--lora", "none.safetensors"), 3, "none.safetensors cannot be read"),
        (("--lora", "pickle.bin"), 3, "not a safetensors file"),
        (("--lora", "others.safetensors"), 3, "holds nothing for the transformer"),
        (("--adapter", "nobody/nothing"), 3, "no identity adapter at"),
        (("--voice-reference", "bo"), 3, "the prompt does not name them"),
        (("--first-frame", "2"), 3, "a first frame of strength 2"),
        (("--preroll", "9"), 3, "a pre-roll of 9 s"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    cameo, enrolled, tiny_model, tmp_path, monkeypatch, words, status, reason
) -> None:
    enrolled("ada")
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": torch.zeros(1)}, "pickle.bin")
    save_file({"text_encoder.lora_A.weight": torch.zeros(1, 1)}, "others.safetensors")
    ran = cameo("generate", "@ada by the sea", "-o", "scene.mp4", "--model", tiny_model, *words)
    assert ran.status == status and reason in ran.err and len(ran.err.splitlines()) == 1, ran.err
    assert not Path("scene.mp4").exists()


def test_a_studio_opens_a_model_once_for_the_same_things_on_it(enrolled, tiny_model, bare_model, lora) -> None:
    studio, model = Studio(), str(tiny_model)
    plain = studio._backbone(model)
    assert studio._backbone(model, references=References(voice="ada", preroll=0.5)) is plain
    other = studio._backbone(model, equipment_of(None, [str(lora)]))
    assert other is not plain and studio._backbone(model, equipment_of(None, [str(lora)])) is other
    assert studio._backbone(model, references=References(sheets=1.0)) is not studio._backbone(model)
    assert len(studio._backbones) == 1, "two would not fit"
