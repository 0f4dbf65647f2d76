"""Files that are no clips are refused for the right reason; clips decode the right way up and in time."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from enroll import clip as clip_module
from enroll.clip import SAMPLE_RATE, Clip
from enroll.errors import BadInput, ClipTooShort, ClipUnreadable, EnrollError
from tests.enroll.conftest import FPS, noise, write_clip


def refused(path: Path, error: type[EnrollError], *words: str) -> None:
    """``Clip.open`` raises exactly ``error``, in one line that holds ``words``."""
    with pytest.raises(EnrollError) as caught:
        Clip.open(path)
    assert type(caught.value) is error
    assert "\n" not in caught.value.message
    for word in words:
        assert word in caught.value.message
    assert caught.value.exit_status == 3


def test_missing_path(tmp_path: Path) -> None:
    refused(tmp_path / "nobody.mp4", ClipUnreadable, "no file", "nobody.mp4")


def test_folder(tmp_path: Path) -> None:
    refused(tmp_path, ClipUnreadable, "folder")


def test_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    refused(path, ClipUnreadable, "empty")


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n" * 500,
        bytes(range(256)) * 40,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/etc/hostname\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
    ],
    ids=["text", "bytes", "hls-playlist", "concat-script"],
)
def test_not_a_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fake.mp4"
    path.write_bytes(content)
    refused(path, ClipUnreadable, "fake.mp4", "not a video")


def test_a_playlist_does_not_make_another_file_be_read(tmp_path: Path) -> None:
    write_clip(tmp_path / "other.mp4", noise(20))
    path = tmp_path / "list.mp4"
    path.write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'other.mp4'}'\n")
    refused(path, ClipUnreadable, "not a video")


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(32000))
    refused(path, ClipUnreadable, "not a video")


def test_sound_alone_in_a_video_container(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    refused(path, ClipUnreadable, "no picture")


@pytest.mark.parametrize("faststart", [False, True], ids=["index-lost", "index-kept"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_truncated(tmp_path: Path, faststart: bool, share: float) -> None:
    whole = write_clip(
        tmp_path / "whole.mp4",
        noise(40),
        np.zeros(64_000, np.float32),
        options={"movflags": "faststart"} if faststart else {},
    )
    part = tmp_path / "part.mp4"
    part.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    refused(part, ClipUnreadable, "truncated")


def test_damaged_pictures_never_escape_as_another_error(tmp_path: Path) -> None:
    """Bytes of the pictures overwritten: either it still decodes, or it is refused in our own words."""
    whole = bytearray(write_clip(tmp_path / "whole.mp4", noise(30)).read_bytes())
    rng = np.random.default_rng(1)
    for trial in range(8):
        hurt = bytearray(whole)
        for at in rng.integers(100, len(hurt) - 2000, 400):
            hurt[at] = rng.integers(256)
        path = tmp_path / f"hurt{trial}.mp4"
        path.write_bytes(hurt)
        try:
            frames = list(Clip.open(path).frames(4))
        except EnrollError as error:
            assert isinstance(error, BadInput)
        else:
            assert frames


def test_too_short(tmp_path: Path) -> None:
    refused(write_clip(tmp_path / "blink.mp4", noise(6)), ClipTooShort, "0.6 s")


@pytest.mark.parametrize("name", ["a\nb.mp4", "a\rb.mp4", "a\x1bb.mp4", "a\u2028b.mp4"], ids=repr)
def test_name_with_a_line_break(tmp_path: Path, name: str) -> None:
    refused(write_clip(tmp_path / "a.mp4", noise(20)).rename(tmp_path / name), BadInput, "control character")


def test_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "MAX_SECONDS", 2.0)
    refused(write_clip(tmp_path / "long.mp4", noise(40)), BadInput, "longer than 2 s")


def test_sound_much_longer_than_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "MAX_SECONDS", 2.0)
    refused(write_clip(tmp_path / "long.mp4", noise(15), np.zeros(50_000, np.float32)), BadInput, "longer than 2 s")


def test_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "MAX_BYTES", 1000)
    refused(write_clip(tmp_path / "big.mp4", noise(20)), BadInput, "MB")


def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "MAX_PIXELS", 96 * 128 - 1)
    refused(write_clip(tmp_path / "wide.mp4", noise(20)), BadInput, "128×96")


def test_large_pictures_are_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "MAX_EDGE", 64)
    frame = next(Clip.open(write_clip(tmp_path / "a.mp4", noise(20))).frames(4))
    assert frame.pixels.shape == (48, 64, 3)


def test_frames_come_at_the_rate_asked_for_and_are_what_was_written(tmp_path: Path) -> None:
    """Frame n is a grey of 5·n, so that a frame tells its number."""
    greys = [np.full((96, 130, 3), 5 * n, np.uint8) for n in range(40)]
    frames = list(Clip.open(write_clip(tmp_path / "a.mp4", greys)).frames(5))
    assert [round(f.second, 2) for f in frames] == [round(n / 5, 2) for n in range(20)]
    for frame in frames:
        assert frame.pixels.flags.c_contiguous
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.shape == (96, 130, 3)
        assert abs(float(frame.pixels.mean()) - 5 * round(frame.second * FPS)) < 3


@pytest.mark.parametrize(
    ("angle", "corner"), [(0, "top left"), (90, "bottom left"), (180, "bottom right"), (-90, "top right")]
)
def test_rotation_of_the_camera_is_undone(tmp_path: Path, angle: int, corner: str) -> None:
    """A white top left corner, and a display matrix that turns the picture counterclockwise by ``angle``."""
    picture = np.zeros((96, 128, 3), np.uint8)
    picture[:32, :32] = 255
    path = write_clip(tmp_path / "a.mp4", [picture] * 20)
    _set_rotation(path, angle)
    pixels = next(Clip.open(path).frames(4)).pixels
    assert pixels.shape[:2] == ((128, 96) if angle in (90, -90) else (96, 128))
    y, x = np.argwhere(pixels[..., 0] > 128).mean(0) / pixels.shape[:2]
    assert f"{'top' if y < 0.5 else 'bottom'} {'left' if x < 0.5 else 'right'}" == corner


def _set_rotation(path: Path, angle: int) -> None:
    """Writes the matrix of ISO/IEC 14496-12 §8.3.2 (a, b, u, c, d, v, x, y, w) into the track header."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    cos, sin = {0: (1, 0), 90: (0, -1), 180: (-1, 0), -90: (0, 1)}[angle]
    values = [cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30]
    content[at : at + 36] = b"".join((v & 0xFFFFFFFF).to_bytes(4, "big") for v in values)
    path.write_bytes(content)


def test_sound_is_mono_16_khz_and_in_time(tmp_path: Path) -> None:
    """A 440 Hz tone from second 1 to 2 of 4."""
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    sound = (0.5 * np.sin(2 * np.pi * 440 * time) * ((time >= 1) & (time < 2))).astype(np.float32)
    clip = Clip.open(write_clip(tmp_path / "a.mp4", noise(40), sound))
    assert clip.sound is not None
    assert clip.sound.dtype == np.float32
    assert abs(len(clip.sound) / SAMPLE_RATE - 4) < 0.15
    loud = np.flatnonzero(np.abs(clip.sound) > 0.25)
    assert abs(loud[0] / SAMPLE_RATE - 1) < 0.08
    assert abs(loud[-1] / SAMPLE_RATE - 2) < 0.08
    tone = np.abs(np.fft.rfft(clip.sound[loud[0] : loud[0] + 8000]))
    assert abs(int(tone.argmax()) * 2 - 440) <= 2


def test_no_sound_is_none_and_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = write_clip(tmp_path / "a.mp4", noise(20))
    clip = Clip.open(path)
    assert clip.sound is None
    assert clip.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert abs(clip.seconds - 2.0) < 0.01
