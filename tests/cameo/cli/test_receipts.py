"""The person in a clip, their receipt in hand: was this made under what I agreed to?"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785

from cameo.backbones.checkpoint import weights_digest
from cameo.marks import cast_assertion, embed, read
from cameo.studio import Studio


@pytest.fixture
def scene(cameo, enrolled, tiny_model: Path, tmp_path: Path) -> Path:
    """With Ada in it; her receipt and Bob's, who is not in it, lie beside it."""
    for handle in ("ada", "bob"):
        enrolled(handle)
        assert cameo("consent", "receipt", handle, "-o", tmp_path / f"{handle}.json").status == 0
    made = tmp_path / "scene.mp4"
    assert cameo("generate", "@ada by the sea", "-o", made, "--model", tiny_model).status == 0
    return made


def under(cameo, scene: Path, receipt: Path) -> bool:
    ran = cameo("check", scene, "--receipt", receipt, "--json")
    assert ran.status == 0
    return ran.json["under_receipt"]


def test_a_receipt_tells_its_scenes_from_others(cameo, scene: Path, tmp_path: Path) -> None:
    ada, bob = tmp_path / "ada.json", tmp_path / "bob.json"
    shown = cameo("check", scene, "--receipt", ada).out.splitlines()[-1]
    assert shown == "It was made under the consent of this receipt."
    assert under(cameo, scene, ada) and not under(cameo, scene, bob)
    shown = cameo("check", scene, "--receipt", bob).out.splitlines()[-1]
    assert shown == "Nothing says that it was made under the consent of this receipt."
    assert "under_receipt" not in cameo("check", scene, "--json").json


def test_it_names_the_consent_to_the_letter(scene: Path, tmp_path: Path) -> None:
    studio = Studio()
    kept = json.loads(studio.consent("ada").to_json())
    digest = sha256(rfc8785.dumps(kept)).hexdigest()
    assert json.loads((tmp_path / "ada.json").read_text())["metadata"]["record_sha256"] == digest
    cast = read(scene, trusted=studio.signer.roots).cast
    assert cast is not None and cast.under(digest) == cast.people[0]


def test_the_manifest_says_which_adapter(scene: Path, tiny_model: Path) -> None:
    cast = read(scene, trusted=Studio().signer.roots).cast
    assert cast is not None and cast.loras == ()
    (weights,) = (tiny_model / "adapter").glob("*.safetensors")
    assert cast.adapter == sha256(weights.read_bytes()).hexdigest() == weights_digest(weights.parent)


def test_elsewhere_it_counts_where_the_signer_is_trusted(cameo, scene: Path, tmp_path, monkeypatch) -> None:
    assert cameo("keys", "root", "-o", tmp_path / "root.pem").status == 0
    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "adas"))
    assert not under(cameo, scene, tmp_path / "ada.json"), "a stranger's word"
    assert cameo("keys", "trust", tmp_path / "root.pem").status == 0
    assert under(cameo, scene, tmp_path / "ada.json") and not under(cameo, scene, tmp_path / "bob.json")


def test_a_hash_copied_from_another_scene_is_nobodys_word(cameo, scene: Path, tmp_path: Path, monkeypatch) -> None:
    genuine = read(scene, trusted=Studio().signer.roots).cast
    assert genuine is not None
    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "forger"))
    embed(scene, tmp_path / "forged.mp4", genuine, Studio().signer.authority, version="1")
    monkeypatch.undo()
    monkeypatch.setenv("CAMEO_HOME", str(tmp_path / "adas"))
    assert not under(cameo, tmp_path / "forged.mp4", tmp_path / "ada.json")


def test_scenes_and_receipts_of_before_hashes_go_by_the_id(cameo, scene: Path, tmp_path: Path) -> None:
    studio = Studio()
    receipt = studio.receipt("ada")
    older = receipt.model_copy(update={"metadata": receipt.metadata.model_copy(update={"record_sha256": None})})
    older.sign(studio.vault.operator).save(tmp_path / "older.json")
    assert under(cameo, scene, tmp_path / "older.json")
    kept = studio.consent("ada")
    before = cast_assertion({"whoever": kept.consent_id}, model="nano", seed=0).model_copy(update={"version": 2})
    embed(scene, tmp_path / "before.mp4", before, studio.signer.authority, version="1")
    assert under(cameo, tmp_path / "before.mp4", tmp_path / "ada.json")
    assert not under(cameo, tmp_path / "before.mp4", tmp_path / "bob.json")


def test_a_receipt_that_was_changed_is_refused(cameo, scene: Path, tmp_path: Path) -> None:
    changed = json.loads((tmp_path / "bob.json").read_text())
    changed["metadata"]["record_sha256"] = json.loads((tmp_path / "ada.json").read_text())["metadata"]["record_sha256"]
    (tmp_path / "bob.json").write_text(json.dumps(changed))
    ran = cameo("check", scene, "--receipt", tmp_path / "bob.json")
    assert ran.status == 3 and "was changed after it was signed" in ran.err
    assert cameo("check", scene, "--receipt", tmp_path / "none.json").status == 3
