"""How long enrolling a clip takes, and the memory it needs.

    python -m benchmarks.enroll_clip [CLIP]

Without a clip it makes 10 s of 1280×720 from the first clip in ``examples/``. The bounds are 30 s and 2 GB for that on
two cores, loading of the models and of the libraries included.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from fractions import Fraction
from itertools import cycle, islice, pairwise
from pathlib import Path

import av
import numpy as np
from joserfc.jwk import OKPKey

SECONDS, FPS, HEIGHT, WIDTH = 10, 25, 720, 1280
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(sys.argv[1]) if len(sys.argv) > 1 else enlarge(example(), Path(folder) / "720p.mp4")
        rows = measure(clip)
    print(f"| {'stage':32} | seconds |")
    print(f"|{'-' * 34}|--------:|")
    for stage, seconds in rows:
        print(f"| {stage:32} | {seconds:7.1f} |")
    print(f"| {'all':32} | {sum(seconds for _, seconds in rows):7.1f} |")
    # Linux counts kilobytes, macOS bytes.
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"\n{usage.ru_utime + usage.ru_stime:.1f} s of processor time, peak memory {peak / 1e9:.2f} GB")


def measure(clip: Path) -> list[tuple[str, float]]:
    """Seconds by stage, from before the libraries are imported."""
    marks = [("importing the libraries", time.perf_counter())]
    from enroll import ConsentRecord, enroll

    key = OKPKey.generate_key("Ed25519")
    consent = ConsentRecord.new(name="Benchmark", handle="benchmark").attest(by="benchmark", key=key)

    def mark(stage: str, share: float) -> None:
        if stage != marks[-1][0]:
            marks.append((stage, time.perf_counter()))

    enroll(clip, consent, progress=mark)
    return [(stage, after - before) for (stage, before), (_, after) in pairwise(marks)]


def example() -> Path:
    clips = sorted(EXAMPLES.rglob("*.mp4"))
    if not clips:
        raise SystemExit(f"no clip in {EXAMPLES}: name one")
    return clips[0]


def enlarge(source: Path, path: Path) -> Path:
    """The clip looped to ``SECONDS`` and scaled to fill 1280×720, with its sound looped too."""
    from enroll.clip import SAMPLE_RATE, Clip

    clip = Clip.open(source)
    frames = [frame.pixels for frame in clip.frames(FPS)]
    sound = clip.sound if clip.sound is not None and len(clip.sound) else np.zeros(SAMPLE_RATE, np.float32)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for number, pixels in enumerate(islice(cycle(frames), SECONDS * FPS)):
            frame = fill(pixels)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        looped = np.resize(sound, SECONDS * SAMPLE_RATE)
        for at in range(0, len(looped), 1024):
            block = av.AudioFrame.from_ndarray(looped[None, at : at + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, at, Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def fill(pixels: np.ndarray) -> av.VideoFrame:
    """As high as the picture allows, in its middle, on grey."""
    height, width = pixels.shape[:2]
    scale = min(HEIGHT / height, WIDTH / width)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    scaled = frame.to_ndarray(format="rgb24", width=int(width * scale), height=int(height * scale))
    canvas = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    top, left = (HEIGHT - scaled.shape[0]) // 2, (WIDTH - scaled.shape[1]) // 2
    canvas[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return av.VideoFrame.from_ndarray(canvas, format="rgb24")


if __name__ == "__main__":
    main()
