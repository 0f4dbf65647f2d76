"""Files that lie, end early, nest without end, point elsewhere, or are no films at all."""

from __future__ import annotations

import gzip
import io
import os
import struct
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from tests.enroll.conftest import noise
from tests.enroll.films import quarters, tone, write_film
from tests.enroll.hostile.seeds import KINDS, Box, box, boxes, find, number, overwritten, seed

Make = Callable[[Path], None]
Row = tuple[str, set[str], Make]

UNREADABLE = {"clip_unreadable"}
TOO_MUCH = {"bad_input"}
OPENS = {"opens"}
BAD = {"clip_unreadable", "bad_input", "clip_too_short"}
ANY = BAD | {"opens"}
"""Damage that FFmpeg may mend: opening it is as good as refusing it."""


def rows() -> Iterator[Row]:
    """Name (with suffix), the codes it may be refused with (or ``opens``), and what makes it at a path."""
    yield from _truncated()
    yield from _lying()
    yield from _nested()
    yield from _elsewhere()
    yield from _no_films()
    yield from _odd_films()


def written(content: bytes) -> Make:
    return lambda path: void(path.write_bytes(content))


def void(_: object) -> None:
    """For what returns a number nobody needs."""


def _truncated() -> Iterator[Row]:
    film = seed("mp4")
    seen: set[bytes] = set()
    for part in boxes(film):
        if part.kind not in seen:
            seen.add(part.kind)
            cut = part.body + (part.end - part.body) // 3
            yield f"truncated-in-{part.kind.decode('latin1').strip()}.mp4", UNREADABLE, written(film[:cut])
    for kind in KINDS:
        whole = seed(kind)
        yield f"first-half.{kind}", UNREADABLE | {"clip_too_short"}, written(whole[: len(whole) // 2])
        yield f"head-only.{kind}", UNREADABLE, written(whole[:64])
        yield f"head-lost.{kind}", ANY, written(whole[200:])


def _lying() -> Iterator[Row]:
    film = seed("mp4")
    stsd = find(film, b"stsd")
    # §8.5.2: the sample entry begins 8 bytes into stsd, its width 32 bytes into the entry.
    size = stsd.body + 8 + 32
    # H.264 says its size itself, and is believed.
    yield "65535x65535.mp4", OPENS, written(overwritten(_tkhd_size(film, 65_535), size, b"\xff\xff\xff\xff"))
    yield "0x0.mp4", OPENS, written(overwritten(_tkhd_size(film, 0), size, bytes(4)))
    yield "65535x65535.mkv", BAD, _large_ffv1
    yield "65535x65535-in-the-pictures.avi", BAD, _large_jpeg
    for name, codes, kind, offset, form, value in (
        ("endless", OPENS, b"mdhd", 16, ">I", 0xFFFF_FFFE),
        ("endless-movie", OPENS, b"mvhd", 16, ">I", 0xFFFF_FFFE),
        ("no-timescale", TOO_MUCH, b"mdhd", 12, ">I", 0),
        ("huge-timescale", BAD, b"mdhd", 12, ">I", 0xFFFF_FFFF),
        ("samples-2-to-the-32", UNREADABLE, b"stsz", 8, ">I", 0xFFFF_FFFF),
        ("sample-of-4-gib", UNREADABLE, b"stsz", 4, ">I", 0xFFFF_FFFF),
        ("chunks-2-to-the-32", OPENS, b"stco", 4, ">I", 0xFFFF_FFFF),
        ("chunk-beyond-the-end", UNREADABLE, b"stco", 8, ">I", 0xFFFF_FFF0),
        ("runs-2-to-the-32", UNREADABLE, b"stts", 4, ">I", 0xFFFF_FFFF),
        ("a-run-of-2-to-the-32", OPENS, b"stts", 8, ">I", 0xFFFF_FFFF),
        ("frames-of-13-hours", TOO_MUCH, b"stts", 12, ">I", 0x7FFF_FFFF),
        ("entries-2-to-the-32", UNREADABLE, b"stsd", 4, ">I", 0xFFFF_FFFF),
        ("edits-2-to-the-32", OPENS, b"elst", 4, ">I", 0xFFFF_FFFF),
        ("edit-before-the-start", BAD, b"elst", 12, ">i", -2_000_000),
        ("chunk-of-2-to-the-32", OPENS, b"stsc", 12, ">I", 0xFFFF_FFFF),
        ("keyframes-2-to-the-32", UNREADABLE, b"stss", 4, ">I", 0xFFFF_FFFF),
        ("no-such-codec", UNREADABLE, b"stsd", 12, ">I", 0x58585858),
        ("fax-codec", UNREADABLE, b"stsd", 12, ">4s", b"smc "),
    ):
        yield f"{name}.mp4", codes, written(number(film, kind, offset, form, value))
    for kind in (b"moov", b"trak", b"stbl", b"avcC", b"mdat"):
        for name, lie in (("zero-size", 0), ("giant", 0xFFFF_FFFF)):
            yield f"{name}-{kind.decode()}.mp4", OPENS, written(_resized(film, kind, lie))
    for kind in (b"moov", b"trak", b"stbl", b"stsd", b"avcC"):
        yield f"tiny-{kind.decode()}.mp4", UNREADABLE, written(_resized(film, kind, 4))
    avcc = film.index(b"avcC") + 4
    yield "wrong-extradata.mp4", UNREADABLE, written(overwritten(film, avcc, bytes(range(40))))
    rng = np.random.default_rng(0)
    body = find(film, b"mdat")
    for share in (0.002, 0.05, 1.0):
        yield f"noise-in-{share:.1%}-of-the-pictures.mp4", ANY, written(_noisy(film, body, share, rng))
    yield "nal-sizes-of-4-gib.mp4", ANY, written(overwritten(film, body.body, b"\xff\xff\xff\xff"))
    mkv = seed("mkv")
    at = mkv.index(b"\x44\x89") + 3  # Duration, a float of 8 bytes
    for name, value in (("nan", np.nan), ("infinite", np.inf), ("negative", -5.0), ("1e300", 1e300)):
        yield f"{name}-duration.mkv", OPENS, written(overwritten(mkv, at, struct.pack(">d", value)))
    scale = mkv.index(b"\x2a\xd7\xb1") + 4  # TimestampScale, 3 bytes
    yield "no-timestamp-scale.mkv", OPENS, written(overwritten(mkv, scale, bytes(3)))
    yield "huge-timestamp-scale.mkv", ANY, written(overwritten(mkv, scale, b"\xff\xff\xff"))
    avi = seed("avi")
    rate = avi.index(b"strh") + 8 + 20
    for name, pair in (("no-rate", (0, 0)), ("no-scale", (0, 25)), ("endless-frames", (0xFFFF_FFFF, 1))):
        yield f"{name}.avi", ANY, written(overwritten(avi, rate, struct.pack("<II", *pair)))


def _nested() -> Iterator[Row]:
    film = seed("mp4")
    head = film[: find(film, b"ftyp").end]
    deep = b""
    for _ in range(20_000):
        deep = box(b"moov", deep) if len(deep) < 160_000 else deep
    yield "20000-boxes-deep.mp4", UNREADABLE, written(head + deep)
    tracks = box(b"udta", b"")
    for _ in range(300):
        tracks = box(b"udta", tracks)
    yield "udta-in-udta.mp4", UNREADABLE, written(head + box(b"moov", tracks))
    yield "200000-free-boxes.mp4", UNREADABLE, written(head + box(b"free") * 200_000)
    moov = find(film, b"moov")
    trak = find(film, b"trak")
    one = film[trak.start : trak.end]
    many = box(b"moov", film[moov.body : trak.start], one * 3000)
    yield "3000-tracks.mp4", UNREADABLE, written(head + many + film[moov.end :])
    yield "two-indexes.mp4", UNREADABLE, written(film[: moov.end] + film[moov.start : moov.end] * 50 + film[moov.end :])
    own = box(b"moov", film[moov.body : moov.end], film[moov.start : moov.end])
    yield "an-index-in-itself.mp4", UNREADABLE, written(head + own + film[moov.end :])
    mkv = seed("mkv")
    cluster = mkv.index(b"\x1f\x43\xb6\x75")
    deep_tags = b""
    for _ in range(2000):
        deep_tags = b"\x67\xc8" + _vint(len(deep_tags)) + deep_tags  # SimpleTag
    tag = b"\x73\x73" + _vint(len(deep_tags)) + deep_tags
    tags = b"\x12\x54\xc3\x67" + _vint(len(tag)) + tag
    yield "2000-tags-deep.mkv", OPENS, written(mkv[:cluster] + tags + mkv[cluster:])
    giant = b"\x12\x54\xc3\x67\x01\xff\xff\xff\xff\xff\xff\xfe"
    yield "a-tag-of-64-petabytes.mkv", OPENS, written(mkv[:cluster] + giant + mkv[cluster:])


def _elsewhere() -> Iterator[Row]:
    """What points to other files: the maker leaves a good film beside it, so that reading it would be noticed."""

    def beside(text: str) -> Make:
        def make(path: Path) -> None:
            other = path.with_name("innocent.mp4")
            other.write_bytes(seed("mp4"))
            path.write_text(text.format(other=other, name=other.name))

        return make

    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n"
    yield "playlist.m3u8", UNREADABLE, beside(hls)
    yield "playlist.mp4", UNREADABLE, beside(hls)
    yield "concat.mp4", UNREADABLE, beside("ffconcat version 1.0\nfile '{other}'\n")
    yield "dash.mp4", UNREADABLE, beside("<?xml version='1.0'?><MPD><BaseURL>{other}</BaseURL></MPD>")
    yield "session.mp4", UNREADABLE, beside("v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n")
    yield "redirect.asf", UNREADABLE, beside("[Reference]\nRef1=http://127.0.0.1:9/{name}\n")
    film = seed("mp4")
    dref = find(film, b"dref")
    # An alias record of QuickTime: the pictures lie in another file.
    url = box(b"url ", bytes(4), b"innocent.mp4\0")
    outside = film[: dref.body + 8] + url[: dref.end - dref.body - 8].ljust(dref.end - dref.body - 8, b"\0")
    yield "pictures-in-another-file.mp4", OPENS, written(outside + film[dref.end :])


def _no_films() -> Iterator[Row]:
    yield "empty.mp4", UNREADABLE, written(b"")
    yield "text.mp4", UNREADABLE, written(b"Dear reader, this is no film.\n" * 200)
    yield "zeros.mp4", UNREADABLE, written(bytes(300_000))
    yield "every-byte.mp4", UNREADABLE, written(bytes(range(256)) * 400)
    yield "random.mp4", UNREADABLE, written(np.random.default_rng(0).bytes(300_000))
    yield "page.webm", UNREADABLE, written(b"<!doctype html><video src=/etc/hostname></video>")
    yield "zip-bomb.mp4", UNREADABLE, lambda path: void(path.write_bytes(_zip_bomb()))
    yield "gzip-bomb.mp4", UNREADABLE, written(gzip.compress(bytes(50_000_000)))
    yield "program.mp4", UNREADABLE, written(b"\x7fELF\x02\x01\x01" + bytes(5000))
    yield "still.jpg", UNREADABLE, written(_still(".jpg"))
    yield "still-as.mp4", UNREADABLE, written(_still(".png"))
    yield "animation.gif", UNREADABLE, _gif
    yield "sound-only.wav", UNREADABLE, _wav
    yield "sound-only.mp4", UNREADABLE, _sound_only
    yield "folder.mp4", UNREADABLE, lambda path: path.mkdir()
    yield "pipe.mp4", UNREADABLE, lambda path: os.mkfifo(path)
    yield "loop.mp4", UNREADABLE, lambda path: path.symlink_to(path)
    yield "dangling.mp4", UNREADABLE, lambda path: path.symlink_to(path.with_name("nobody.mp4"))
    yield "endless-device.mp4", UNREADABLE, lambda path: path.symlink_to("/dev/zero")
    yield "socket-of-the-kernel.mp4", UNREADABLE, lambda path: path.symlink_to("/proc/self/mem")
    yield "missing.mp4", UNREADABLE, lambda path: None


def _odd_films() -> Iterator[Row]:
    def film(**options: object) -> Make:
        pictures = options.pop("pictures", None) or noise(15, 64, 96)
        return lambda path: void(write_film(path, pictures, **options))  # type: ignore[arg-type]

    yield "single-frame.mp4", {"clip_too_short", "clip_unreadable"}, film(pictures=[quarters()])
    yield "three-hours-of-two-frames.mp4", TOO_MUCH, film(pictures=[quarters()] * 2, times=[0.0, 10_000.0])
    yield "negative-times.mkv", OPENS, film(times=[n / 10 - 1 for n in range(15)])
    yield "a-jump-of-an-hour.mp4", TOO_MUCH, film(times=[n / 10 + (3600 if n > 7 else 0) for n in range(15)])
    yield "a-thousand-a-second.mkv", OPENS, film(pictures=[quarters(48, 64)] * 1500, fps=1000, codec="mpeg4")
    yield "sliver.mkv", OPENS, film(pictures=[np.zeros((2, 4096, 3), np.uint8)] * 15, codec="ffv1")
    yield (
        "large.mp4",
        TOO_MUCH,
        film(pictures=[np.zeros((4098, 4098, 3), np.uint8)] * 2, codec="mjpeg", pix_fmt="yuvj420p"),
    )
    yield "subtitles-only.mkv", UNREADABLE, _subtitles
    yield "attachments.mkv", OPENS, _attachments
    yield "40-films-at-once.mkv", OPENS, _many_streams
    yield "15000-packets-of-one-sample.mkv", UNREADABLE, _crumbs
    yield "picture-only.mp4", OPENS, film()
    yield "sound-all-nan.mkv", OPENS, film(sound=np.full(72_000, np.nan, np.float32), sound_codec="pcm_f32le")
    yield (
        "sound-at-768-khz.mkv",
        OPENS,
        film(sound=tone(400, 1.5, 768_000), sound_rate=768_000, sound_codec="pcm_s16le"),
    )
    joined = seed("ts") + seed("ts")
    yield "two-films-one-after-the-other.ts", ANY, written(joined)
    yield "film-after-film.mp4", OPENS, written(seed("mp4") + seed("mp4"))
    yield "film-after-text.mp4", UNREADABLE, written(b"hello\n" * 100 + seed("mp4"))


def _tkhd_size(film: bytes, edge: int) -> bytes:
    return number(number(film, b"tkhd", 76, ">I", edge << 16), b"tkhd", 80, ">I", edge << 16)


def _resized(film: bytes, kind: bytes, size: int) -> bytes:
    start = film.index(kind) - 4
    return overwritten(film, start, struct.pack(">I", size))


def _noisy(film: bytes, part: Box, share: float, rng: np.random.Generator) -> bytes:
    content = bytearray(film)
    for at in rng.integers(part.body, part.end, max(1, int(share * (part.end - part.body)))):
        content[at] = rng.integers(256)
    return bytes(content)


def _vint(value: int) -> bytes:
    """EBML's number of 8 bytes (RFC 8794 §4)."""
    return (value | 1 << 56).to_bytes(8, "big")


def _zip_bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(50_000_000))
    return target.getvalue()


def _still(suffix: str) -> bytes:
    return cv2.imencode(suffix, quarters())[1].tobytes()


def _large_ffv1(path: Path) -> None:
    """FFV1 leaves its size to Matroska: PixelWidth and PixelHeight."""
    write_film(path, noise(15, 64, 96), codec="ffv1")
    film = path.read_bytes()
    size, void_of_two = b"\xb0\x81\x60\xba\x81\x40", b"\xec\x01" + bytes(6) + b"\x02\0\0"
    at = film.index(size)
    end = film.index(void_of_two, at)
    lie = b"\xb0\x82\xff\xff\xba\x82\xff\xff" + film[at + len(size) : end] + b"\xec\x01" + bytes(7)
    path.write_bytes(overwritten(film, at, lie))


def _large_jpeg(path: Path) -> None:
    """A frame header (ITU-T T.81 §B.2.2) of 65,535 lines of 65,535 samples in every picture."""
    write_film(path, noise(15, 64, 96), codec="mjpeg", pix_fmt="yuvj420p")
    path.write_bytes(path.read_bytes().replace(struct.pack(">HH", 64, 96), b"\xff\xff\xff\xff"))


def _gif(path: Path) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("gif", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "rgb8"
        for picture in noise(20, 64, 96):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="rgb8")))
        container.mux(video.encode(None))


