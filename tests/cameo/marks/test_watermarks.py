"""Watermarks: what they survive, that nothing else is taken for one, and that weights are loaded by the real code."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cameo.errors import UsageError
from cameo.marks import watermarks
from cameo.marks.watermarks.audioseal import AudioSealMark
from cameo.marks.watermarks.base import CHANCE, chance_of, message
from cameo.marks.watermarks.chroma import ChromaMark
from cameo.marks.watermarks.trust_mark import TrustMarkMark
from cameo.marks.watermarks.video_seal import VideoSealMark
from cameo.scene import write_scene
from enroll.errors import WeightsMissing

SECRET = bytes(range(32))


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMEO_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    """Something coloured that moves, (12, 128, 160, 3)."""
    rng = np.random.default_rng(5)
    small = rng.integers(30, 220, (7, 9, 3), dtype=np.uint8)
    large = cv2.resize(small, (200, 128), interpolation=cv2.INTER_CUBIC)
    return np.stack([large[:, at : at + 160] for at in range(0, 36, 3)])


@pytest.fixture
def marked(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mark = ChromaMark()
    return mark.embed(frames, message(SECRET, mark))


def says(frames: NDArray[np.uint8]) -> float:
    mark = ChromaMark()
    return chance_of(mark.read(frames), message(SECRET, mark))


def test_it_can_hardly_be_seen(frames: NDArray[np.uint8], marked: NDArray[np.uint8]) -> None:
    error = float(np.mean((marked.astype(float) - frames) ** 2))
    assert error > 0 and 10 * np.log10(255**2 / error) > 40
    assert np.abs(cv2.cvtColor(marked[0], cv2.COLOR_RGB2GRAY).astype(int) - cv2.cvtColor(frames[0], 7)).max() <= 3


@pytest.mark.parametrize(
    "copy",
    [
        lambda f: f,
        lambda f: f[:, :, ::-1],
        lambda f: f[5:],
        lambda f: f[::3],
        lambda f: np.stack([cv2.resize(one, (80, 64), interpolation=cv2.INTER_AREA) for one in f]),
        lambda f: np.stack([cv2.resize(one, (320, 256)) for one in f]),
        lambda f: (f * 0.75 + 40).astype(np.uint8),
        lambda f: np.stack(
            [cv2.imdecode(cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 1) for one in f]
        ),
    ],
    ids=["whole", "mirrored", "its end", "every third", "half size", "double size", "paler", "as JPEG"],
)
def test_what_it_survives(marked: NDArray[np.uint8], copy) -> None:
    assert says(np.ascontiguousarray(copy(marked))) < CHANCE


def test_what_it_does_not(frames: NDArray[np.uint8], marked: NDArray[np.uint8]) -> None:
    grey = np.stack([cv2.cvtColor(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) for one in marked])
    cropped = np.ascontiguousarray(marked[:, 20:, 30:])
    assert min(map(says, (frames, grey, cropped))) > CHANCE
    assert says(frames[:0]) == 1.0


def test_nothing_else_is_taken_for_it(frames: NDArray[np.uint8], marked: NDArray[np.uint8]) -> None:
    """Of 2,000 other scenes' secrets, none fits; and chance says as often as it happens."""
    mark, rng = ChromaMark(), np.random.default_rng(0)
    for shown in (frames, marked):
        said = mark.read(shown)
        chances = np.array([chance_of(said, message(rng.bytes(32), mark)) for _ in range(2000)])
        assert chances.min() * len(chances) > CHANCE
        assert np.mean(chances < 0.05) <= 0.07


