"""Every embedding space: its contract, its refusals, and its real loading code on small or random weights."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dlib
import numpy as np
import onnx
import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

from enroll.encoders import checksums, registry
from enroll.encoders.dlib_net import DlibNet
from enroll.errors import BadInput, WeightsChanged, WeightsMissing
from enroll.identity import Pose
from enroll.looks import Look, cut_look
from enroll.pose import head_pose, project

OFFLINE = {"dlib-resnet-128", "appearance", "ge2e-256"}
ONLINE = set(registry.spaces()) - OFFLINE
FACENET = {
    "facenet-vggface2-512": "20180402-114759-vggface2.pt",
    "facenet-casia-512": "20180408-102900-casia-webface.pt",
}
ARCFACE = {
    "arcface-buffalo_l-512": "w600k_r50.onnx",
    "arcface-buffalo_s-512": "w600k_mbf.onnx",
    "arcface-antelopev2-512": "glintr100.onnx",
}

Publish = Callable[[str, Path], None]


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder and home: nothing of this machine's is found."""
    monkeypatch.setenv("CAMEO_WEIGHTS", str(tmp_path / "weights"))
    for name in ("HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "home"))
    monkeypatch.delenv("CAMEO_LICENCE", raising=False)
    return tmp_path / "weights"


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Publish:
    """``publish(space, path)``: what lies there counts as the published file. All else goes as with the real one."""

    def publish(name: str, path: Path) -> None:
        space = registry.find(name)
        known = replace(space.card.files[0], sha256=checksums.sha256(path), size=path.stat().st_size)
        card = replace(space.card, files=(known,))
        monkeypatch.setitem(registry._SPACES, name, replace(space, card=card))  # type: ignore[type-var]

    return publish


def a_look(seed: int = 0) -> Look:
    """A patch of smooth random colours with a frontal face's landmarks."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 12, 12)))
    smooth = torch.nn.functional.interpolate(coarse, size=(400, 420), mode="bicubic").clamp(0, 255)
    frame = smooth[0].permute(1, 2, 0).to(torch.uint8).numpy()
    points = (project(Pose()) * 45 + [210, 150]).astype(np.float32)
    box = np.array([160, 90, 260, 210], np.float32)
    return cut_look(frame, box, points, index=0, second=0.0, confidence=1.0, pose=head_pose(points))


def speech_like(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    time = np.arange(int(seconds * 16_000)) / 16_000
    hum = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    return (
        0.1 * hum * (1 + np.sin(2 * np.pi * 4 * time)) + 1e-3 * np.random.default_rng(seed).normal(size=len(time))
    ).astype(np.float32)


def samples_for(space: str) -> list[object]:
    if registry.get(space).card.modality == "voice":
        return [speech_like(1.6), speech_like(1.2, 1), speech_like(3.0, 2)]
    return [a_look(0), a_look(1), a_look(2)]


def keeps_its_contract(space: str) -> None:
    """Shape, type, length, and the same vector for the same sample alone or in company."""
    encoder = registry.get(space)
    card = encoder.card
    samples = samples_for(space)
    vectors = encoder.encode(samples)
    assert vectors.shape == (3, card.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    if card.unit:
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert np.allclose(encoder.encode(samples[1:2])[0], vectors[1], atol=1e-4)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-4)
    assert encoder.encode([]).shape == (0, card.dim)


def test_there_is_no_such_space() -> None:
    with pytest.raises(BadInput, match="no embedding space 'arcface'") as caught:
        registry.get("arcface")
    assert "arcface-buffalo_l-512" in caught.value.hint


@pytest.mark.parametrize("space", sorted(ONLINE))
def test_absent_weights_are_named_with_the_way_to_get_them(space: str) -> None:
    with pytest.raises(WeightsMissing, match=space) as caught:
        registry.get(space)
    assert caught.value.exit_status == 5
    assert len(caught.value.hint) > 20


@pytest.mark.parametrize(
    ("alias", "space"),
    [
        ("arcface-buffalo_m-512", "arcface-buffalo_l-512"),
        ("arcface-buffalo_sc-512", "arcface-buffalo_s-512"),
        ("reid-cheetah_s-256", "reid-cheetah_l-256"),
    ],
)
def test_packs_that_share_a_model_share_a_space(alias: str, space: str) -> None:
    assert registry.find(alias).card.space == space
    with pytest.raises(WeightsMissing, match=space):
        registry.get(alias)


def test_what_is_available_without_downloads() -> None:
    assert set(registry.available()) == OFFLINE
    assert registry.default("face") == ("dlib-resnet-128",)
    assert registry.default("body") == ("appearance",)
    assert registry.default("voice") == ("ge2e-256",)


def test_status_tells_presence_licence_and_commercial_use() -> None:
    by_space = {status.card.space: status for status in registry.status()}
    assert set(by_space) == set(registry.spaces())
    assert {space for space, status in by_space.items() if status.present} == OFFLINE
    assert all(status.card.commercial for space, status in by_space.items() if space in OFFLINE)
    assert not by_space["arcface-buffalo_l-512"].card.commercial
    assert all(status.card.licence and status.card.source for status in by_space.values())


@pytest.mark.parametrize("space", sorted(OFFLINE))
def test_offline_spaces_keep_their_contract(space: str) -> None:
    keeps_its_contract(space)


def test_dlibs_network_gives_dlibs_own_vectors() -> None:
    """In torch as in dlib, for smooth pictures, noise, black and white."""
    folder = registry.find("dlib-resnet-128").find()
    path = folder / "dlib_face_recognition_resnet_model_v1.dat"
    rng = np.random.default_rng(0)
    chips = np.stack(
        [
            *(registry.get("dlib-resnet-128").chip(a_look(seed)) for seed in range(2)),
            rng.integers(0, 256, (150, 150, 3), dtype=np.uint8),
            np.zeros((150, 150, 3), np.uint8),
            np.full((150, 150, 3), 255, np.uint8),
        ]
    )
    theirs = np.array(dlib.face_recognition_model_v1(str(path)).compute_face_descriptor(list(chips)))
    assert np.abs(DlibNet(path)(chips) - theirs).max() < 1e-5


@pytest.mark.parametrize("damage", ["empty", "truncated", "other"])
def test_a_file_that_is_no_network_of_dlibs(tmp_path: Path, damage: str) -> None:
    folder = registry.find("dlib-resnet-128").find()
    content = {
        "empty": b"",
        "truncated": (folder / "dlib_face_recognition_resnet_model_v1.dat").read_bytes()[:1_000_000],
        "other": (folder / "shape_predictor_5_face_landmarks.dat").read_bytes(),
    }[damage]
    (tmp_path / "net.dat").write_bytes(content)
    with pytest.raises(ValueError, match="the network"):
        DlibNet(tmp_path / "net.dat")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("space", sorted(FACENET))
def test_facenet(weights: Path, publish: Publish, space: str, suffix: str) -> None:
    torch.manual_seed(0)
    net = InceptionResnetV1(pretrained=None).eval()
    state = {**net.state_dict(), "logits.weight": torch.zeros(3, 512), "logits.bias": torch.zeros(3)}
    path = (weights / space / FACENET[space]).with_suffix(suffix)
    path.parent.mkdir(parents=True)
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    if path.name == FACENET["facenet-vggface2-512"]:
        publish(space, path)
    assert space in registry.available("face")
    keeps_its_contract(space)


def test_weights_in_the_caches_of_their_libraries_are_found(tmp_path: Path) -> None:
    places = {
        "facenet-vggface2-512": "home/checkpoints/20180402-114759-vggface2.pt",
        "arcface-buffalo_l-512": "home/.insightface/models/buffalo_m/w600k_r50.onnx",
        "arcface-buffalo_s-512": "home/.insightface/models/buffalo_sc/w600k_mbf.onnx",
        "arcface-antelopev2-512": "home/.insightface/models/antelopev2/antelopev2/glintr100.onnx",
        "reid-cheetah_l-256": "home/.insightface/models/cheetah_s/manifest.json",
    }
    for place in places.values():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"")
    snapshot = tmp_path / "home" / "models--speechbrain--spkrec-ecapa-voxceleb"
    revision = registry.find("ecapa-192").card.download.url.split("/")[-2]
    (snapshot / "snapshots" / revision).mkdir(parents=True)
    (snapshot / "snapshots" / revision / "embedding_model.ckpt").write_bytes(b"")
    assert set(registry.available()) == OFFLINE | set(places) | {"ecapa-192"}


def test_what_forbids_commercial_use_is_used_only_when_asked_for(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights / "arcface-buffalo_l-512" / "w600k_r50.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert "arcface-buffalo_l-512" in registry.available("face")
    assert registry.default("face") == ("dlib-resnet-128",)
    monkeypatch.setenv("CAMEO_LICENCE", "commercial")
    assert registry.default("face") == ("dlib-resnet-128",)
    monkeypatch.setenv("CAMEO_LICENCE", "any")
    assert registry.default("face") == ("dlib-resnet-128", "arcface-buffalo_l-512")
    monkeypatch.setenv("CAMEO_LICENCE", "whatever")
    with pytest.raises(BadInput, match="CAMEO_LICENCE"):
        registry.default("face")


@pytest.mark.parametrize("space", sorted(space for space in ONLINE if registry.find(space).card.files))
def test_weights_that_are_not_the_published_ones_are_not_opened(weights: Path, space: str) -> None:
    path = weights / space / registry.find(space).card.files[0].name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no weights at all")
    assert checksums.standing(registry.find(space), path) == "changed"
    with pytest.raises(WeightsChanged, match="not the ones published") as caught:
        registry.get(space)
    assert (caught.value.code, caught.value.exit_status) == ("weights_changed", 5)


def test_weights_of_which_nobody_publishes_a_digest_are_held_to_their_first_use(weights: Path) -> None:
    space = registry.find("facenet-casia-512")
    path = weights / "facenet-casia-512" / FACENET["facenet-casia-512"]
    path.parent.mkdir(parents=True)
    torch.manual_seed(0)
    state = InceptionResnetV1(pretrained=None).state_dict()
    torch.save(state, path)
    assert checksums.standing(space, path) == "unknown"
    registry.get("facenet-casia-512")
    assert checksums.standing(space, path) == "first use"
    registry._load.cache_clear()
    torch.save({name: value + 1 for name, value in state.items()}, path)
    assert checksums.standing(space, path) == "changed"
    with pytest.raises(WeightsChanged, match="not the ones first used here") as caught:
        registry.get("facenet-casia-512")
    pins = path.parent / "checksums.json"
    assert str(pins) in caught.value.hint
    pins.write_text("[]")
    assert checksums.standing(space, path) == "changed"
    pins.unlink()
    registry.get("facenet-casia-512")
    registry._load.cache_clear()


def test_a_pickle_among_the_weights_is_not_run(weights: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    path = weights / "facenet-casia-512" / FACENET["facenet-casia-512"]
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(WeightsMissing, match="cannot be used"):
        registry.get("facenet-casia-512")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("space", "file"),
    [
        ("facenet-casia-512", FACENET["facenet-casia-512"]),
        ("facenet-vggface2-512", "20180402-114759-vggface2.safetensors"),
        ("ecapa-192", "embedding_model.safetensors"),
        ("reid-cheetah_l-256", "models/cheetah_l/manifest.json"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"no weights at all"], ids=["empty", "text"])
def test_damaged_weights_are_said_to_be_so(weights: Path, space: str, file: str, content: bytes) -> None:
    path = weights / space / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(WeightsMissing, match="cannot be used"):
        registry.get(space)


def onnx_net(
    path: Path, shape: tuple[int, int], dim: int, *, names: tuple[str, str], seed: int = 0, batch: int | str = 1
) -> None:
    """Mean over an 8×8 grid, then a random matrix: (batch, 3, H, W) to (batch, dim)."""
    rows, columns = shape[0] // 8, shape[1] // 8
    matrix = np.random.default_rng(seed).normal(size=(3 * 64, dim)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", [names[0]], ["grid"], kernel_shape=[rows, columns], strides=[rows, columns]),
        helper.make_node("Flatten", ["grid"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], [names[1]]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [batch, 3, *shape])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [batch, dim])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


@pytest.mark.parametrize("batch", [1, "N"])
@pytest.mark.parametrize("space", sorted(ARCFACE))
def test_arcface(weights: Path, publish: Publish, space: str, batch: int | str) -> None:
    path = weights / space / ARCFACE[space]
    onnx_net(path, (112, 112), 512, names=("input", "output"), batch=batch)
    publish(space, path)
    keeps_its_contract(space)


@pytest.mark.parametrize("content", ["another size", "empty", "text"])
def test_arcface_that_is_none_is_refused(weights: Path, publish: Publish, content: str) -> None:
    """Were a digest published of something that is no such network, it would still not be used."""
    path = weights / "arcface-buffalo_l-512" / "w600k_r50.onnx"
    onnx_net(path, (112, 112), 128, names=("input", "output"))
    if content != "another size":
        path.write_bytes(b"" if content == "empty" else b"no weights at all")
    publish("arcface-buffalo_l-512", path)
    with pytest.raises(WeightsMissing, match="cannot be used"):
        registry.get("arcface-buffalo_l-512")


def test_arcface_sees_rgb_as_it_was_trained(weights: Path, publish: Publish) -> None:
    """A network that answers with its mean red, green and blue input, as the pack's models take RGB in -1 … 1."""
    path = weights / "arcface-buffalo_l-512" / "w600k_r50.onnx"
    onnx_net(path, (112, 112), 512, names=("input", "output"))
    model = onnx.load(str(path))
    matrix = np.zeros((3, 64, 512), np.float32)
    for channel in range(3):
        matrix[channel, :, channel] = 1 / 64
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(matrix.reshape(192, 512), "matrix"))
    onnx.save(model, str(path))
    publish("arcface-buffalo_l-512", path)
    look = a_look()
    red = np.zeros_like(look.patch)
    red[..., 0] = 255
    object.__setattr__(look, "patch", red)
    vector = registry.get("arcface-buffalo_l-512").encode([look])[0]
    assert np.allclose(vector[:3] * np.sqrt(3), [1, -1, -1], atol=1e-3)


