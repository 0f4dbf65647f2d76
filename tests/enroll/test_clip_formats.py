"""What phones, browsers and editors write comes out upright, in time, in the right colours and with the right sound."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from enroll.clip import GREY_EDGE, MAX_EDGE, SAMPLE_RATE, Clip, Frame
from enroll.decoder.pictures import _comb
from enroll.errors import ClipUnreadable
from tests.enroll.children import children, peak_memory
from tests.enroll.films import quarters, tone, write_film, yuv_frame


def watched(path: Path, rate: float = 30) -> list[Frame]:
    return list(Clip.open(path).watch(rate))


def loudest(sound: np.ndarray) -> float:
    """Hz."""
    return float(np.abs(np.fft.rfft(sound)).argmax() * SAMPLE_RATE / len(sound))


def level(sound: np.ndarray, hertz: float) -> float:
    """Amplitude of a sine of this frequency in it."""
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(sound)) / SAMPLE_RATE)
    return float(2 * np.abs(sound @ wave) / len(sound))


CONTAINERS = [
    ("a.mp4", "libx264", "yuv420p", "aac", "stereo", 44_100),
    ("a.mp4", "libx265", "yuv420p", "ac3", "stereo", 48_000),
    ("a.mov", "libx264", "yuv420p", "pcm_s16le", "mono", 8_000),
    ("a.mov", "prores", "yuv422p10le", "pcm_s16le", "stereo", 96_000),
    ("a.webm", "libvpx", "yuv420p", "libopus", "mono", 48_000),
    ("a.webm", "libvpx-vp9", "yuv420p", "libopus", "stereo", 48_000),
    ("a.mkv", "libx265", "yuv420p10le", "flac", "stereo", 48_000),
    ("a.mkv", "ffv1", "yuv444p", "pcm_s16le", "mono", 11_025),
    ("a.avi", "mpeg4", "yuv420p", "libmp3lame", "stereo", 44_100),
    ("a.avi", "mjpeg", "yuvj420p", "pcm_s16le", "mono", 16_000),
    ("a.ts", "libx264", "yuv420p", "aac", "stereo", 48_000),
    ("a.mpg", "mpeg2video", "yuv420p", "mp2", "stereo", 48_000),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "sound_codec", "layout", "rate"), CONTAINERS)
def test_colours_length_and_sound(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, sound_codec: str, layout: str, rate: int
) -> None:
    sound = np.stack([tone(500, 2, rate)] * (2 if layout == "stereo" else 1))
    options = {"b:v": "3M"} if codec.startswith(("libvpx", "mpeg", "mjpeg")) else {}
    path = write_film(
        tmp_path / name,
        [quarters()] * 50,
        codec=codec,
        pix_fmt=pix_fmt,
        fps=25,
        options=options,
        sound=sound,
        sound_codec=sound_codec,
        sound_rate=rate,
        layout=layout,
    )
    clip = Clip.open(path)
    frames = list(clip.watch(5))
    assert abs(clip.seconds - 2) < 0.1
    assert abs(clip.fps - 25) < 1
    assert (clip.width, clip.height) == (128, 96)
    assert abs(len(frames) - 50) <= 2
    assert sum(frame.pixels is not None for frame in frames) in (10, 11)
    pixels = next(frame.pixels for frame in frames[8:] if frame.pixels is not None)
    for corner, truth in zip(
        (pixels[16:32, 16:48], pixels[16:32, 80:112], pixels[64:80, 16:48], pixels[64:80, 80:112]),
        ((200, 30, 40), (30, 180, 50), (40, 50, 190), (128, 128, 128)),
        strict=True,
    ):
        assert np.abs(corner.mean((0, 1)) - truth).max() < 10
    assert np.abs(frames[10].grey[64:80, 80:112].astype(float) - 128).max() < 6
    assert clip.sound is not None
    assert clip.sound_breaks == ()
    assert abs(loudest(clip.sound[4000:24000]) - 500) < 3
    assert abs(level(clip.sound[4000:24000], 500) - 0.5) < 0.06


@pytest.mark.parametrize("flips", ["", "h", "v"])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_every_display_matrix_is_undone(tmp_path: Path, angle: int, flips: str) -> None:
    """PyAV writes the matrix; NumPy turns the picture. By its documentation: counterclockwise first, mirrored after."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"crf": "8"})
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        video.set_display_rotation(angle, hflip="h" in flips, vflip="v" in flips)
        for _ in range(15):
            container.mux(video.encode(av.VideoFrame.from_ndarray(quarters(), format="rgb24")))
        container.mux(video.encode(None))
    truth = np.rot90(quarters(), angle // 90)
    truth = truth[:, ::-1] if "h" in flips else truth[::-1] if "v" in flips else truth
    clip = Clip.open(path)
    frame = next(clip.watch(1))
    assert (clip.height, clip.width) == truth.shape[:2]
    assert frame.pixels is not None
    assert frame.pixels.shape == truth.shape
    assert frame.pixels.flags.c_contiguous
    assert np.abs(frame.pixels.astype(float) - truth).mean() < 6
    assert frame.grey.shape == truth.shape[:2]
    assert np.abs(frame.grey - truth @ [0.299, 0.587, 0.114]).mean() < 6


def test_a_phones_uneven_frames_keep_their_times_and_are_thinned_by_time(tmp_path: Path) -> None:
    """Between 15 and 60 frames a second; a frame's grey tells its number."""
    steps = np.concatenate([np.full(15, 1 / 15), np.full(60, 1 / 60), np.full(30, 1 / 30)])
    times = np.concatenate([[0], np.cumsum(steps)])
    frames = [np.full((96, 128, 3), 20 + 2 * n, np.uint8) for n in range(len(times))]
    clip = Clip.open(write_film(tmp_path / "a.mp4", frames, times=list(times), options={"crf": "0"}))
    seen = list(clip.watch(4))
    for frame in seen:
        number = int(np.abs(times - frame.second).argmin())
        assert abs(times[number] - frame.second) < 0.002
        assert abs(float(frame.grey.mean()) - 20 - 2 * number) < 1.5
    gaps = np.diff([frame.second for frame in seen])
    assert gaps.min() > 0.025
    assert np.allclose(gaps[:14], 1 / 15, atol=0.002)
    assert abs(np.median(gaps[15:44]) - 1 / 30) < 0.002
    coloured = [frame.second for frame in seen if frame.pixels is not None]
    assert np.allclose(coloured, np.arange(len(coloured)) / 4, atol=0.05)
    assert len(coloured) == 13


@pytest.mark.parametrize(("fps", "expected"), [(30, 60), (30000 / 1001, 60), (25, 50), (24, 48), (60, 60), (50, 60)])
def test_never_more_than_thirty_a_second(tmp_path: Path, fps: float, expected: int) -> None:
    path = write_film(tmp_path / "a.mp4", [quarters(48, 64)] * round(2 * fps), fps=fps)
    assert abs(len(watched(path)) - expected) <= 1


def _limited(rgb: tuple[float, float, float], red: float, blue: float, bits: int = 8) -> tuple[int, int, int]:
    """Y'CbCr codes of R'G'B' in [0, 1], by the definition with luma weights ``red`` and ``blue``; limited range."""
    r, g, b = rgb
    y = red * r + (1 - red - blue) * g + blue * b
    one = 1 << (bits - 8)
    cb, cr = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    return round((16 + 219 * y) * one), round((128 + 224 * cb) * one), round((128 + 224 * cr) * one)


COLOUR = (200 / 255, 60 / 255, 80 / 255)


@pytest.mark.parametrize(
    ("matrix", "weights"), [(1, (0.2126, 0.0722)), (6, (0.299, 0.114)), (5, (0.299, 0.114)), (9, (0.2627, 0.0593))]
)
@pytest.mark.parametrize("bits", [8, 10])
def test_the_colour_matrix_is_the_one_the_film_names(
    tmp_path: Path, matrix: int, weights: tuple[float, float], bits: int
) -> None:
    codes = _limited(COLOUR, *weights, bits=bits)
    frames = [yuv_frame(*codes, bits=bits, matrix=matrix, full=1) for _ in range(15)]
    path = write_film(
        tmp_path / "a.mkv",
        frames,
        codec="libx265" if bits == 10 else "libx264",
        pix_fmt="yuv420p" if bits == 8 else "yuv420p10le",
    )
    pixels = watched(path)[3].pixels
    assert pixels is not None
    assert np.abs(pixels.mean((0, 1)) - 255 * np.array(COLOUR)).max() < 4


def test_full_range_is_not_stretched(tmp_path: Path) -> None:
    frames = [yuv_frame(code, 128, 128, matrix=1, full=2) for code in (0, 8, 128, 250, 255) for _ in range(4)]
    path = write_film(tmp_path / "a.mp4", frames, pix_fmt="yuvj420p", options={"crf": "1"})
    seen = watched(path)
    for n, code in enumerate((0, 8, 128, 250, 255)):
        assert abs(float(seen[4 * n + 1].grey.mean()) - code) < 2
        assert abs(float(seen[4 * n + 1].pixels.mean()) - code) < 2


# From the chromaticities of BT.709 and BT.2020 and the formulas of BT.2100, written down again.
def _to_xyz(*corners: tuple[float, float]) -> np.ndarray:
    x, y = np.array(corners).T
    primaries = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return primaries * np.linalg.solve(primaries, white)


BT709 = _to_xyz((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
BT2020 = _to_xyz((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))


def _pq(nits: float) -> float:
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg(rgb_nits: np.ndarray) -> np.ndarray:
    """Display light of a 1,000 cd/m² display to HLG's signal."""
    shown = np.maximum(rgb_nits / 1000, 0)
    brightness = shown @ [0.2627, 0.6780, 0.0593]
    scene = shown * brightness ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12,
        np.sqrt(3 * scene),
        0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073,
    )


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
@pytest.mark.parametrize(
    "nits", [(80, 80, 80), (20, 20, 20), (80, 30, 25), (10, 40, 12), (5, 8, 60)], ids=["grey", "dark", "r", "g", "b"]
)
def test_hdr_below_the_knee_looks_as_it_did(tmp_path: Path, transfer: str, nits: tuple[int, int, int]) -> None:
    """Light of a colour within BT.709 comes out with the same light on an SDR display of 203 cd/m² and gamma 2.4."""
    wide = np.linalg.solve(BT2020, BT709 @ np.array(nits, float))
    signal = np.array([_pq(v) for v in wide]) if transfer == "smpte2084" else _hlg(wide)
    pixels = _hdr(tmp_path, tuple(signal), transfer)
    truth = 255 * (np.array(nits) / 203) ** (1 / 2.4)
    assert np.abs(pixels.pixels.mean((0, 1)) - truth).max() < 6
    if nits[0] == nits[1] == nits[2]:
        assert abs(float(pixels.grey.mean()) - truth[0]) < 5


def test_hdr_highlights_are_rolled_off_and_keep_their_order(tmp_path: Path) -> None:
    levels = []
    for nits in (100, 203, 400, 700, 1000, 4000):
        levels.append(float(_hdr(tmp_path, (_pq(nits),) * 3, "smpte2084").pixels.mean()))
    assert levels == sorted(levels)
    assert levels[0] < levels[1] - 20
    assert 205 < levels[1] < 240
    assert levels[1] < levels[2] - 10
    assert levels[2] < 254
    assert min(levels[4:]) > 253


def _hdr(folder: Path, signal: tuple[float, ...], transfer: str) -> Frame:
    codes = _limited(signal, 0.2627, 0.0593, bits=10)  # type: ignore[arg-type]
    params = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited:log-level=none"
    frames = [yuv_frame(*codes, bits=10, matrix=9, full=1) for _ in range(12)]
    path = write_film(
        folder / "hdr.mp4", frames, codec="libx265", pix_fmt="yuv420p10le", options={"x265-params": params}
    )
    return watched(path)[2]


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(4, 3), (171, 96)), (Fraction(1, 2), (128, 192)), (Fraction(1000, 1), (128, 96))]
)
def test_pixels_that_are_not_square(tmp_path: Path, aspect: Fraction, size: tuple[int, int]) -> None:
    clip = Clip.open(write_film(tmp_path / "a.mkv", [quarters()] * 15, aspect=aspect))
    frame = next(clip.watch(1))
    assert (clip.width, clip.height) == size
    assert frame.grey.shape == size[::-1]
    assert frame.pixels.shape[:2] == size[::-1]


