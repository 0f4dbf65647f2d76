"""``cameo synth``, ``doctor``, ``demo``, ``train``, ``evaluate``: everything about the house itself."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from cameo.cli.options import Command, Out
from cameo.cli.terminal import Answer, plain, progress_bar, tell
from cameo.errors import InputRefused, UsageError
from enroll.consent import ConsentRecord

__all__ = ["register"]

# What follows the first word is the other program's, --help too.
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}


def register(root: typer.Typer) -> None:
    root.command(cls=Command)(synth)
    root.command(cls=Command)(doctor)
    root.command(cls=Command)(demo)
    for command in (train, evaluate):
        root.command(cls=Command, context_settings=_PASS_ON)(command)


def synth(
    seed: Annotated[int, typer.Option("--seed", min=0, help="The person: the same seed is the same person.")],
    out: Out,
    clip: Annotated[int, typer.Option("--clip", min=0, help="The occasion: place, light, clothes, words.")] = 0,
    people: Annotated[int, typer.Option("--people", min=1, max=2, help="One, or two side by side.")] = 1,
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, max=60, help="Length.")] = 8.0,
    size: Annotated[int, typer.Option("--size", min=64, max=1024, help="Edge of the picture, pixels.")] = 256,
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="FILE", help="Write what is in the clip to this JSON file.")
    ] = None,
    consent: Annotated[
        Path | None,
        typer.Option("--consent", metavar="FILE", help="Answer the challenge of this consent request, in about 11 s."),
    ] = None,
) -> Answer:
    """Make a clip of people who do not exist."""
    from cameo.scene import write_scene
    from cameo.targets import check_target

    if size % 2:
        raise UsageError(f"--size is {size}, video needs an even number", hint=f"use {size + 1}")
    for path in (out, *([truth] if truth else [])):
        check_target(path)
    import numpy as np

    if consent is not None:
        from cameo.synth.answers import make_answer

        if people != 1:
            raise UsageError(f"--people is {people}, a challenge is answered by one", hint="leave --people out")
        challenge = ConsentRecord.load(consent).challenge
        made = make_answer(seed, challenge.digits, challenge.turns, clip, size=size)
    else:
        from cameo.synth.clips import make_clip

        made = make_clip(seed, clip, people=people, seconds=seconds, size=size)
    info = write_scene(out, made.frames, made.sound.astype(np.float32), made.fps, made.sample_rate, made.caption)
    if truth:
        try:
            truth.write_text(json.dumps(made.truth, indent=1) + "\n")
        except OSError as error:
            raise InputRefused(f"{truth} cannot be written: {error.strerror}") from None
    return Answer(
        {
            "path": str(info.path),
            "seconds": info.seconds,
            "width": info.width,
            "height": info.height,
            "fps": info.fps,
            "sample_rate": info.sample_rate,
            "caption": made.caption,
            "truth": str(truth.absolute()) if truth else None,
        },
        (f"{plain(info.path)}: {made.caption}",),
    )


def doctor(
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="Look at one generator instead: nano, a folder, or a hub id."),
    ] = None,
) -> Answer:
    """What is on this machine: encoders, models, codecs, keys; and what each may be used for."""
    if model is not None:
        return _generator(model)
    from cameo.checkup import checkup

    report = checkup()
    columns = ("of", "here", "checksum", "used", "commercial use")
    encoders = Table(Column("embedding space", no_wrap=True), *columns, box=None, pad_edge=False)
    for row in report["encoders"]:
        here, used, commercial = ("yes" if row[key] else "no" for key in ("present", "used", "commercial"))
        encoders.add_row(row["space"], row["modality"], here, row["checksum"] or "", used, commercial)
    models = Table("model", "here", "size", "licence", "reads", box=None, pad_edge=False)
    for row in report["models"]:
        size = f"{row['megabytes']:.0f} MB" if row["present"] else ""
        models.add_row(row["name"], "yes" if row["present"] else "no", size, row["licence"], ", ".join(row["adapter"]))
    named = [(row["space"], row) for row in report["encoders"]] + [(row["name"], row) for row in report["models"]]
    missing = [f"{name}: {row['source']}" for name, row in named if not row["present"]]
    unused = [
        f"  {row['space']} is here and not used: {row['why_not']}"
        for row in report["encoders"]
        if row["present"] and not row["used"]
    ]
    licences = [
        f"  {row['space']}: {row['licence']}{'; in ' + plain(row['path']) if row['present'] else ''}"
        for row in report["encoders"]
    ]
    marks = ", ".join(f"{name}{'' if used else ' (not used)'}" for name, used in report["watermarks"].items())
    codecs = ", ".join(f"{name} {'yes' if there else 'NO'}" for name, there in report["codecs"].items())
    return Answer(
        report,
        (
            f"home     {plain(report['home'])}",
            f"keys     {report['keystore']}",
            f"database {_told(report['database'])}",
            f"blobs    {_told(report['blobs'])}",
            f"codecs   {codecs}",
            f"marks    C2PA, label, fingerprint; watermarks: {marks}",
            "",
            encoders,
            *unused,
            "",
            "Their licences, and where they are:",
            *licences,
            "",
            models,
            *(("", "To get what is not here:", *(f"  {line}" for line in missing)) if missing else ()),
        ),
        6
        if not all(report[place]["answers"] for place in ("database", "blobs"))
        else 0
        if all(report["codecs"].values())
        else 5,
    )


_RUNS = {
    "none": "as it is, all of it on the device",
    "model": "one part at a time on the device, the rest waits in main memory (slower)",
    "group": "one layer at a time on the device, the rest waits in main memory (much slower)",
    None: "it does not fit, in no way of running it",
}


def _generator(model: str) -> Answer:
    from cameo.backbones.preflight import gigabytes, preflight

    found = preflight(model)
    parts = Table("part", Column("parameters", justify="right"), Column("weights", justify="right"), box=None)
    for part in found.parts:
        count = "" if part.parameters is None else f"{part.parameters / 1e6:,.1f} M"
        parts.add_row(part.name, count, gigabytes(part.bytes))
    here = plain(found.where) if found.where else "not on this machine; "
    if found.where is None:
        asked = "the hub does not answer" if found.download is None else f"{gigabytes(found.download)} to download"
        here += f"{asked}; hf download {plain(model)}"
    frames, height, width = found.scene
    needs = f"{gigabytes(found.weights)} for weights, about {gigabytes(found.working)} for {frames} frames of "
    device = f"{plain(found.name)}, {gigabytes(found.free)} free"
    if found.device.type != "cpu":
        device += f"; main memory, {gigabytes(found.ram)} free"
    licence = " ".join(filter(None, (plain(found.licence.name) or "none stated:", "—", found.licence.says)))
    known = bool(found.parts)
    return Answer(
        found.as_json(),
        (
            f"model    {plain(model)}: {here}",
            f"licence  {licence}",
            *((f"         {found.licence.url}",) if found.licence.url else ()),
            *(
                (f"reads    {', '.join(found.adapter) or 'nobody: it brings no identity adapter'}",)
                if found.where
                else ()
            ),
            *((f"memory   {needs}{width}×{height}",) if known else ()),
            f"device   {device}",
            *((f"runs     {_RUNS[found.offload]}", "", parts) if known else ()),
        ),
        0 if found.where is not None and found.offload is not None else 5,
    )


def _told(place: dict[str, Any]) -> str:
    """One line of where tables or ciphertexts are, and what an operator should know of that."""
    if not place["answers"]:
        return f"NOT THERE: {plain(place['why_not'])}"
    notes = [
        note
        for note, told in [
            ("not there yet", place.get("there") is False),
            ("answers", "there" not in place),
            (f"version {place.get('version')}", "version" in place),
            ("NOT DURABLE: fsync or full_page_writes is off", place.get("durable") is False),
            ("no checksums", place.get("checksums") == "off"),
            ("KEEPS OLD VERSIONS of what is removed", place.get("versions") is True),
        ]
        if told
    ]
    return f"{place['kind']}, {plain(place['where'])}{': ' if notes else ''}{', '.join(notes)}"


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where the files go.")] = Path("demo"),
    model: Annotated[str, typer.Option("--model", help="nano, a checkpoint folder, or a hub id.")] = "nano",
) -> Answer:
    """The whole way once, with a made-up person: consent, enroll, two scenes, check, revoke."""
    from cameo.demo import run_demo

    with progress_bar("demo") as progress:
        found = run_demo(out, model=model, say=tell, progress=progress)
    payload = {
        "files": [str(path) for path in found.files],
        "refusal": {"code": found.code, "message": found.refusal, "exit_status": found.exit_status},
        "seconds": {step: round(seconds, 1) for step, seconds in found.seconds.items()},
    }
    return Answer(payload, ("Made:", *(f"  {plain(path)}" for path in found.files)))


def train(
    context: typer.Context,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="A module of cameo.training.")],
) -> int:
    """Train an identity adapter for a large generator (adapter), or a part of nano: cameo train STAGE --help.

    What follows STAGE goes to python -m cameo.training.STAGE.
    """
    return _start("training", stage, context.args)


def evaluate(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="A module of cameo.evaluation.")],
) -> int:
    """Measure likeness, voice and setting: what follows WHAT goes to python -m cameo.evaluation.WHAT."""
    return _start("evaluation", what, context.args)


def _start(package: str, module: str, words: list[str]) -> int:
    """Training and evaluation are programs of their own, with their own output; here they are only started."""
    if not module.isidentifier() or find_spec(f"cameo.{package}.{module}") is None:
        raise UsageError(f"there is no cameo.{package}.{plain(module)}", hint=f"see the files of cameo/{package}")
    return subprocess.call([sys.executable, "-m", f"cameo.{package}.{module}", *words])  # noqa: S603
