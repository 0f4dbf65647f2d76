"""Small films that are in order, one in each container, to be damaged by others; and a look into their boxes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.enroll.conftest import noise
from tests.enroll.films import tone, write_film

KINDS = ("mp4", "mov", "mkv", "webm", "avi", "ts")
_NESTS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"udta", b"mvex", b"moof", b"traf"}


class Box(NamedTuple):
    """An ISO box: its type, and where its header, its body and its end are."""

    kind: bytes
    start: int
    body: int
    end: int


@cache
def seed(kind: str) -> bytes:
    """A film of 1.5 s, 96×64, with sound; the index of an MP4 comes first."""
    codec = {"webm": "libvpx", "avi": "mpeg4"}.get(kind, "libx264")
    sound_codec = {"webm": "libopus", "avi": "libmp3lame", "mov": "pcm_s16le"}.get(kind, "aac")
    with TemporaryDirectory() as folder:
        path = write_film(
            Path(folder) / f"seed.{kind}",
            noise(15, 64, 96),
            codec=codec,
            options={} if codec == "libx264" else {"b:v": "200k"},
            sound=tone(400, 1.5),
            sound_codec=sound_codec,
            container_options={"movflags": "faststart"} if kind in ("mp4", "mov") else {},
        )
        return path.read_bytes()


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Every box of an ISO file (ISO/IEC 14496-12 §4.2), parents before their children."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if not 8 <= size <= end - start:
            return
        yield Box(kind, start, start + 8, start + size)
        if kind in _NESTS:
            yield from boxes(data, start + 8, start + size)
        start += size


def find(data: bytes, kind: bytes) -> Box:
    return next(box for box in boxes(data) if box.kind == kind)


def box(kind: bytes, *body: bytes) -> bytes:
    content = b"".join(body)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def overwritten(data: bytes, at: int, content: bytes) -> bytes:
    return data[:at] + content + data[at + len(content) :]


def number(data: bytes, kind: bytes, offset: int, form: str, value: float) -> bytes:
    """``data`` with one number of its first box of this kind replaced; ``offset`` counts from the box's body."""
    return overwritten(data, find(data, kind).body + offset, struct.pack(form, value))
