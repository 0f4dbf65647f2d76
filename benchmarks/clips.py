"""Clips to measure on, made from the one in ``examples/``: larger, longer, the same made-up person."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.packet import Packet

__all__ = ["EXAMPLE", "loop", "scaled"]

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "data" / "ada.mp4"
FPS = 25
RATE = 16_000


def scaled(source: Path, path: Path, width: int, height: int, *, seconds: int) -> Path:
    """The clip looped to a length, as high as the picture allows, in its middle, on grey; with its sound."""
    from enroll.clip import Clip

    clip = Clip.open(source)
    frames = [frame.pixels for frame in clip.frames(FPS) if frame.pixels is not None]
    sound = clip.sound if clip.sound is not None and len(clip.sound) else np.zeros(RATE, np.float32)
    count = seconds * FPS
    whole = len(frames) / clip.fps
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "20"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(count):
            pixels = frames[min(int(number / FPS % whole * clip.fps), len(frames) - 1)]
            frame = av.VideoFrame.from_ndarray(_filled(pixels, width, height), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        looped = np.resize(np.resize(sound, round(whole * RATE)), seconds * RATE)
        for at in range(0, len(looped), 1024):
            block = av.AudioFrame.from_ndarray(looped[None, at : at + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = RATE, at, Fraction(1, RATE)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def loop(source: Path, path: Path, *, times: int) -> Path:
    """The clip so many times in a row, without coding it again."""
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in container.streams}
        length = _length(container)
        for turn in range(times):
            container.seek(0)
            for packet in _packets(container):
                shift = round(turn * length / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return path


def _length(container: InputContainer) -> Fraction:
    """Seconds from the first packet to the end of the last. Streams seldom begin and end together, and none of them may
    go back in time where the clip begins again."""
    begin, end = Fraction(10**9), Fraction(0)
    for packet in _packets(container):
        begin = min(begin, packet.dts * packet.time_base)
        end = max(end, (max(packet.pts, packet.dts) + packet.duration) * packet.time_base)
    return end - begin


def _packets(container: InputContainer) -> Iterator[Packet]:
    return (packet for packet in container.demux() if packet.dts is not None and packet.pts is not None)


def _filled(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    size = (int(pixels.shape[1] * scale), int(pixels.shape[0] * scale))
    canvas = np.full((height, width, 3), 128, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
    return canvas