def test_reid(weights: Path) -> None:
    pack = weights / "reid-cheetah_l-256" / "models" / "cheetah_l"
    sizes = {"person_detection": (64, 64), "detection": (64, 64), "recognition": (112, 112), "person_reid": (256, 128)}
    for seed, (task, size) in enumerate(sizes.items()):
        onnx_net(pack / f"{task}.onnx", size, 256, names=("data", "reid_embedding"), seed=seed)
    (pack / "MODEL.LICENSE").write_text("made by a test\n")
    manifest = {
        "manifest_version": 2,
        "model_id": "cheetah_l",
        "license": "MODEL.LICENSE",
        "tasks": {task: {"file": f"{task}.onnx"} for task in sizes},
    }
    (pack / "manifest.json").write_text(json.dumps(manifest))
    keeps_its_contract("reid-cheetah_l-256")


@pytest.mark.parametrize("name", ["embedding_model.safetensors", "embedding_model.ckpt"])
def test_ecapa(weights: Path, publish: Publish, name: str) -> None:
    torch.manual_seed(0)
    state = ECAPA_TDNN(80, lin_neurons=192, channels=[1024, 1024, 1024, 1024, 3072]).state_dict()
    path = weights / "ecapa-192" / name
    path.parent.mkdir(parents=True)
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    if path.suffix == ".ckpt":
        publish("ecapa-192", path)
    keeps_its_contract("ecapa-192")
    # A batch of one length gives what each gives alone.
    encoder = registry.get("ecapa-192")
    sounds = [speech_like(1.0, seed) for seed in range(5)]
    assert np.allclose(encoder.encode(sounds), [encoder.encode([sound])[0] for sound in sounds], atol=1e-5)


