"""Does enrollment learn the right person, or refuse for the right reason? On a folder of real clips and recordings.

    python -m cameo.evaluation.enroll FOLDER --out runs/enroll

FOLDER holds ``clips/MANIFEST.tsv`` and, perhaps, ``voices/MANIFEST.tsv``: columns ``file``, ``person`` (several with
commas, from left to right) and ``expect`` (``enrolls …``, or the code it is to be refused with). Every clip is enrolled
under a consent for everything; where the manifest expects several people, each is also enrolled by number. Then every
two samples are compared in every space on this machine. Nothing that describes anybody is written: ``report.json`` and
``table.md`` hold figures only.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from joserfc.jwk import OKPKey
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from cameo.errors import InputRefused
from cameo.evaluation.judges import find_judge
from cameo.evaluation.verification import Verification, markdown_rows, verify
from enroll.consent import ConsentRecord, Scope
from enroll.encoders import registry
from enroll.errors import KitError, NoSpeech
from enroll.findings import Findings
from enroll.identity import Identity
from enroll.pipeline import enroll
from enroll.voice import embed_voice, listen, speech_of

__all__ = ["EnrollReport", "Outcome", "evaluate"]

Progress = Callable[[str, float], None]
Sample = tuple[str, NDArray[np.float32]]
"""Whose it is, and what one space says of it."""


class Outcome(BaseModel):
    """What became of one clip.

    Attributes:
        file: its name.
        expected: what the manifest says.
        got: ``enrolls`` or the code of the refusal.
        right: whether that is what was expected.
        seconds: wall-clock time it took.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    expected: str
    got: str
    right: bool
    seconds: float


