"""What a video autoencoder leaves of a face: the ceiling of every generator that draws through it.

    python -m cameo.evaluation.round_trip --people 50 --vae cameo/nano/weights/vae --vae runs/video_vae

True close-ups of held-out people go through the autoencoder and back, and are compared with the enrolled clips of all
of them, which do not: the same people, clips and judge as in ``cameo.evaluation.nano``. Renders once, into ``--cache``.
Writes ``round_trip.json`` and, for each autoencoder, a picture: true above, what comes back below.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Video
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from safetensors.numpy import load_file, save_file

from cameo.errors import UsageError
from cameo.evaluation.command import bare_parser_of, refusing
from cameo.evaluation.faces import faces_in, spread_frames
from cameo.evaluation.judges import Judge, find_judge
from cameo.evaluation.likeness import Share, compare
from cameo.evaluation.subjects import render_again, render_reference
from cameo.training.identities import FACE
from cameo.training.shards import HELD_OUT, to_unit

__all__ = ["RoundTrip", "Sitting", "open_autoencoder", "round_trip", "sittings", "there_and_back"]

_EVERY = 4


@dataclass(frozen=True, repr=False)
class Sitting:
    """One person, twice.

    Attributes:
        reference: frames of the clip they are enrolled from, RGB uint8, shape (T, H, W, 3).
        take: frames of a close-up on another occasion, likewise.
    """

    reference: NDArray[np.uint8]
    take: NDArray[np.uint8]


class RoundTrip(BaseModel):
    """What came back of all takes.

    Attributes:
        name: of the autoencoder; ``none`` for the takes themselves.
        psnr: of the whole picture, dB, mean over people; infinite for the takes themselves.
        face_psnr: inside the box MTCNN draws on the true take, likewise.
        face_found: takes in which at least half of the looked-at frames still hold a face.
        rank1: takes whose own person is nearest among all enrolled.
        likeness: mean cosine to the enrolled clip; ``strangers``: to the other people's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    psnr: float
    face_psnr: float
    face_found: Share
    rank1: Share
    likeness: float
    strangers: float