def test_ecapa_does_not_run_the_folders_recipe(weights: Path, tmp_path: Path) -> None:
    folder = weights / "ecapa-192"
    folder.mkdir(parents=True)
    (folder / "hyperparams.yaml").write_text(f"x: !apply:os.mkdir ['{tmp_path / 'sprung'}']\n")
    (folder / "embedding_model.ckpt").write_bytes(b"")
    with pytest.raises(WeightsMissing):
        registry.get("ecapa-192")
    assert not (tmp_path / "sprung").exists()


def test_appearance_follows_the_clothes() -> None:
    """The same scene with the torso painted red, a little darker red, and blue: red is nearer to red."""
    encoder = registry.get("appearance")

    def dressed(colour: tuple[int, int, int]) -> NDArray[np.float32]:
        look = a_look()
        patch = look.patch.copy()
        patch[int(look.box[3]) + 12 :] = colour
        object.__setattr__(look, "patch", patch)
        return encoder.encode([look])[0]

    red, darker, blue = dressed((200, 30, 30)), dressed((180, 25, 25)), dressed((30, 30, 200))
    assert red @ darker > red @ blue + 0.1


def test_ge2e_hears_what_resemblyzer_hears() -> None:
    """Our spectrogram against Resemblyzer's own, which librosa computes."""
    from resemblyzer import VoiceEncoder
    from resemblyzer.audio import normalize_volume, wav_to_mel_spectrogram

    rng = np.random.default_rng(3)
    time = np.arange(25_600) / 16_000
    sounds = [
        (0.2 * np.sin(2 * np.pi * pitch * time) + 0.02 * rng.normal(size=len(time))).astype(np.float32)
        for pitch in (110, 220, 3000)
    ]
    theirs = VoiceEncoder("cpu", verbose=False)
    mels = [wav_to_mel_spectrogram(normalize_volume(sound, -30, increase_only=True))[:160] for sound in sounds]
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(np.stack(mels))).numpy()
    assert registry.get("ge2e-256").encode(sounds) == pytest.approx(expected, abs=1e-5)