def test_interlaced_film_decodes(tmp_path: Path) -> None:
    options = {"x264-params": "tff=1:interlaced=1", "preset": "veryfast"}
    seen = watched(write_film(tmp_path / "a.mp4", [quarters()] * 20, options=options))
    assert len(seen) == 20
    assert abs(float(seen[5].pixels[64:80, 80:112].mean()) - 128) < 4


def test_what_moved_between_two_fields_loses_its_teeth_and_what_stood_still_stays() -> None:
    rng = np.random.default_rng(0)
    still = rng.integers(100, 104, (64, 64, 3), np.uint8)
    woven = still.copy()
    woven[0::2, 20:30], woven[1::2, 34:44] = 240, 240
    mended = woven.copy()
    _comb(mended)
    assert np.array_equal(mended[:, :18], still[:, :18])
    assert np.abs(np.diff(mended[2:62, 22:28].astype(int), axis=0)).max() < 10
    assert np.abs(np.diff(mended[2:62, 36:42].astype(int), axis=0)).max() < 10


def test_4k_is_reduced_and_stays_small_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 255, (36, 64, 3), np.uint8), np.ones((60, 60, 1), np.uint8))
    path = write_film(tmp_path / "a.mp4", [picture] * 26, fps=25)
    clip = Clip.open(path)
    most = 0
    for frame in clip.watch(5):
        assert frame.grey.shape == (270, GREY_EDGE)
        assert frame.pixels is None or frame.pixels.shape == (1080, MAX_EDGE, 3)
        most = max([most, *map(peak_memory, children())])
    assert (clip.width, clip.height) == (3840, 2160)
    assert 30e6 < most < 500e6


