"""How long a scene takes with a model that is loaded, and what the whole way takes.

    python -m benchmarks.scene [--runs 3]

Enrols the shipped made-up person, then times scenes of two seconds. The bound is 20 s a scene on two cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

CLIP = Path(__file__).resolve().parents[1] / "examples" / "data" / "ada.mp4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="scenes that are timed, after one that is not")
    runs = parser.parse_args().runs
    os.environ.setdefault("CAMEO_KEYSTORE", "file")
    from cameo import Studio

    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder) / "home")
        began = time.perf_counter()
        studio.enroll(CLIP, studio.attest(studio.new_consent(name="Ada", handle="ada"), by="benchmark"))
        enrolled = time.perf_counter() - began
        scenes = []
        for run in range(runs + 1):
            began = time.perf_counter()
            studio.generate('@ada says "hello" by the sea', out=Path(folder) / f"{run}.mp4", seed=run)
            scenes.append(time.perf_counter() - began)
        began = time.perf_counter()
        studio.revoke("ada")
        revoked = time.perf_counter() - began
    rows = [
        ("enroll, 8 s at 256 px", enrolled),
        ("first scene, model loading included", scenes[0]),
        (f"scene of 2 s, median of {runs}", statistics.median(scenes[1:])),
        ("revoke", revoked),
    ]
    print(f"| {'what':36} | seconds |")
    print(f"|{'-' * 38}|--------:|")
    for what, seconds in rows:
        print(f"| {what:36} | {seconds:7.2f} |")


if __name__ == "__main__":
    main()
