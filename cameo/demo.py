"""``cameo demo``: the whole way once, with a person who does not exist.

Consent, enrollment, two scenes, a check, revocation, and the refusal that follows; in a home of its own that is gone
afterwards. What is left are the files it names.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

from cameo.errors import InputRefused, NotPermitted
from cameo.studio import Progress, Studio
from enroll.identity import Identity

if TYPE_CHECKING:
    from enroll.findings import Findings

__all__ = ["CLIP", "SCENES", "DemoResult", "run_demo"]

CLIP = Path(__file__).resolve().parents[1] / "examples" / "data" / "ada.mp4"
"""A clip of a made-up person: ``cameo synth`` drew her."""

SCENES = {
    "sea.mp4": '@ada says "hello" by the sea',
    "snow.mp4": 'close-up of @ada in the snow wearing red says "good morning"',
}
"""What the demo asks for, by file name."""

_SEED = 4
_COLUMNS = 4


@dataclass(frozen=True)
class DemoResult:
    """What the demo made and found.

    Attributes:
        files: in the order they were made; absolute.
        refusal: what generation answered after the revocation, and its code and exit status.
        code, exit_status: of that refusal.
        seconds: wall-clock time by step.
    """

    files: tuple[Path, ...]
    refusal: str
    code: str
    exit_status: int
    seconds: dict[str, float]


def run_demo(
    folder: str | os.PathLike[str] = "demo",
    *,
    clip: Path = CLIP,
    model: str = "nano",
    say: Callable[[str], None] = print,
    progress: Progress | None = None,
) -> DemoResult:
    """Run it.

    Args:
        folder: where the files go; made if missing, older files of the same names are replaced.
        clip: whom to enroll.
        model: see ``Studio.generate``.
        say: called with each line of the account.
        progress: see ``Studio``.

    Raises:
        InputRefused: the folder cannot be made, or the clip is missing.
        KitError: a step was refused that should not have been.
    """
    out = Path(folder).absolute()
    if not clip.is_file():
        raise InputRefused(f"the demo's clip {clip} is missing", hint="run the demo from a checkout of the repository")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputRefused(f"the folder {out} cannot be made: {error.strerror}") from None
    with tempfile.TemporaryDirectory(prefix=".home-", dir=out) as home, _key_in_a_file():
        return _run(Studio(home), out, clip, model, say, progress)


def _run(
    studio: Studio, out: Path, clip: Path, model: str, say: Callable[[str], None], progress: Progress | None
) -> DemoResult:
    seconds: dict[str, float] = {}
    files = [out / "consent.json", out / "report.html"]

    say("1. Ada, who does not exist, is asked for her consent, and the operator vouches for it.")
    consent = studio.attest(studio.new_consent(name="Ada", handle="ada"), by="cameo demo")
    consent.save(files[0])

    say("2. She is enrolled from a clip: face, body and voice; encrypted under a key of her own.")
    began = time.perf_counter()
    findings: list[Findings] = []
    identity = studio.enroll(clip, consent, progress=progress, onlooker=findings.append)
    seconds["enroll"] = time.perf_counter() - began
    from enroll.report import write_report

    write_report(files[1], consent, findings[-1], identity)

    for number, (name, prompt) in enumerate(SCENES.items()):
        say(f"{3 + number}. A scene: {prompt}")
        began = time.perf_counter()
        made = studio.generate(prompt, out=out / name, seed=_SEED, model=model, progress=progress)
        seconds[name] = time.perf_counter() - began
        files.append(made.path)

    found = studio.check(files[2])
    (role,) = found.cast
    say(f"5. Checked {files[2].name}: @{role.handle}, consent {role.status}, C2PA manifest {found.manifest.state}.")
    files.append(_contact_sheet(out / "cast.png", identity, {out / name: prompt for name, prompt in SCENES.items()}))

    certificate = studio.revoke("ada", reason="end of the demo")
    files.append(out / "certificate.json")
    certificate.save(files[-1])
    (role,) = studio.check(files[2]).cast
    say(f"6. Ada takes it back. Her key is destroyed, then the rest; the scene is now known as {role.status}.")

    prompt = next(iter(SCENES.values()))
    try:
        studio.generate(prompt, out=out / "never.mp4", model=model)
    except NotPermitted as error:
        say(f"7. The same scene again: refused, {error.code}: {error.message}.")
        return DemoResult(tuple(files), error.message, error.code, error.exit_status, seconds)
    raise RuntimeError("a revoked person was generated")


@contextmanager
def _key_in_a_file() -> Iterator[None]:
    """A home that is thrown away must not leave its key in the system's keyring."""
    before = os.environ.get("CAMEO_KEYSTORE")
    os.environ["CAMEO_KEYSTORE"] = "file"
    try:
        yield
    finally:
        if before is None:
            del os.environ["CAMEO_KEYSTORE"]
        else:
            os.environ["CAMEO_KEYSTORE"] = before


def _contact_sheet(path: Path, identity: Identity, scenes: dict[Path, str]) -> Path:
    """What was enrolled above what was made, so that one look compares them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows: list[tuple[str, list[NDArray[np.uint8]]]] = [
        ("enrolled", [crop.pixels for crop in identity.crops_of("head")[:_COLUMNS]])
    ]
    rows += [(prompt, _stills(scene)) for scene, prompt in scenes.items()]
    figure = Figure(figsize=(2 * _COLUMNS, 2.25 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    for strip, (title, pictures) in zip(figure.subfigures(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        strip.suptitle(title, x=0.01, ha="left", fontsize=10)
        for axes, picture in zip(strip.subplots(1, _COLUMNS), [*pictures, *[None] * _COLUMNS], strict=False):
            axes.set_axis_off()
            if picture is not None:
                axes.imshow(picture, interpolation="lanczos")
    figure.savefig(path, dpi=96, metadata={"Software": None})
    return path


def _stills(scene: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(scene)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [frames[round(index)] for index in np.linspace(0, len(frames) - 1, _COLUMNS)]