@pytest.mark.parametrize("codec", ["ac3", "aac", "flac"])
def test_of_five_channels_and_a_subwoofer_the_voice_is_heard(tmp_path: Path, codec: str) -> None:
    """A voice at 700 Hz in the centre, music at 300 Hz in front, 900 Hz behind, a rumble of 60 Hz in the subwoofer."""
    rate, seconds = 48_000, 2.0
    voice, music = tone(700, seconds, rate, 0.4), tone(300, seconds, rate, 0.05)
    behind, rumble = tone(900, seconds, rate, 0.05), tone(60, seconds, rate, 0.9)
    sound = np.stack([music, music, voice, rumble, behind, behind])
    path = write_film(
        tmp_path / "a.mkv",
        [quarters(48, 64)] * 20,
        sound=sound,
        sound_codec=codec,
        layout="5.1",
        sound_rate=rate,
    )
    heard = Clip.open(path).sound
    assert heard is not None
    heard = heard[4000:28000]
    assert abs(level(heard, 700) - 0.4) < 0.04
    assert abs(level(heard, 300) - 2 * 0.7071 * 0.05) < 0.02
    assert abs(level(heard, 900) - 2 * 0.5 * 0.05) < 0.02
    assert level(heard, 60) < 0.02


def test_sixteen_channels_without_names_are_one_voice(tmp_path: Path) -> None:
    sound = np.stack([tone(600, 2, loud=0.5)] * 16)
    path = write_film(
        tmp_path / "a.mkv",
        [quarters(48, 64)] * 20,
        sound=sound,
        sound_codec="pcm_s16le",
        layout="hexadecagonal",
    )
    heard = Clip.open(path).sound
    assert heard is not None
    assert abs(level(heard[4000:28000], 600) - 0.5) < 0.02


