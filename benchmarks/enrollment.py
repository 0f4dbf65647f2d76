"""What enrolling a clip costs, held against decoding it and against the plain way, in one run.

    python -m benchmarks.enrollment [CLIP] [--plain] [--long]

Without a clip it makes 10 s of 1080p H.264 from the clip in ``examples/``. Printed are the median of three runs, models
loaded, after one that is not counted:

- decoding every frame and doing nothing with it (PyAV, as many threads as it likes);
- a whole enrollment, with its stages, and the ratio of the two (bar: 2);
- ``--plain``: facenet-pytorch's documented way, MTCNN at full size and InceptionResnetV1 on every frame, once, the
  ratio (bar: 10) and how near our embedding is to the mean over every frame (bar: cosine 0.98);
- ``--long``: peak memory, decoder included, of 10 s in 4K (bar: 1.5 GB), and of 10 s and 10 min of 360p (bar: flat),
  each in a process of its own. The voice is listened to and not learnt: in a clip that repeats itself the mouth fits
  the sound as well one turn later, so nobody believes it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

import av
import numpy as np
import psutil
from joserfc.jwk import OKPKey

from benchmarks.clips import EXAMPLE, loop, scaled
from enroll.consent import ConsentRecord, Scope

RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--plain", action="store_true", help="the plain way as well; takes minutes")
    parser.add_argument("--long", action="store_true", help="memory of large and long clips as well; takes minutes")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.peak:
        print(f"{peak_of(words.clip) / 1e9:.3f}")
        return
    with tempfile.TemporaryDirectory() as folder:
        clip = words.clip or scaled(EXAMPLE, Path(folder) / "1080p.mp4", 1920, 1080, seconds=10)
        print(f"{clip.name}\n")
        compare(clip, plain=words.plain)
        if words.long:
            memory(Path(folder))


def compare(clip: Path, *, plain: bool) -> None:
    from enroll.pipeline import enroll

    consent = make_consent()
    enroll(clip, consent)
    decoding = median(timed(lambda: decode(clip)) for _ in range(RUNS))
    stages: dict[str, list[float]] = {}
    whole = []
    for _ in range(RUNS):
        marks: list[tuple[str, float]] = []

        def mark(stage: str, share: float, marks: list[tuple[str, float]] = marks) -> None:
            if not marks or stage != marks[-1][0]:
                marks.append((stage, time.perf_counter()))

        whole.append(timed(lambda mark=mark: enroll(clip, consent, progress=mark)))
        for (stage, begin), (_, end) in pairwise(marks):
            stages.setdefault(stage, []).append(end - begin)
    ours = median(whole)
    print("| what | seconds | ÷ decoding |\n|---|---:|---:|")
    print(f"| decoding every frame | {decoding:.2f} | 1.00 |")
    for stage, seconds in stages.items():
        print(f"| {stage} | {median(seconds):.2f} | {median(seconds) / decoding:.2f} |")
    print(f"| **enrolling, all of it** | {ours:.2f} | {ours / decoding:.2f} |")
    if plain:
        identity = enroll(clip, consent)
        seconds, mean = plain_way(clip)
        vector = identity.embeddings["dlib-resnet-128"].vector
        cosine = float(vector @ mean / np.linalg.norm(vector) / np.linalg.norm(mean))
        print(f"| MTCNN and InceptionResnetV1 on every frame | {seconds:.2f} | {seconds / decoding:.2f} |")
        print(f"\n{seconds / ours:.1f} times as fast as the plain way.")
        print(f"Cosine of dlib-resnet-128 to the mean over every frame: {cosine:.4f}")


def decode(clip: Path) -> int:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


def plain_way(clip: Path) -> tuple[float, np.ndarray]:
    """Seconds that detection and embedding of every frame take, and the mean dlib descriptor of every frame (not in the
    seconds). InceptionResnetV1 takes as long with random weights."""
    import torch
    from facenet_pytorch import MTCNN, InceptionResnetV1

    from enroll.encoders import registry
    from enroll.looks import cut_look
    from enroll.pose import head_pose

    torch.set_num_threads(2)
    detector, network = MTCNN(device="cpu", post_process=True), InceptionResnetV1(pretrained=None).eval()
    dlib, seconds, vectors = registry.get("dlib-resnet-128"), 0.0, []
    with av.open(str(clip)) as container, torch.inference_mode():
        for frame in container.decode(video=0):
            begun = time.perf_counter()
            pixels = np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
            boxes, sure, points = detector.detect(pixels, landmarks=True)
            if boxes is not None:
                faces = detector.extract(pixels, boxes[:1], None)
                network(faces[None] if faces.ndim == 3 else faces)
            seconds += time.perf_counter() - begun
            if boxes is not None:
                five = np.asarray(points[0], np.float32)
                box = np.asarray(boxes[0], np.float32)
                look = cut_look(
                    pixels, box, five, index=0, second=0.0, confidence=float(sure[0]), pose=head_pose(five, 1.0)
                )
                vectors.append(dlib.encode([look])[0])
    return seconds, np.mean(vectors, axis=0)


def memory(folder: Path) -> None:
    short = scaled(EXAMPLE, folder / "short.mp4", 640, 360, seconds=10)
    clips = {
        "4K, 10 s": scaled(EXAMPLE, folder / "4k.mp4", 3840, 2160, seconds=10),
        "360p, 10 s": short,
        "360p, 10 min": loop(short, folder / "long.mp4", times=60),
    }
    print("\n| clip | peak memory, GB |\n|---|---:|")
    for name, clip in clips.items():
        words = [sys.executable, "-m", "benchmarks.enrollment", str(clip), "--peak"]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        print(f"| {name} | {float(done.stdout.split()[-1]):.2f} |", flush=True)


def peak_of(clip: Path) -> int:
    """Bytes resident in this process and its children together at their worst, while a clip is enrolled."""
    from enroll.pipeline import enroll

    process, worst, done = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            total = process.memory_info().rss
            for child in process.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            worst[0] = max(worst[0], total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        enroll(clip, make_consent("face", "body"))
    finally:
        done.set()
        watcher.join()
    return worst[0]


def make_consent(*scope: Scope) -> ConsentRecord:
    key = OKPKey.generate_key("Ed25519")
    parts = scope or ("face", "body", "voice")
    return ConsentRecord.new(name="Benchmark", handle="benchmark", scope=parts).attest(by="benchmark", key=key)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
