"""Writes films of every kind a phone, a browser or an editor could: codecs, containers, times, colours, layouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

TICKS = 90_000


def write_film(
    path: Path,
    frames: Iterable[NDArray[np.generic] | VideoFrame],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: float = 10,
    times: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    sound: NDArray[np.float32] | None = None,
    sound_codec: str = "aac",
    sound_rate: int = 48_000,
    layout: str = "mono",
    sound_gaps: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    metadata: dict[str, str] | None = None,
) -> Path:
    """One film.

    Args:
        path: its suffix is the container.
        frames: RGB uint8 (H, W, 3), even-sized, or ready frames.
        codec, pix_fmt, options: of the picture.
        fps: frames a second, unless ``times`` gives each frame's second.
        container_options: of the muxer.
        aspect: width over height of one pixel.
        sound: float32 (channels, N) at ``sound_rate``, or None.
        sound_codec, sound_rate, layout: of the sound.
        sound_gaps: pairs: from this second of the sound on, its times are so much later.
        metadata: tags of the container.
    """
    default = {"libx264": {"preset": "ultrafast", "crf": "12"}, "libx265": {"preset": "ultrafast", "crf": "12"}}
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        rate = Fraction(fps).limit_denominator(1001)
        video = container.add_stream(codec, rate=rate, options=default.get(codec, {}) | (options or {}))
        video.pix_fmt = pix_fmt
        video.codec_context.time_base = 1 / rate if times is None else Fraction(1, TICKS)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        audio = container.add_stream(sound_codec, rate=sound_rate, layout=layout) if sound is not None else None
        pending = _blocks(sound, sound_rate, layout, sound_gaps, audio) if audio is not None else iter(())
        block = next(pending, None)
        for number, picture in enumerate(frames):
            frame = picture if isinstance(picture, VideoFrame) else VideoFrame.from_ndarray(picture, format="rgb24")
            if number == 0:
                video.width, video.height = frame.width, frame.height
                context = video.codec_context
                context.colorspace, context.color_range = int(frame.colorspace), int(frame.color_range)
            frame.time_base = video.codec_context.time_base
            frame.pts = number if times is None else round(times[number] * TICKS)
            second = float(frame.pts * frame.time_base)
            while block is not None and block.time <= second:
                container.mux(audio.encode(block))
                block = next(pending, None)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        while block is not None:
            container.mux(audio.encode(block))
            block = next(pending, None)
        if audio is not None:
            container.mux(audio.encode(None))
    return path


def _blocks(sound, rate, layout, gaps, audio):
    samples = np.atleast_2d(sound).astype(np.float32)
    size = audio.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=audio.codec_context.format, layout=layout, rate=rate)
    for at in range(0, samples.shape[1], size):
        woven = np.ascontiguousarray(samples[:, at : at + size].T).reshape(1, -1)
        block = av.AudioFrame.from_ndarray(woven, format="flt", layout=layout)
        block.sample_rate = rate
        late = sum(gap for since, gap in gaps if at / rate >= since)
        for out in resampler.resample(block):
            out.pts, out.time_base = at + round(late * rate), Fraction(1, rate)
            yield out


def tone(hertz: float, seconds: float, rate: int = 48_000, loud: float = 0.5) -> NDArray[np.float32]:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def quarters(height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """Red top left, green top right, blue bottom left, grey bottom right."""
    picture = np.empty((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    picture[:h, :w], picture[:h, w:] = (200, 30, 40), (30, 180, 50)
    picture[h:, :w], picture[h:, w:] = (40, 50, 190), (128, 128, 128)
    return picture


def yuv_frame(
    luma: int, blue: int, red: int, *, bits: int = 8, size: tuple[int, int] = (64, 64), matrix: int = 2, full: int = 0
) -> VideoFrame:
    """A plain frame of given code values; ``matrix`` and ``full`` (1 limited, 2 full) are its tags of ITU-T H.273."""
    height, width = size
    kind, form = (np.uint8, "yuv420p") if bits == 8 else (np.uint16, "yuv420p10le")
    planes = np.concatenate(
        [
            np.full(height * width, luma, kind),
            np.full(height * width // 4, blue, kind),
            np.full(height * width // 4, red, kind),
        ]
    ).reshape(height * 3 // 2, width)
    frame = VideoFrame(width, height, form)
    for plane, block in zip(
        frame.planes,
        (planes.reshape(-1)[: height * width], *np.split(planes.reshape(-1)[height * width :], 2)),
        strict=True,
    ):
        raw = block.tobytes()
        row = plane.width * block.itemsize
        lines = [raw[at : at + row].ljust(plane.line_size, b"\0") for at in range(0, len(raw), row)]
        plane.update(b"".join(lines))
    frame.colorspace, frame.color_range = matrix, full
    return frame