def sittings(people: int, cache: Path) -> list[Sitting]:
    """The first ``people`` held-out people, rendered or read from ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    return [_sitting(HELD_OUT + number, cache) for number in range(people)]


def _sitting(seed: int, cache: Path) -> Sitting:
    path = cache / f"{seed}.safetensors"
    if not path.exists():
        reference = np.ascontiguousarray(render_reference(seed).frames[::_EVERY])
        partial = path.with_suffix(".part")
        save_file({"reference": reference, "take": np.ascontiguousarray(render_again(seed).frames)}, partial)
        partial.replace(path)
    frames = load_file(path)
    return Sitting(frames["reference"], frames["take"])


def open_autoencoder(path: Path) -> AutoencoderKLLTX2Video:
    """A saved video VAE, or that of a run's folder, or of one of its stages (``runs/video_vae``), averaged weights.

    Raises:
        UsageError: the folder holds neither.
    """
    if (path / "config.json").is_file():
        return AutoencoderKLLTX2Video.from_pretrained(path).eval().requires_grad_(False)
    # Imported late: of a saved one nothing of training is needed.
    from cameo.training.parts import autoencoders, video_autoencoder

    if (path / "checkpoint.safetensors").is_file():
        return video_autoencoder(path)
    if (path / "video_vae" / "checkpoint.safetensors").is_file():
        return autoencoders(path).vae
    raise UsageError(f"{path} holds no video autoencoder", hint="give a folder with config.json, or a runs folder")


@torch.no_grad()
def there_and_back(vae: AutoencoderKLLTX2Video, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Encode and decode; RGB uint8, shape (T, H, W, 3)."""
    back = vae.decode(vae.encode(to_unit(frames)[None]).latent_dist.mode()).sample[0]
    return np.ascontiguousarray(((back.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(0, -1).numpy())


def round_trip(
    name: str,
    enrolled: Sequence[NDArray[np.float32]],
    takes: Sequence[NDArray[np.uint8]],
    back: Sequence[NDArray[np.uint8]],
    judge: Judge,
) -> RoundTrip:
    """Judge what came back.

    Args:
        name: of the autoencoder.
        enrolled: a judge's vector for each person.
        takes: true frames of each.
        back: the same after the round trip.
        judge: of faces.
    """
    seen = [faces_in(spread_frames(frames)) for frames in back]
    found = [2 * len(looks) >= len(spread_frames(frames)) for looks, frames in zip(seen, back, strict=True)]
    likeness = compare([judge.person(looks) for looks in seen], enrolled)
    return RoundTrip(
        name=name,
        psnr=float(np.mean([_psnr(a, b) for a, b in zip(takes, back, strict=True)])),
        face_psnr=float(np.nanmean([_face_psnr(a, b) for a, b in zip(takes, back, strict=True)])),
        face_found=Share(right=sum(found), of=len(found)),
        rank1=likeness.rank1,
        likeness=likeness.mean or 0.0,
        strangers=likeness.strangers or 0.0,
    )


def _psnr(true: NDArray[np.uint8], back: NDArray[np.uint8]) -> float:
    error = np.mean((true.astype(np.float32) - back) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _face_psnr(true: NDArray[np.uint8], back: NDArray[np.uint8]) -> float:
    """Of the middle of the picture in which a close-up has its face: the box MTCNN sees in the first true frame."""
    looks = faces_in(true[:1])
    if not looks:
        return float("nan")
    height, width = true.shape[1:3]
    x, y, half = looks[0].centre[0] * width, looks[0].centre[1] * height, looks[0].face_px / 2
    rows, columns = slice(max(0, int(y - half)), int(y + half)), slice(max(0, int(x - half)), int(x + half))
    return _psnr(true[:1, rows, columns], back[:1, rows, columns])


def _picture(path: Path, takes: Sequence[NDArray[np.uint8]], back: Sequence[NDArray[np.uint8]]) -> None:
    rows = [np.hstack([clip[12] for clip in clips]) for clips in (takes[:8], back[:8])]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def main() -> None:
    parser = bare_parser_of("round_trip", __doc__)
    parser.add_argument("--people", type=int, default=50, help="how many held-out people, two or more")
    parser.add_argument(
        "--vae", type=Path, action="append", default=[], help="a saved VAE or a runs folder, repeatable"
    )
    parser.add_argument("--judge", type=Path, help="a MobileFaceNet as ONNX (default: $CAMEO_JUDGE)")
    parser.add_argument("--cache", type=Path, default=Path("runs/round_trip"), help="folder of rendered people")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console = Console()
    with refusing(console):
        judge = find_judge(options.judge, conditioning=FACE)
        people = sittings(options.people, options.cache)
        enrolled = [judge.person(faces_in(spread_frames(one.reference))) for one in people]
        takes = [one.take for one in people]
        found = [round_trip("none", enrolled, takes, takes, judge)]
        console.print(f"{judge.name}; {_line(found[0])}", highlight=False)
        for path in options.vae:
            vae = open_autoencoder(path)
            back = [there_and_back(vae, take) for take in takes]
            found.append(round_trip(str(path), enrolled, takes, back, judge))
            options.out.mkdir(parents=True, exist_ok=True)
            _picture(options.out / f"round_trip_{len(found) - 1}.png", takes, back)
            console.print(_line(found[-1]), highlight=False)
    rows = [json.loads(one.model_dump_json()) for one in found]
    (options.out / "round_trip.json").write_text(json.dumps(rows, indent=1) + "\n")


def _line(one: RoundTrip) -> str:
    return (
        f"{one.name}: {one.psnr:.2f} dB, face {one.face_psnr:.2f} dB, face found {one.face_found}, "
        f"right person nearest {one.rank1}, likeness {one.likeness:.3f}, to strangers {one.strangers:.3f}"
    )


if __name__ == "__main__":
    main()
