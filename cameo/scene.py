"""Frames and sound into an MP4: H.264 and AAC, through PyAV.

The same frames and sound give the same bytes. Nothing appears under the path asked for until the file is whole.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from cameo.errors import InputRefused, StoreFull
from cameo.targets import check_target

__all__ = ["Mark", "SceneFile", "write_scene"]

Mark = Callable[[Path, Path], None]
"""Reads the encoded scene from the first path and writes the marked one to the second, which does not exist yet."""

# Macroblock-tree rate control reads past its rows: where the width is no multiple of 128, the same pictures gave other
# bytes in every second encoding (x264 as PyAV 18.1 ships it; without the tree, none of 91 differed at 64 and 176 px).
_X264 = {"crf": "16", "preset": "medium", "x264-params": "mbtree=0"}
_SOUND_BITS = 192_000
# x264 gives other bytes for another number of threads, so the machine must not choose it.
_THREADS = 4
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class SceneFile:
    """What was written.

    Attributes:
        path: absolute.
        seconds: of picture.
        width, height: pixels.
        fps: frames per second.
        sample_rate: hertz.
    """

    path: Path
    seconds: float
    width: int
    height: int
    fps: float
    sample_rate: int


def write_scene(
    path: str | os.PathLike[str],
    frames: NDArray[np.uint8],
    sound: NDArray[np.float32],
    fps: float,
    sample_rate: int,
    title: str | None = None,
    *,
    mark: Mark | None = None,
) -> SceneFile:
    """Write a scene.

    Args:
        path: the MP4 to make; an older file there is replaced.
        frames: RGB uint8, shape (T, H, W, 3), T at least 1, H and W even.
        sound: float32 in [-1, 1], shape (N,) mono or (2, N) stereo; values outside are clipped.
        fps: frames per second.
        sample_rate: of ``sound``, hertz.
        title: goes into the file's metadata.
        mark: see ``Mark``.

    Raises:
        InputRefused: the shapes or the path cannot serve.
        StoreFull: the disk has no room. Nothing is left behind.
    """
    target = check_target(path)
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise InputRefused(f"frames are {frames.dtype} {frames.shape}, expected uint8 (T, H, W, 3)")
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise InputRefused(f"frames are {frames.shape[2]}×{frames.shape[1]}, H.264 in 4:2:0 needs even numbers")
    if sound.ndim not in (1, 2) or (sound.ndim == 2 and sound.shape[0] != 2):
        raise InputRefused(f"sound has shape {sound.shape}, expected (N,) or (2, N)")
    if not np.isfinite(sound).all():
        raise InputRefused("the sound holds values that are no numbers")
    with _replacing(target) as draft:
        _encode(draft, frames, np.atleast_2d(sound), fps, sample_rate, title)
        if mark is not None:
            plain = draft.rename(draft.with_suffix(".unmarked"))
            try:
                mark(plain, draft)
            finally:
                plain.unlink(missing_ok=True)
    return SceneFile(target, len(frames) / fps, frames.shape[2], frames.shape[1], fps, sample_rate)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A name beside ``target`` to write to; it takes the target's place if all went well and is gone if not."""
    draft = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        yield draft
        draft.replace(target)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StoreFull(f"no room to write {target}", hint="free some space, or choose another disk") from error
        raise InputRefused(f"{target} cannot be written: {error.strerror or 'the disk failed'}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _encode(
    path: Path, frames: NDArray[np.uint8], sound: NDArray[np.float32], fps: float, sample_rate: int, title: str | None
) -> None:
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        if title:
            container.metadata["title"] = title
        video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        video.options = dict(_X264)
        video.codec_context.thread_count = _THREADS
        # Say which matrix the colours went through, or players guess by size.
        video.codec_context.colorspace = av.video.reformatter.Colorspace.ITU709
        video.codec_context.color_range = av.video.reformatter.ColorRange.MPEG
        layout = "stereo" if len(sound) == 2 else "mono"
        audio = container.add_stream("aac", rate=sample_rate, layout=layout, options={"flags": "+bitexact"})
        audio.bit_rate = _SOUND_BITS

        blocks = _sound_blocks(sound, sample_rate, layout, audio.codec_context.frame_size or 1024)
        spoken = 0
        for index, pixels in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            picture.pts = index
            picture.time_base = 1 / video.codec_context.rate
            container.mux(video.encode(picture))
            # Sound beside its picture, so that a player need not seek.
            while spoken / sample_rate <= (index + 1) / fps and (block := next(blocks, None)):
                spoken += block.samples
                container.mux(audio.encode(block))
        for block in blocks:
            container.mux(audio.encode(block))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _sound_blocks(sound: NDArray[np.float32], sample_rate: int, layout: str, size: int) -> Iterator[av.AudioFrame]:
    samples = np.ascontiguousarray(np.clip(sound, -1.0, 1.0), np.float32)
    for start in range(0, samples.shape[1], size):
        block = av.AudioFrame.from_ndarray(samples[:, start : start + size].copy(), format="fltp", layout=layout)
        block.sample_rate = sample_rate
        block.pts = start
        block.time_base = Fraction(1, sample_rate)
        yield block