class EnrollReport(BaseModel):
    """Everything that was measured; nothing that describes a person."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcomes: tuple[Outcome, ...]
    faces: tuple[Verification, ...]
    bodies: tuple[Verification, ...]
    voices: tuple[Verification, ...]
    recordings: tuple[Verification, ...]


def evaluate(folder: Path, *, out: Path, judge: Path | None = None, progress: Progress | None = None) -> EnrollReport:
    """Enrolls every clip of a folder and compares everybody with everybody.

    Args:
        folder: see this module's docstring.
        out: folder for the files; made if missing.
        judge: a face encoder that enrolls nobody, as ONNX; see ``find_judge``. None leaves it out.
        progress: called with what is being done and the share of it that is done.

    Raises:
        InputRefused: there is no manifest in ``folder``, or ``out`` cannot be made.
    """
    tell = progress or (lambda doing, share: None)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputRefused(f"{out} cannot be made: {error.strerror}") from None
    rows = _manifest(folder / "clips")
    samples: dict[str, list[Sample]] = defaultdict(list)
    outcomes = []
    judging = find_judge(judge, conditioning="dlib-resnet-128") if judge is not None else None
    for number, row in enumerate(rows):
        tell(row["file"], number / len(rows))
        outcome, found = _try(folder / "clips" / row["file"], row)
        outcomes.append(outcome)
        for person, identity, findings in found:
            for space, embedding in identity.embeddings.items():
                samples[space].append((person, embedding.vector))
            if judging is not None and findings.subject is not None:
                samples[judging.name].append((person, judging.person(findings.subject.looks)))
    cards = {status.card.space: status.card for status in registry.status()}
    by_modality = {
        kind: tuple(
            _verification(space, samples[space], unit=cards[space].unit)
            for space in samples
            if space in cards and cards[space].modality == kind
        )
        for kind in ("face", "body", "voice")
    }
    judged = (_verification(f"{judging.name} (judge)", samples[judging.name], unit=True),) if judging else ()
    tell("listening to recordings", 0.95)
    report = EnrollReport(
        outcomes=tuple(outcomes),
        faces=by_modality["face"] + judged,
        bodies=by_modality["body"],
        voices=by_modality["voice"],
        recordings=tuple(_recordings(folder / "voices")),
    )
    (out / "report.json").write_text(report.model_dump_json(indent=2) + "\n")
    (out / "table.md").write_text(table_markdown(report))
    tell("done", 1.0)
    return report


def table_markdown(report: EnrollReport) -> str:
    """The report as Markdown tables."""
    right = sum(outcome.right for outcome in report.outcomes)
    lines = [
        f"{right} of {len(report.outcomes)} clips enroll the right person or are refused for the right reason.",
        "",
        "| clip | expected | got | seconds |",
        "|---|---|---|---:|",
        *(
            f"| {o.file} | {o.expected} | {o.got}{'' if o.right else ' **wrong**'} | {o.seconds:.1f} |"
            for o in report.outcomes
        ),
    ]
    titled = (
        ("Faces, across clips", report.faces),
        ("Bodies, across clips: clothes change, so this is no measure of a person", report.bodies),
        ("Voices, across clips", report.voices),
        ("Voices, across recordings", report.recordings),
    )
    for title, figures in titled:
        if figures:
            lines += ["", f"**{title}**", "", *markdown_rows(figures)]
    return "\n".join(lines) + "\n"


def _manifest(folder: Path) -> list[dict[str, str]]:
    path = folder / "MANIFEST.tsv"
    try:
        with path.open(newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))
    except OSError as error:
        raise InputRefused(
            f"{path} cannot be read: {error.strerror}", hint="columns file, person and expect, with tabs between"
        ) from None


def _try(clip: Path, row: dict[str, str]) -> tuple[Outcome, list[tuple[str, Identity, Findings]]]:
    expected = row["expect"].replace(";", " ").replace(",", " ").split()[0]
    people = [name for name in row["person"].split(",") if name]
    begun = time.perf_counter()
    got, first = _enroll(clip)
    seconds = time.perf_counter() - begun
    found = [first] if first is not None else []
    if got == NoSpeech.code:
        # Who says nothing can still be enrolled by face and body.
        found += [some for some in [_enroll(clip, scope=("face", "body"))[1]] if some is not None]
    elif got == "several_people" and len(people) > 1:
        found += [some for n in range(1, len(people) + 1) for some in [_enroll(clip, subject=n)[1]] if some is not None]
    outcome = Outcome(file=clip.name, expected=expected, got=got, right=got == expected, seconds=seconds)
    return outcome, [(person, *some) for person, some in zip(people, found, strict=False)]


def _enroll(
    clip: Path, *, subject: int | None = None, scope: tuple[Scope, ...] = ()
) -> tuple[str, tuple[Identity, Findings] | None]:
    consent = ConsentRecord.new(name="Evaluation", handle="evaluation", scope=scope, uses=("evaluate",))
    signed = consent.attest(by="evaluation", key=OKPKey.generate_key("Ed25519"))
    seen: list[Findings] = []
    try:
        # Of a single voice the manifest says whose it is; in three seconds half of the mouths do not show it.
        identity = enroll(clip, signed, subject=subject, trust_voice=True, onlooker=seen.append)
    except KitError as error:
        return error.code, None
    return "enrolls", (identity, seen[0])


def _verification(space: str, samples: Sequence[Sample], *, unit: bool) -> Verification:
    return verify(space, [vector for _, vector in samples], [person for person, _ in samples], unit=unit)


def _recordings(folder: Path) -> Iterator[Verification]:
    if not (folder / "MANIFEST.tsv").is_file():
        return
    import librosa

    rows = [row for row in _manifest(folder) if row["expect"].startswith("speech of one")]
    sounds = [librosa.load(folder / row["file"], sr=16_000, mono=True)[0].astype(np.float32) for row in rows]
    heard = [speech_of(listen(sound), sound) for sound in sounds]
    for space in registry.available("voice"):
        encoder = registry.get(space)
        vectors = [embed_voice(some, encoder).vector for some in heard]
        yield verify(space, vectors, [row["person"] for row in rows], unit=encoder.card.unit)


def main() -> None:
    parser = argparse.ArgumentParser(prog="cameo evaluate enroll", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="holds clips/MANIFEST.tsv and voices/MANIFEST.tsv")
    parser.add_argument("--out", type=Path, default=Path("runs/enroll"), help="folder for the files (%(default)s)")
    parser.add_argument("--judge", type=Path, help="a face encoder that enrolls nobody, as ONNX")
    words = parser.parse_args()
    console = Console(stderr=True)
    try:
        with console.status("") as status:
            report = evaluate(
                words.folder, out=words.out, judge=words.judge, progress=lambda doing, share: status.update(doing)
            )
    except KitError as error:
        console.print(f"[red]{error.code}[/]: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        raise SystemExit(error.exit_status) from None
    print(table_markdown(report))


if __name__ == "__main__":
    main()
