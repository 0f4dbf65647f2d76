"""A scene on disk, read back by PyAV as any player would."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cameo.errors import InputRefused, StoreFull
from cameo.scene import write_scene
from cameo.targets import check_target

FPS, RATE = 12.5, 16_000


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    """Two seconds of a disc moving over a shaded ground, 96×128."""
    y, x = np.mgrid[:96, :128]
    film = np.stack([np.stack([x + 60, y + 80, 200 - x], -1) for _ in range(25)])
    for index, picture in enumerate(film):
        picture[(x - 20 - 3 * index) ** 2 + (y - 48) ** 2 < 200] = (220, 40, 40)
    return film.astype(np.uint8)


@pytest.fixture(scope="module")
def sound() -> NDArray[np.float32]:
    """Two seconds of two tones, left and right."""
    t = np.arange(2 * RATE) / RATE
    return np.stack([0.5 * np.sin(2 * np.pi * 330 * t), 0.4 * np.sin(2 * np.pi * 550 * t)]).astype(np.float32)


def decoded(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    with av.open(str(path)) as container:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with av.open(str(path)) as container:
        return pictures, np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], 1)


def test_refuses_a_folder_and_a_missing_folder(tmp_path: Path, frames, sound) -> None:
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "no" / "scene.mp4", "does not exist")):
        with pytest.raises(InputRefused, match=said):
            check_target(path)
        with pytest.raises(InputRefused, match=said):
            write_scene(path, frames, sound, FPS, RATE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(2, 95, 128, 3), (2, 96, 127, 3), (0, 96, 128, 3), (2, 96, 128), (2, 96, 128, 4)])
def test_refuses_frames_that_are_no_film(tmp_path: Path, sound, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputRefused, match="frames are"):
        write_scene(tmp_path / "scene.mp4", np.zeros(shape, np.uint8), sound, FPS, RATE)
    assert not list(tmp_path.iterdir())


def test_refuses_sound_that_is_none(tmp_path: Path, frames, sound) -> None:
    for bad in (sound.T, np.stack([sound, sound]), np.full_like(sound, np.nan)):
        with pytest.raises(InputRefused, match="sound"):
            write_scene(tmp_path / "scene.mp4", frames, bad, FPS, RATE)
    assert not list(tmp_path.iterdir())


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: what a full disk does, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_nothing_and_keeps_the_old_scene(tmp_path: Path, frames, sound) -> None:
    target = tmp_path / "scene.mp4"
    target.write_bytes(b"the one before")
    with room_for(4096), pytest.raises(StoreFull, match="no room"):
        write_scene(target, frames, sound, FPS, RATE)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"the one before"]


def test_a_mark_that_fails_leaves_nothing(tmp_path: Path, frames, sound) -> None:
    def fails(plain: Path, marked: Path) -> None:
        marked.write_bytes(plain.read_bytes()[:100])
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        write_scene(tmp_path / "scene.mp4", frames, sound, FPS, RATE, mark=fails)
    assert not list(tmp_path.iterdir())


def test_reads_back_as_it_was_written(tmp_path: Path, frames, sound) -> None:
    info = write_scene(tmp_path / "scene.mp4", frames, sound, FPS, RATE, title="By the sea")
    assert (info.seconds, info.width, info.height, info.fps, info.sample_rate) == (2.0, 128, 96, FPS, RATE)
    with av.open(str(info.path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (audio.codec_context.name, audio.codec_context.layout.name) == ("aac", "stereo")
        assert video.average_rate == FPS and audio.rate == RATE
        assert float(video.duration * video.time_base) == pytest.approx(2.0, abs=0.01)
        assert float(audio.duration * audio.time_base) == pytest.approx(2.0, abs=0.1)
        assert container.metadata["title"] == "By the sea"
    pictures, heard = decoded(info.path)
    error = np.mean((pictures.astype(float) - frames) ** 2)
    assert pictures.shape == frames.shape
    assert 10 * np.log10(255**2 / error) > 34
    # A wrong colour matrix shifts the whole ground; the encoder's loss does not.
    assert np.abs(pictures.mean((0, 1, 2)) - frames.mean((0, 1, 2))).max() < 2
    for channel in (0, 1):
        assert np.corrcoef(heard[channel, : sound.shape[1]], sound[channel])[0, 1] > 0.99
    assert [path.name for path in tmp_path.iterdir()] == ["scene.mp4"]


def test_mono_sound_and_loud_sound(tmp_path: Path, frames, sound) -> None:
    write_scene(tmp_path / "scene.mp4", frames, sound[0] * 40, FPS, RATE)
    _, heard = decoded(tmp_path / "scene.mp4")
    assert heard.shape[0] == 1
    assert np.corrcoef(heard[0, : sound.shape[1]], np.clip(sound[0] * 40, -1, 1))[0, 1] > 0.95


def test_the_same_scene_gives_the_same_bytes(tmp_path: Path, frames, sound) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_scene(tmp_path / name, frames, sound, FPS, RATE)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    write_scene(tmp_path / "c.mp4", frames[::-1], sound, FPS, RATE)
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "c.mp4").read_bytes()


def test_the_same_bytes_also_where_memory_is_not_clean(tmp_path: Path, sound) -> None:
    """Nothing uninitialised may steer the encoder. Drifting noise at a width of eleven macroblocks shows it at once."""
    rng = np.random.default_rng(0)
    film = (rng.normal(128, 50, (17, 176, 176, 3)).cumsum(0) / 4 % 256).astype(np.uint8)
    digests = set()
    for _ in range(8):
        _ = [bytearray(rng.bytes(int(size))) for size in rng.integers(1_000, 300_000, 30)]
        write_scene(tmp_path / "scene.mp4", film, sound, FPS, RATE)
        digests.add(sha256((tmp_path / "scene.mp4").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_replaces_an_older_scene(tmp_path: Path, frames, sound) -> None:
    target = tmp_path / "scene.mp4"
    target.write_bytes(b"old")
    write_scene(target, frames, sound, FPS, RATE)
    assert decoded(target)[0].shape == frames.shape
