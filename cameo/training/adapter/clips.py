"""What lies in a folder of clips, or in shards of them: each clip beside its consent and its caption, unopened.

A folder holds ``NAME.mp4``, ``NAME.consent.json`` and, where somebody wrote one, ``NAME.txt``. A shard is a plain tar
with the same members, as the WebDataset format has them. Members are read into memory, never unpacked.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from cameo.errors import InputRefused
from enroll.clip import MAX_BYTES

__all__ = ["Found", "find_clips"]

_CLIPS: Final = frozenset({"mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg"})
_CONSENT, _CAPTION, _SHARD = "consent.json", "txt", ".tar"
_MOST: Final = {_CONSENT: 64 * 1024, _CAPTION: 8 * 1024}
"""Bytes of what is beside a clip."""
_HINT = "give a folder of clips, each NAME.mp4 beside NAME.consent.json, or of such in .tar shards"


@dataclass(frozen=True, repr=False)
class Found:
    """A clip as it lies there.

    Attributes:
        name: how messages call it.
        stamp: says whether it is the file that it was: where it is, its size, when it was changed.
        consent: what is beside it; None for nothing.
        caption: what it shows, as somebody wrote; empty when nobody did.
        opened: within the block, a path at which it can be read.
    """

    name: str
    stamp: str
    consent: bytes | None
    caption: str
    opened: Callable[[], AbstractContextManager[Path]]

    def __repr__(self) -> str:
        return f"Found({self.name!r})"


def find_clips(data: Path) -> tuple[list[Found], list[str]]:
    """Every clip, by name, and a line on each thing that cannot be taken.

    Args:
        data: a folder of clips, of shards, or of both; or one shard.

    Raises:
        InputRefused: there is no clip there.
    """
    try:
        paths = sorted(data.iterdir()) if data.is_dir() else [data]
    except OSError as error:
        raise InputRefused(f"{data} cannot be read: {error.strerror}", hint=_HINT) from None
    found: list[Found] = []
    refused: list[str] = []
    for path in paths:
        if path.suffix.lower() == _SHARD:
            _look_into(path, found, refused)
        elif data.is_dir() and path.suffix.lower().removeprefix(".") in _CLIPS:
            found.append(_beside(path))
    if not found:
        raise InputRefused(f"there is no clip in {data}{'; ' + refused[0] if refused else ''}", hint=_HINT)
    return found, refused


def _beside(path: Path) -> Found:
    @contextmanager
    def opened() -> Iterator[Path]:
        yield path

    try:
        facts = path.stat()
        stamp = f"{path.name}|{facts.st_size}|{facts.st_mtime_ns}"
    except OSError:  # a link to nothing; whoever opens it says so
        stamp = path.name
    caption = _small(path.with_name(f"{path.stem}.{_CAPTION}"), _MOST[_CAPTION])
    return Found(
        path.name, stamp, _small(path.with_name(f"{path.stem}.{_CONSENT}"), _MOST[_CONSENT]), _text(caption), opened
    )


def _small(path: Path, most: int) -> bytes | None:
    """A file's beginning, a byte more than it may have; None where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError:
        return None


def _text(caption: bytes | None) -> str:
    return " ".join((caption or b"")[: _MOST[_CAPTION]].decode(errors="replace").split())


def _look_into(shard: Path, found: list[Found], refused: list[str]) -> None:
    """The clips of a shard, and lines on the members that are none of its business."""
    samples: dict[str, dict[str, tarfile.TarInfo]] = {}
    twice: set[str] = set()
    small: dict[tuple[str, str], bytes] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if (reason := _not_taken(member, shard)) is not None:
                    refused.append(f"{shard.name}: {member.name[:120]!r} {reason}")
                elif member.isreg():
                    key, kind = _key(member.name)
                    if kind in _CLIPS or kind in _MOST:
                        kind = "clip" if kind in _CLIPS else kind
                        twice |= {key} if kind in samples.setdefault(key, {}) else set()
                        samples[key][kind] = member
                        if kind in _MOST and (file := tar.extractfile(member)) is not None:
                            small[key, kind] = file.read(_MOST[kind] + 1)
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged, or compressed"
        refused.append(f"{shard.name} is no tar that can be read to its end: {reason}")
    for key, members in samples.items():
        name = f"{shard.name}/{key}"
        if key in twice:
            refused.append(f"{name} is there twice; which of them counts cannot be told")
        elif "clip" in members:
            clip = members["clip"]
            stamp = f"{name}|{clip.size}|{clip.mtime}"
            caption = _text(small.get((key, _CAPTION)))
            found.append(Found(name, stamp, small.get((key, _CONSENT)), caption, _member(shard, clip)))


def _key(name: str) -> tuple[str, str]:
    """What members of one sample share, and what each of them is: WebDataset parts them at the first dot."""
    path = PurePosixPath(name)
    stem, _, kind = path.name.partition(".")
    return str(path.with_name(stem)) if stem else name, kind.lower()


def _not_taken(member: tarfile.TarInfo, shard: Path) -> str | None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not member.name.isprintable():
        return "leads out of the shard"
    if not (member.isdir() or member.isreg()) or member.issparse():
        return "is no ordinary file"
    if member.size > MAX_BYTES:
        return f"has more than {MAX_BYTES >> 20} MiB"
    if member.isreg() and member.offset_data + member.size > shard.stat().st_size:
        return "is cut off"
    return None


def _member(shard: Path, member: tarfile.TarInfo) -> Callable[[], AbstractContextManager[Path]]:
    @contextmanager
    def opened() -> Iterator[Path]:
        # A file that is in memory alone: no picture of anybody is written anywhere.
        with os.fdopen(os.memfd_create("clip"), "w+b") as memory, shard.open("rb") as file:
            file.seek(member.offset_data)
            left = member.size
            while left and (block := file.read(min(left, 1 << 20))):
                memory.write(block)
                left -= len(block)
            memory.flush()
            yield Path(f"/proc/self/fd/{memory.fileno()}")

    return opened