def _wav(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for at in range(0, 32_768, 1024):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            block.sample_rate, block.pts = 16_000, at
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def _subtitles(path: Path) -> None:
    """An EBML head and one track of text, by hand (RFC 9559)."""

    def element(name: str, *body: bytes) -> bytes:
        content = b"".join(body)
        return bytes.fromhex(name) + _vint(len(content)) + content

    track = element(
        "ae", element("d7", b"\1"), element("73c5", b"\1"), element("83", b"\x11"), element("86", b"S_TEXT/UTF8")
    )
    head = element("1a45dfa3", element("4282", b"matroska"), element("4287", b"\4"), element("4285", b"\2"))
    block = element("a0", element("a1", b"\x81\0\0\0hello"), element("9b", b"\x07\xd0"))
    cluster = element("1f43b675", element("e7", b"\0"), block)
    info = element("1549a966", element("2ad7b1", b"\x0f\x42\x40"))
    path.write_bytes(head + element("18538067", info, element("1654ae6b", track), cluster))


def _attachments(path: Path) -> None:
    with av.open(str(path), "w") as container:
        for number_ in range(60):
            container.add_attachment(f"../../etc/passwd{number_}", "application/x-font-ttf", os.urandom(2000))
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for picture in noise(15, 64, 96):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))


def _crumbs(path: Path) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for picture in noise(15, 48, 64):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1), np.int16), format="s16", layout="mono")
        block.sample_rate, block.pts = 48_000, 0
        for _ in range(15_000):
            container.mux(audio.encode(block))


def _many_streams(path: Path) -> None:
    with av.open(str(path), "w") as container:
        videos = [container.add_stream("mpeg4", rate=10) for _ in range(40)]
        for video in videos:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for picture in noise(15, 48, 64):
            for video in videos:
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for video in videos:
            container.mux(video.encode(None))