def test_a_file_is_read_as_it_was_written(
    frames: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = np.zeros(16_000, np.float32)
    with_mark, heard = watermarks.embed(frames, sound, 16_000, SECRET)
    assert heard is sound
    write_scene(tmp_path / "marked.mp4", with_mark, heard, 12.0, 16_000)
    write_scene(tmp_path / "plain.mp4", frames, sound, 12.0, 16_000)
    assert watermarks.chance_that(watermarks.read(tmp_path / "marked.mp4"), SECRET) < CHANCE
    assert watermarks.chance_that(watermarks.read(tmp_path / "marked.mp4"), bytes(32)) > CHANCE
    assert watermarks.chance_that(watermarks.read(tmp_path / "plain.mp4"), SECRET) > CHANCE
    monkeypatch.setenv("CAMEO_WATERMARK", "off")
    assert watermarks.used() == () and watermarks.embed(frames, sound, 16_000, SECRET)[0] is frames


def test_those_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [mark.name for mark in watermarks.used()] == ["chroma"]
    monkeypatch.setenv("CAMEO_WATERMARK", "chroma, audioseal")
    with pytest.raises(UsageError, match="audioseal, which is not here"):
        watermarks.used()


class Loud:
    """What another package might bring: a bit is a tenth of a second of sound, louder or softer."""

    name, carrier, bits = "loud", "sound", 8

    def embed(self, sound, sample_rate, message):
        gains = np.repeat(np.where(message, 1.0, 0.5), sample_rate // 10).astype(np.float32)
        return sound * np.resize(gains, len(sound))

    def read(self, sound, sample_rate):
        parts = sound[: 8 * (sample_rate // 10)].reshape(8, -1).std(1)
        return (parts > parts.mean())[None]


def test_another_package_brings_one(monkeypatch: pytest.MonkeyPatch, frames: NDArray[np.uint8]) -> None:
    entry = EntryPoint("loud", f"{__name__}:Loud", "cameo.watermarks")
    monkeypatch.setattr(watermarks, "entry_points", lambda group: [entry] if group == entry.group else [])
    assert [mark.name for mark in watermarks.used()] == ["chroma", "loud"]
    sound = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    _, loud = watermarks.embed(frames, sound, 16_000, SECRET)
    said = Loud().read(loud, 16_000)
    assert np.array_equal(said[0], message(SECRET, Loud()))
    # Eight bits alone tell nothing among many; with the picture's they do.
    assert watermarks.chance_that({"loud": said}, SECRET) > CHANCE


class TestAudioSeal:
    """Its own networks, untrained, through the files that the trained ones come in."""

    @pytest.fixture
    def mark(self, tmp_path: Path) -> AudioSealMark:
        from audioseal import loader
        from audioseal.builder import (
            AudioSealDetectorConfig,
            AudioSealWMConfig,
            create_detector,
            create_generator,
        )
        from omegaconf import OmegaConf

        folder = tmp_path / "weights" / "audioseal"
        folder.mkdir(parents=True)
        torch.manual_seed(0)
        for card, schema, create, file in [
            ("audioseal_wm_16bits", AudioSealWMConfig, create_generator, "generator_base.pth"),
            ("audioseal_detector_16bits", AudioSealDetectorConfig, create_detector, "detector_base.pth"),
        ]:
            config = OmegaConf.to_container(loader.load_local_model_config(card))
            model = create(loader.AudioSeal.parse_config(config, schema, nbits=16))
            # The published files are from before the library's layers had these names.
            weights = {name.replace(".inner_conv", ""): value for name, value in model.state_dict().items()}
            torch.save({"model": weights}, folder / file)
        found = AudioSealMark.find()
        assert found is not None
        return found

    def test_the_sound_carries_what_the_generator_made(self, mark: AudioSealMark) -> None:
        assert "audioseal" in [one.name for one in watermarks.used()]
        sound = np.random.default_rng(0).normal(0, 0.1, (2, 24_000)).astype(np.float32)
        one, other = (mark.embed(sound, 24_000, message(secret, mark)) for secret in (SECRET, bytes(32)))
        assert one.shape == sound.shape and one.dtype == np.float32
        assert np.abs(one - sound).max() > 0 and not np.array_equal(one, other)
        assert np.array_equal(one, mark.embed(sound, 24_000, message(SECRET, mark)))
        assert mark.embed(sound[0], 16_000, message(SECRET, mark)).shape == (24_000,)
        assert mark.read(one, 24_000).shape in ((1, 16), (0, 16))
        assert mark.read(sound[:, :0], 24_000).shape == (0, 16)

    def test_what_is_no_tensor_is_not_opened(self, mark: AudioSealMark, tmp_path: Path) -> None:
        for content in ({"model": {"a": Path("/")}}, {"model": {}}, [1]):
            torch.save(content, tmp_path / "weights" / "audioseal" / "generator_base.pth")
            fresh = AudioSealMark.find()
            assert fresh is not None
            with pytest.raises(WeightsMissing, match="audioseal"):
                fresh.embed(np.zeros(16_000, np.float32), 16_000, message(SECRET, mark))


class _Pixels(torch.nn.Module):
    """With the two methods of Video Seal's file: bit n is the sign of what is added to column n."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames

    @torch.jit.export
    def embed(self, frames: torch.Tensor, message: torch.Tensor) -> torch.Tensor:
        return frames + 0.05 * (2 * message[:, None, None, :] - 1)

    @torch.jit.export
    def detect(self, frames: torch.Tensor) -> torch.Tensor:
        said = frames.mean(1).mean(1) - 0.5
        return torch.cat([torch.zeros_like(said[:, :1]), said], 1)


class TestVideoSeal:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Iterator[Path]:
        path = tmp_path / "weights" / "videoseal" / "y_256b_img.jit"
        path.parent.mkdir(parents=True)
        torch.jit.script(_Pixels()).save(str(path))
        yield path

    def test_what_is_embedded_is_read(self, path: Path) -> None:
        mark = VideoSealMark.find()
        assert mark is not None and mark.name in [one.name for one in watermarks.used()]
        grey = np.full((11, 40, 256, 3), 127, np.uint8)
        made = mark.embed(grey, message(SECRET, mark))
        assert made.shape == grey.shape and made.dtype == np.uint8
        said = mark.read(made)
        assert np.array_equal(said[0], message(SECRET, mark)) and chance_of(said, message(SECRET, mark)) < 1e-70
        assert mark.read(grey[:0]).shape == (0, 256)

    def test_a_file_that_is_none(self, path: Path) -> None:
        path.write_bytes(b"nothing")
        mark = VideoSealMark.find()
        assert mark is not None
        with pytest.raises(WeightsMissing, match="videoseal"):
            mark.read(np.zeros((1, 8, 256, 3), np.uint8))
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
        with pytest.raises(WeightsMissing, match="videoseal"):
            VideoSealMark(path).read(np.zeros((1, 8, 256, 3), np.uint8))


class TestTrustMark:
    """Two small networks that take and give what the published ones do: bit n is the sign of what is
    added along direction n."""

    SIDE = 32

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "weights" / "trustmark"
        folder.mkdir(parents=True)
        directions = np.random.default_rng(0).normal(0, 0.01, (100, 3 * self.SIDE**2)).astype(np.float32)
        picture, secret = ("picture", (1, 3, self.SIDE, self.SIDE)), ("secret", (1, 100))
        numbers = {"two": np.float32(2), "one": np.float32(1), "directions": directions, "shape": np.array(picture[1])}
        encoder = [
            helper.make_node("Mul", ["secret", "two"], ["twice"]),
            helper.make_node("Sub", ["twice", "one"], ["signs"]),
            helper.make_node("MatMul", ["signs", "directions"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["added"]),
            helper.make_node("Add", ["picture", "added"], ["marked"]),
        ]
        self.write(folder / "encoder_Q.onnx", encoder, numbers, [picture, secret], ("marked", picture[1]))
        decoder = [
            helper.make_node("Flatten", ["picture"], ["row"]),
            helper.make_node("MatMul", ["row", "directions"], ["said"]),
        ]
        self.write(
            folder / "decoder_Q.onnx", decoder, {"directions": directions.T.copy()}, [picture], ("said", (1, 100))
        )
        return folder

    @staticmethod
    def write(path, nodes, numbers, takes, gives) -> None:
        kind = TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info(name, kind, shape) for name, shape in takes]
        outputs = [helper.make_tensor_value_info(gives[0], kind, gives[1])]
        constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()]
        graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))

    @pytest.mark.parametrize("size", [(32, 32), (96, 128), (40, 100), (100, 40)])
    def test_what_is_embedded_is_read(self, folder: Path, size: tuple[int, int]) -> None:
        mark = TrustMarkMark.find()
        assert mark is not None and mark.name in [one.name for one in watermarks.used()]
        grey = np.full((3, *size, 3), 127, np.uint8)
        made = mark.embed(grey, message(SECRET, mark))
        assert made.shape == grey.shape and made.dtype == np.uint8 and (grey == 127).all()
        assert chance_of(mark.read(made), message(SECRET, mark)) < 1e-25
        assert chance_of(mark.read(made), message(bytes(32), mark)) > CHANCE
        assert mark.read(grey[:0]).shape == (0, 100)

    def test_of_a_long_picture_the_square_in_the_middle_is_marked(self, folder: Path) -> None:
        mark = TrustMarkMark(folder)
        made = mark.embed(np.full((1, 40, 100, 3), 127, np.uint8), message(SECRET, mark))
        changed = (made != 127).any((0, 1, 3))
        assert changed[30:70].all() and not changed[:30].any() and not changed[70:].any()

    def test_it_adds_no_colour(self, folder: Path) -> None:
        mark = TrustMarkMark(folder)
        made = mark.embed(np.full((1, 64, 64, 3), 127, np.uint8), message(SECRET, mark))
        assert np.abs(made.astype(float).mean((0, 1, 2)) - 127).max() < 0.1

    def test_files_that_are_none(self, folder: Path) -> None:
        frame = np.full((1, 32, 32, 3), 127, np.uint8)
        (encoder := folder / "encoder_Q.onnx").write_bytes((folder / "decoder_Q.onnx").read_bytes())
        with pytest.raises(WeightsMissing, match="trustmark"):
            TrustMarkMark(folder).embed(frame, np.zeros(100, bool))
        (folder / "decoder_Q.onnx").write_bytes(b"nothing")
        with pytest.raises(WeightsMissing, match="trustmark"):
            TrustMarkMark(folder).read(frame)
        encoder.unlink()
        assert TrustMarkMark.find() is None
