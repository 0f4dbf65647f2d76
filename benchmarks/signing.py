"""How many scenes are signed in a second: the manifest written, and read back to be sure.

python -m benchmarks.signing --scenes 400
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from cameo.marks import Authority, cast_assertion, embed
from cameo.scene import write_scene
from tests.memory import memory_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=400)
    scenes = parser.parse_args().scenes
    with tempfile.TemporaryDirectory(dir=memory_folder()) as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 255, (24, 16, 16, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
        write_scene(folder / "plain.mp4", frames, rng.normal(0, 0.1, 32_000).astype(np.float32), 12.0, 16_000)
        print(f"a scene of 2 s, 128 × 128, {(folder / 'plain.mp4').stat().st_size / 1e3:.0f} kB\n")
        print("| what | processes | a second | median, ms | 99th percentile, ms |\n|---|---:|---:|---:|---:|")
        row("copying the file", [copies(folder, scenes, 0)], 1)
        row("signing it", [signs(folder, scenes, 0)], 1)
        count = os.cpu_count() or 1
        with ProcessPoolExecutor(count) as pool:
            each = [scenes // count] * count
            row("signing it", list(pool.map(signs, [folder] * count, each, range(count))), count)


def copies(folder: Path, scenes: int, number: int) -> list[float]:
    return timed(lambda: shutil.copyfile(folder / "plain.mp4", folder / f"copy-{number}.mp4"), scenes)


def signs(folder: Path, scenes: int, number: int) -> list[float]:
    authority = Authority.derive(bytes(32))

    def sign() -> None:
        cast = cast_assertion({"somebody": "a consent"}, model="nano", seed=1)
        embed(folder / "plain.mp4", folder / f"marked-{number}.mp4", cast, authority, version="1")

    return timed(sign, scenes)


def timed(act: Callable[[], object], times: int) -> list[float]:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    return took


def row(name: str, runs: list[list[float]], processes: int) -> None:
    each = 1000 * np.concatenate(runs)
    rate = sum(len(run) / sum(run) for run in runs)
    print(f"| {name} | {processes} | {rate:.0f} | {np.median(each):.1f} | {np.percentile(each, 99):.1f} |", flush=True)


if __name__ == "__main__":
    main()
