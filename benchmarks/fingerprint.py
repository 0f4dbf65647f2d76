"""What a scene's fingerprint and watermarks survive, and how rarely strangers' scenes are taken for each other.

    python -m benchmarks.fingerprint [--scenes 12]

Scenes are made by nano of somebody made up: the same few prompts with different seeds, which is the hardest case, for
they look alike. Printed: for each way to change a copy, how many are still found by fingerprint, by it without the
sound, and by watermark, and the largest distance; then the distances of scenes from other scenes, and how many files
that were never marked are taken for marked ones.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from itertools import permutations
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from cameo.demo import CLIP
from cameo.marks import watermarks
from cameo.marks.fingerprint import Fingerprint, fingerprint_file
from cameo.studio import Studio
from cameo.vault import Vault

Frames = list[NDArray[np.uint8]]
Change = Callable[[Frames], Frames]
PROMPTS = ('@ada says "hello" by the sea', "close-up of @ada in the snow wearing red", "@ada in the forest in blue")


def read(path: Path) -> tuple[Frames, NDArray[np.float32], int]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], 1)[0]
        return frames, sound, container.streams.audio[0].rate


def write(
    path: Path, frames: Frames, sound: NDArray[np.float32] | None, rate: int, *, crf: int = 20, fps: float = 12.5
) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": str(crf)})
        video.height, video.width, video.pix_fmt = frames[0].shape[0] // 2 * 2, frames[0].shape[1] // 2 * 2, "yuv420p"
        audio = container.add_stream("aac", rate=rate, layout="mono") if sound is not None else None
        if audio is not None:
            audio.bit_rate = 32_000
        for pixels in frames:
            even = np.ascontiguousarray(pixels[: video.height, : video.width])
            container.mux(video.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for at in range(0, len(sound) - 1023, 1024):
                block = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(sound[None, at : at + 1024]), format="fltp", layout="mono"
                )
                block.sample_rate, block.pts, block.time_base = rate, at, Fraction(1, rate)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def crop(share: float, x: float = 0.5, y: float = 0.5) -> Change:
    def cut(frames: Frames) -> Frames:
        height, width = frames[0].shape[:2]
        h, w = round(height * (1 - share)), round(width * (1 - share))
        top, left = round((height - h) * y), round((width - w) * x)
        return [frame[top : top + h, left : left + w] for frame in frames]

    return cut


def scale(factor: float) -> Change:
    return lambda frames: [cv2.resize(f, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) for f in frames]


def bars(frames: Frames) -> Frames:
    return [cv2.copyMakeBorder(f, 0, 0, 40, 40, cv2.BORDER_CONSTANT) for f in frames]


def lettered(frames: Frames) -> Frames:
    made = [f.copy() for f in frames]
    for f in made:
        cv2.putText(f, "WATCH THIS", (4, f.shape[0] - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
    return made


CHANGES: dict[str, tuple[Change, dict[str, float]]] = {
    "manifest stripped, encoded again": (list, {}),
    "encoded at crf 36": (list, {"crf": 36}),
    "half size": (scale(0.5), {}),
    "double size": (scale(2), {}),
    "cropped by 10 %": (crop(0.1), {}),
    "cropped by 20 %, top left kept": (crop(0.2, 0, 0), {}),
    "cropped by 30 %": (crop(0.3), {}),
    "cropped by 15 %, off the centre": (crop(0.15, 0.2, 0.7), {}),
    "cropped by 50 %": (crop(0.5), {}),
    "mirrored": (lambda frames: [f[:, ::-1] for f in frames], {}),
    "brighter, less contrast": (lambda frames: [(f * 0.7 + 70).clip(0, 255).astype(np.uint8) for f in frames], {}),
    "black and white": (
        lambda frames: [np.repeat(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)[..., None], 3, 2) for f in frames],
        {},
    ),
    "black bars": (bars, {}),
    "lettering across": (lettered, {}),
    "second half alone": (lambda frames: frames[len(frames) // 2 :], {}),
    "every other picture": (lambda frames: frames[::2], {"fps": 6.25}),
    "turned by 5 degrees": (
        lambda frames: [
            cv2.warpAffine(f, cv2.getRotationMatrix2D((f.shape[1] / 2, f.shape[0] / 2), 5, 1), f.shape[1::-1])
            for f in frames
        ],
        {},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=12)
    words = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        studio = Studio(home / "home")
        studio.enroll(CLIP, studio.attest(studio.new_consent(name="Ada", handle="ada"), by="benchmark"))
        made = [
            studio.generate(PROMPTS[n % len(PROMPTS)], out=home / f"{n}.mp4", seed=n).path for n in range(words.scenes)
        ]

        from cameo.marks.fingerprint import fingerprint_of

        kept = {path: fingerprint_of(np.stack(read(path)[0]), read(path)[1], 16000) for path in made}
        print(
            "| a copy that was | found | without its sound | by watermark | picture, worst | sound, worst |\n"
            "|---|---:|---:|---:|---:|---:|"
        )
        for name, (change, how) in CHANGES.items():
            row(name, kept, studio.vault, lambda path, c=change, h=how: altered(path, home, c, h))  # type: ignore[misc]
        apart = [(a, b, kept[a].picture_distance(must(fingerprint_file(b)))) for a, b in permutations(made, 2)]
        sounds = [kept[a].sound_distance(must(fingerprint_file(b))) or 0.0 for a, b, _ in apart]
        wrong = sum(kept[a].matches(must(fingerprint_file(b))) for a, b, _ in apart)
        distances = [distance for *_, distance in apart]
        print(
            f"\nOf {len(apart)} pairs of different scenes {wrong} are taken for one. Pictures differ by "
            f"{min(distances):.2f} to {max(distances):.2f}, sounds by {min(sounds):.2f} to {max(sounds):.2f}."
        )
        os.environ["CAMEO_WATERMARK"] = "off"
        plain = [studio.generate(PROMPTS[0], out=home / f"plain-{n}.mp4", seed=n).path for n in range(words.scenes)]
        taken = sum(carried(studio.vault, path) is not None for path in plain)
        print(f"\nOf {len(plain)} scenes without a watermark {taken} are taken for one with.")


def altered(path: Path, folder: Path, change: Change, how: dict[str, float]) -> Path:
    frames, sound, rate = read(path)
    if "fps" not in how and change is CHANGES["second half alone"][0]:
        sound = sound[len(sound) // 2 :]
    return write(folder / f"altered-{path.name}", change(frames), sound, rate, **how)  # type: ignore[arg-type]


def row(name: str, kept: dict[Path, Fingerprint], vault: Vault, copy: Callable[[Path], Path]) -> None:
    files = {path: copy(path) for path in kept}
    copies = {path: must(fingerprint_file(file)) for path, file in files.items()}
    marked = sum(carried(vault, file) == digest(path) for path, file in files.items())
    found = sum(kept[path].matches(asked) for path, asked in copies.items())
    picture = max(kept[path].picture_distance(asked) for path, asked in copies.items())
    sounds = [kept[path].sound_distance(asked) for path, asked in copies.items()]
    sound = "" if None in sounds else f"{max(s for s in sounds if s is not None):.2f}"
    silent = sum(kept[path].matches(replace(asked, sound=asked.sound[:0])) for path, asked in copies.items())
    of = f"of {len(kept)}"
    print(f"| {name} | {found} {of} | {silent} {of} | {marked} {of} | {picture:.2f} | {sound} |", flush=True)


def carried(vault: Vault, file: Path) -> str | None:
    """The digest of the scene whose watermarks a file carries."""
    found = vault.find_marked(watermarks.read(file))
    return found.sha256 if found is not None else None


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def must(found: Fingerprint | None) -> Fingerprint:
    if found is None:
        raise SystemExit("a scene without a picture")
    return found


if __name__ == "__main__":
    main()