def test_sound_too_loud_for_one_channel_is_made_quieter_not_clipped(tmp_path: Path) -> None:
    sound = np.stack([tone(400, 2, loud=0.9)] * 3 + [np.zeros(96_000, np.float32)] + [tone(400, 2, loud=0.9)] * 2)
    path = write_film(tmp_path / "a.mkv", [quarters(48, 64)] * 20, sound=sound, sound_codec="flac", layout="5.1")
    heard = Clip.open(path).sound
    assert np.abs(heard).max() <= 1.0
    assert abs(level(heard[4000:28000], 400) - 1.0) < 0.02
    assert level(heard[4000:28000], 1200) < 0.01


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("late", [0.0, 0.7])
def test_sound_is_on_the_pictures_clock(tmp_path: Path, name: str, late: float) -> None:
    """A beep half a second into the sound, which starts with the picture or later."""
    old = name == "a.avi"
    sound = np.zeros(72_000, np.float32)
    sound[24_000:28_800] = tone(800, 0.1)
    path = write_film(
        tmp_path / name,
        [quarters(48, 64)] * 25,
        sound=sound,
        sound_gaps=((0.0, late),),
        codec="mpeg4" if old else "libx264",
        sound_codec="libmp3lame" if old else "aac",
    )
    clip = Clip.open(path)
    heard = np.flatnonzero(np.abs(clip.sound) > 0.2) / SAMPLE_RATE
    # AVI has no times: its streams begin together.
    assert abs(heard[0] - 0.5 - (0 if old else late)) < 0.08
    assert clip.sound_breaks == ()


@pytest.mark.parametrize("seconds", [0.8, 5.0])
def test_sound_shorter_or_longer_than_the_picture(tmp_path: Path, seconds: float) -> None:
    path = write_film(tmp_path / "a.mp4", [quarters(48, 64)] * 20, sound=tone(500, seconds))
    clip = Clip.open(path)
    assert abs(clip.seconds - 2) < 0.06
    assert abs(len(clip.sound) / SAMPLE_RATE - seconds) < 0.1
    assert len(list(clip.watch(2))) == 20


