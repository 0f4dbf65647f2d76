"""Every stage in order, each for its share of the time; stopped at any moment, it goes on where it was.

    python -m cameo.training.all --size 16x4 --max-minutes 9 --planned-minutes 27 --out "$OUT"

``--planned-minutes`` is the time of all calls together, ``--max-minutes`` that of this one. With ``--together``, the
default on an accelerator, stages that do not need each other run side by side: making sound and enrolling keep the
processor busy while pictures keep the accelerator busy. At the end of each call what was learned is packed into
``--out``; ``--take`` goes on from such a folder on a machine that has nothing else. What each stage says is in
``runs/logs``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from cameo.training.bundle import pack, unpack
from cameo.training.run import Stage

__all__ = ["PLAN", "Part", "Plan"]

_OVERHEAD = 0.4
"""Minutes that a stage needs beyond its time: to start, and to save."""


@dataclass(frozen=True)
class Part:
    """One stage of the plan.

    Attributes:
        stage: its module.
        share: of the planned minutes, at most. None: until nothing is left to do, for the next stages need all of it.
        cpu: words for its command line on a processor; ``fast`` likewise on an accelerator.
    """

    stage: str
    share: float | None
    cpu: tuple[str, ...] = ()
    fast: tuple[str, ...] = ()


_WORKERS = ("--workers", str(max(1, (os.cpu_count() or 2) - 1)))

PLAN: tuple[tuple[tuple[Part, ...], ...], ...] = (
    ((Part("people", 0.15, cpu=("--people", "300"), fast=("--people", "4000", *_WORKERS)),),),
    (
        (Part("video_vae", 0.33, cpu=("--edge", "64", "--batch", "16"), fast=("--batch", "48", "--clips", "0.3")),),
        (
            Part("audio_vae", 0.13, fast=("--batch", "64", "--sounds", "clips")),
            Part("vocoder", 0.20, fast=("--batch", "32", "--sounds", "clips")),
        ),
        (Part("identities", None, fast=_WORKERS),),
    ),
    ((Part("latents", None, fast=_WORKERS),),),
    (
        (Part("base", 0.25, fast=("--batch", "192", "--compile", "--lr", "1.2e-3")),),
        (Part("decoder", 0.25, fast=("--batch", "48")),),
        (Part("audio_decoder", 0.10, fast=("--batch", "32", "--sounds", "clips")),),
    ),
    ((Part("nano_adapter", 0.03, fast=("--batch", "128")),),),
    ((Part("distil", 0.07, cpu=("--moments", "0.5"), fast=("--batch", "48")),),),
    ((Part("faces", 0.04, fast=("--batch", "64", "--clips", "4000")),),),
    ((Part("restorer", 0.07, fast=("--batch", "128", "--faces", "64")),),),
)
"""Phases one after another; in each, lanes that may run side by side; in each, parts one after another."""


class Plan:
    """What has been done of it, in ``runs/plan.json``: minutes by stage, and which stages are over."""

    def __init__(self, runs: Path) -> None:
        self._path = runs / "plan.json"
        state = json.loads(self._path.read_text()) if self._path.exists() else {}
        self.minutes: dict[str, float] = state.get("minutes", {})
        self.over: list[str] = state.get("over", [])
        self._lock = Lock()

    def note(self, stage: str, minutes: float, over: bool) -> None:
        with self._lock:
            self.minutes[stage] = round(self.minutes.get(stage, 0.0) + minutes, 2)
            if over and stage not in self.over:
                self.over.append(stage)
            self._write()

    def undo(self, stage: str) -> None:
        """The stage's files are gone: it must run again, in the time it has."""
        self.minutes.pop(stage, None)
        self.over = [name for name in self.over if name != stage]
        self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({"minutes": self.minutes, "over": self.over}, indent=1) + "\n")


def main() -> None:
    stage = Stage.parse("all", __doc__, _options)
    options = stage.options
    if options.take is not None:
        stage.say(f"taken up: {', '.join(unpack(options.take, options.runs)) or 'nothing'}")
    plan = Plan(options.runs)
    for made in ("people", "identities", "latents"):
        if made in plan.over and not any((options.runs / made).glob("[0-9]*.safetensors")):
            plan.undo(made)
    fast = stage.device.type != "cpu"
    failed = False
    try:
        for phase in PLAN:
            lanes = phase if options.together or (options.together is None and fast) else (sum(phase, ()),)
            with ThreadPoolExecutor(len(lanes)) as pool:
                failed = not all(list(pool.map(lambda lane: _run(stage, plan, lane, fast), lanes)))
            if failed or _left(stage) <= 0:
                break
        else:
            stage.say("every stage has had its time; `python -m cameo.training.ship` makes a checkpoint of it")
    finally:
        if options.out is not None:
            pack(options.runs, options.out)
            stage.say(f"packed into {options.out}")
    raise SystemExit(1 if failed else 0)


def _run(stage: Stage, plan: Plan, lane: tuple[Part, ...], fast: bool) -> bool:
    """The parts of a lane that are not over yet; False when one of them failed."""
    options = stage.options
    for part in lane:
        if part.stage in plan.over:
            continue
        planned = float("inf") if part.share is None else part.share * options.planned_minutes
        minutes = min(planned - plan.minutes.get(part.stage, 0.0), _left(stage))
        if minutes <= 0:
            return True
        words = ["--runs", options.runs, "--max-minutes", f"{minutes:.3f}", "--planned-minutes", f"{planned:.3f}"]
        words += ["--device", options.device, "--threads", options.threads, "--seed", options.seed]
        words += [*(part.fast if fast else part.cpu), *options.extra.get(part.stage, [])]
        began = time.monotonic()
        stage.say(f"{part.stage} for {minutes:.1f} min")
        if not _start(part.stage, [str(word) for word in words], options.runs / "logs"):
            stage.say(f"{part.stage} failed: see {options.runs / 'logs' / part.stage}.log")
            return False
        spent = (time.monotonic() - began) / 60
        # Learning ends with its time; making people with its time or its work; the rest with its work.
        used = plan.minutes.get(part.stage, 0.0) + min(spent, minutes)
        plan.note(part.stage, min(spent, minutes), spent < minutes or used >= 0.97 * planned)
        if part.stage not in plan.over:
            return True
    return True


def _start(stage: str, words: list[str], logs: Path) -> bool:
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{stage}.log").open("a") as log:
        command = [sys.executable, "-m", f"cameo.training.{stage}", *words]
        return subprocess.run(command, stdout=log, stderr=log, check=False).returncode == 0  # noqa: S603


def _left(stage: Stage) -> float:
    return float(stage.options.max_minutes) - stage.minutes() - _OVERHEAD


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(planned_minutes=27.0)
    parser.add_argument("--out", type=Path, default=os.environ.get("OUT"), help="folder for the bundle (default: $OUT)")
    parser.add_argument("--take", type=Path, help="bundle to go on from")
    parser.add_argument("--together", action=argparse.BooleanOptionalAction, help="run stages side by side")
    parser.add_argument(
        "--extra", type=json.loads, default={}, help='more words by stage, {"people": ["--people", "9"]}'
    )


if __name__ == "__main__":
    main()
