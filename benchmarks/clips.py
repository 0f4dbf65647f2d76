"""Clips to measure on, made from the one in ``examples/``: larger, longer, the same made-up person."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

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
    with av.open(str(path), "w") as out:
        shift: dict[int, int] = {}
        streams = {}
        for turn in range(times):
            with av.open(str(source)) as container:
                if turn == 0:
                    streams = {s.index: out.add_stream_from_template(s) for s in container.streams}
                ends = dict(shift)
                for packet in container.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    index = packet.stream.index
                    packet.pts += shift.get(index, 0)
                    packet.dts += shift.get(index, 0)
                    ends[index] = max(ends.get(index, 0), packet.pts + (packet.duration or 0))
                    packet.stream = streams[index]
                    out.mux(packet)
                shift = ends
    return path


def _filled(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    size = (int(pixels.shape[1] * scale), int(pixels.shape[0] * scale))
    canvas = np.full((height, width, 3), 128, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
    return canvas