def test_a_jump_in_the_sounds_times_is_told_and_filled(tmp_path: Path) -> None:
    """One second of 500 Hz, a hole of 0.4 s, one second of 900 Hz."""
    sound = np.concatenate([tone(500, 1.0), tone(900, 1.0)])
    path = write_film(
        tmp_path / "a.mkv",
        [quarters(48, 64)] * 24,
        sound=sound,
        sound_codec="flac",
        sound_gaps=((1.0, 0.4),),
    )
    clip = Clip.open(path)
    assert len(clip.sound_breaks) == 1
    assert abs(clip.sound_breaks[0] - 1.4) < 0.15
    assert abs(loudest(clip.sound[2000:14000]) - 500) < 3
    assert np.abs(clip.sound[int(1.15 * SAMPLE_RATE) : int(1.3 * SAMPLE_RATE)]).max() < 0.02
    assert abs(loudest(clip.sound[int(1.55 * SAMPLE_RATE) : int(2.3 * SAMPLE_RATE)]) - 900) < 4


def _with_cover(path: Path, film: bool) -> Path:
    """An album cover larger than the film, and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10) if film else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        red = av.VideoFrame.from_ndarray(np.full((640, 640, 3), (255, 0, 0), np.uint8), format="rgb24")
        cover = None
        if path.suffix == ".mp4":
            cover = container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 640, 640, "yuvj420p"
            cover.disposition = Disposition.attached_pic
        else:
            # Matroska keeps its cover as an attachment.
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 640, 640, "yuvj420p", Fraction(1)
            picture = b"".join(bytes(p) for p in encoder.encode(red.reformat(format="yuvj420p")))
            container.add_attachment("cover.jpg", "image/jpeg", picture)
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        if cover is not None:
            container.mux(cover.encode(red))
        for _ in range(20 if film else 0):
            container.mux(video.encode(av.VideoFrame.from_ndarray(quarters(), format="rgb24")))
        if video is not None:
            container.mux(video.encode(None))
        for at in range(0, 32_000, 1024):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.sample_rate, block.pts = 16_000, at
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_cover_is_no_film(tmp_path: Path, name: str) -> None:
    clip = Clip.open(_with_cover(tmp_path / name, film=True))
    assert (clip.width, clip.height) == (128, 96)
    with pytest.raises(ClipUnreadable, match="no picture"):
        Clip.open(_with_cover(tmp_path / f"song-{name}", film=False))


def test_of_several_films_the_largest_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        films = []
        for width, height in ((64, 48), (160, 120), (96, 64)):
            video = container.add_stream("libx264", rate=10)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            films.append(video)
        for _ in range(15):
            for video in films:
                frame = av.VideoFrame.from_ndarray(quarters(video.height, video.width), format="rgb24")
                container.mux(video.encode(frame))
        for video in films:
            container.mux(video.encode(None))
    clip = Clip.open(path)
    assert (clip.width, clip.height) == (160, 120)
    assert len(list(clip.watch(2))) == 15


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_when_it_was_filmed(tmp_path: Path, name: str) -> None:
    made = write_film(
        tmp_path / name, [quarters(48, 64)] * 15, metadata={"creation_time": "2026-03-04T05:06:07.000000Z"}
    )
    assert Clip.open(made).captured == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize("tag", ["", "1904-01-01T00:00:00Z", "the other day"])
def test_when_it_was_filmed_is_unknown(tmp_path: Path, tag: str) -> None:
    made = write_film(tmp_path / "a.mkv", [quarters(48, 64)] * 15, metadata={"creation_time": tag} if tag else {})
    assert Clip.open(made).captured is None


def test_ten_minutes(tmp_path: Path) -> None:
    path = write_film(
        tmp_path / "a.mkv",
        [quarters(48, 64)] * 600,
        codec="mpeg4",
        fps=1,
        sound=tone(500, 600, 8000),
        sound_codec="pcm_s16le",
        sound_rate=8000,
    )
    clip = Clip.open(path)
    assert abs(clip.seconds - 600) < 1.1
    assert abs(len(clip.sound) / SAMPLE_RATE - 600) < 1.1
    assert sum(1 for _ in clip.frames(0.2)) in (120, 121)


def test_a_film_that_changes_its_size_keeps_the_first(tmp_path: Path) -> None:
    """As a browser's recording does when the network gets slow; here two MPEG-PS films one after the other."""
    parts = []
    for number, (height, width) in enumerate(((96, 128), (48, 64))):
        part = write_film(
            tmp_path / f"{number}.ts",
            [quarters(height, width)] * 25,
            codec="mpeg2video",
            fps=25,
            options={"b:v": "3M"},
            container_options={"mpegts_copyts": "1"},
            times=None,
        )
        parts.append(part.read_bytes())
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(parts))
    try:
        seen = watched(path, 5)
    except ClipUnreadable:
        return
    assert {frame.grey.shape for frame in seen} == {(96, 128)}
