"""``cameo enroll``, ``cast``, ``show``, ``revoke``, ``unbar``: the people of this home."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from cameo.cli.consent import consent_summary
from cameo.cli.interrupts import heed, too_late
from cameo.cli.options import Command, Handle, split
from cameo.cli.permissions import limits
from cameo.cli.terminal import Answer, count, plain, progress_bar
from cameo.errors import EnrollmentRefused
from cameo.script import bare
from cameo.studio import KEEPING, Studio
from cameo.targets import check_target
from cameo.vault import CastEntry, Certificate
from enroll.consent import ConsentRecord
from enroll.errors import BadInput, KitError, SeveralPeople

if TYPE_CHECKING:
    from enroll.findings import Findings
    from enroll.liveness import Liveness

__all__ = ["register"]


def register(root: typer.Typer) -> None:
    for command in (enroll, cast, show, revoke, unbar):
        root.command(cls=Command)(command)


def enroll(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video of the one person who consented.")],
    consent: Annotated[Path, typer.Option("--consent", metavar="FILE", help="Their consent.")],
    handle: Annotated[str | None, typer.Option("--as", metavar="HANDLE", help="Must be the consent's handle.")] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write an HTML page, also of a refusal. It shows the person."),
    ] = None,
    subject: Annotated[
        int | None,
        typer.Option("--subject", metavar="NUMBER", min=1, help="Which of several people it is, from the left."),
    ] = None,
    trust_voice: Annotated[
        bool,
        typer.Option(
            "--trust-voice",
            help="The voice is theirs, although the mouth does not show it. If left out, it is not learnt.",
        ),
    ] = False,
    encoders: Annotated[
        list[str] | None,
        typer.Option(
            "--encoders",
            metavar="SPACES",
            help="Embedding spaces, separated by commas (see: cameo doctor). If left out, all that are here and may be "
            "used commercially; with CAMEO_LICENCE=any, all that are here.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Although they are taken for somebody here: a twin, a second persona.")
    ] = False,
    capture: Annotated[
        Literal["upload", "camera"],
        typer.Option("--capture", help="How the clip came: camera, if your own program recorded it from one."),
    ] = "upload",
) -> Answer:
    """Learn a person from a clip and keep them in the vault."""
    record = ConsentRecord.load(consent)
    if report is not None:
        check_target(report)
    studio = Studio()
    found: list[Findings] = []
    with progress_bar("enroll") as bar:

        def progress(stage: str, share: float) -> None:
            heed()
            if stage == KEEPING:
                too_late()
            if bar is not None:
                bar(stage, share)

        try:
            identity = studio.enroll(
                clip,
                record,
                handle=handle,
                encoders=split(encoders) or None,
                subject=subject,
                trust_voice=trust_voice,
                again=again,
                capture=capture,
                progress=progress,
                onlooker=found.append,
            )
        except KitError as refusal:
            if report is not None and found:
                _report_refusal(report, record, found[-1], refusal)
            elif isinstance(refusal, SeveralPeople):
                refusal.hint = f"{refusal.hint}; --report FILE shows them"
            raise
        record = studio.consent(identity.handle)
        if report is not None:
            from enroll.report import write_report

            write_report(report, record, found[-1], identity)
        return _enrolled(studio.show(identity.handle), record, found[-1])


def _report_refusal(report: Path, record: ConsentRecord, findings: Findings, refusal: KitError) -> None:
    """The page that says why, and a hint that names it; whatever becomes of it, the refusal stands."""
    if isinstance(refusal, EnrollmentRefused):
        return  # Of somebody who asked for that, nothing is made.
    from enroll.report import write_report

    with suppress(BadInput):
        written = write_report(report, record, replace(findings, refusal=refusal))
        refusal.hint = f"{refusal.hint}; see {written}" if refusal.hint else f"see {written}"


def _enrolled(entry: CastEntry, record: ConsentRecord, findings: Findings) -> Answer:
    liveness = findings.liveness
    payload = {
        "handle": entry.handle,
        "identity_id": entry.identity_id,
        "embeddings": _embeddings(entry),
        "coverage": entry.model_dump(mode="json")["coverage"],
        "consent": consent_summary(record),
        "challenge": _answered(liveness),
        "subject": {"number": findings.subject.number, "of": len(findings.people)} if findings.subject else None,
        "voice": _voice(findings),
    }
    shown = (f"@{entry.handle} is enrolled.", *_about(entry), *_unmet(liveness), *_advice(entry))
    return Answer(payload, shown)


def cast() -> Answer:
    """Who is enrolled."""
    entries = Studio().cast()
    if not entries:
        return Answer({"cast": []}, ("Nobody is enrolled.",))
    table = Table("handle", "name", "consent", "allowed", "scenes", box=None, pad_edge=False)
    for entry in entries:
        table.add_row(f"@{entry.handle}", plain(entry.name), _standing(entry), ", ".join(entry.grants), str(entry.uses))
    return Answer({"cast": [entry.model_dump(mode="json") for entry in entries]}, (table,))


def show(handle: Handle) -> Answer:
    """One person: coverage, consent, grants, uses."""
    entry = Studio().show(handle)
    return Answer(entry.model_dump(mode="json"), (f"@{entry.handle}: {_standing(entry)}", *_about(entry)))


def revoke(
    handle: Handle,
    reason: Annotated[str | None, typer.Option("--reason", help="Goes into the certificate.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the deletion certificate here.")
    ] = None,
    never_again: Annotated[
        bool,
        typer.Option("--never-again", help="They ask not to be enrolled again: a keyed sketch stays and refuses it."),
    ] = False,
) -> Answer:
    """End an identity: its key is destroyed first, then all the rest. There is no way back."""
    if out is not None:
        check_target(out)
    certificate = Studio().revoke(handle, reason=reason, never_again=never_again)
    if out is not None:
        certificate.save(out)
    gone = certificate.destroyed
    return Answer(
        certificate.model_dump(mode="json"),
        (
            f"@{bare(handle)} is revoked since {certificate.revoked:%Y-%m-%d %H:%M:%S} UTC.",
            f"Destroyed: {count(gone.keys, 'key')}, {count(gone.blobs, 'sealed file')}, "
            f"{count(gone.consent_records, 'consent')}, {count(gone.grants, 'grant')}, "
            f"the details of {count(gone.scene_details, 'scene')}, {count(gone.sketches, 'sketch', 'sketches')}.",
            *_kept(certificate),
            f"Certificate {certificate.certificate_id}{f' in {plain(out)}' if out else ''}.",
        ),
    )


def unbar(
    certificate: Annotated[
        str, typer.Argument(metavar="CERTIFICATE", help="Their deletion certificate: its id, or the file.")
    ],
) -> Answer:
    """Let somebody be enrolled again who had asked not to be. Only they hold the certificate."""
    path = Path(certificate)
    certificate_id = Certificate.load(path).certificate_id if path.suffix == ".json" else certificate
    Studio().unbar(certificate_id)
    return Answer({"certificate_id": certificate_id}, (f"What certificate {plain(certificate_id)} kept is gone.",))


def _kept(certificate: Certificate) -> tuple[str, ...]:
    if certificate.kept is None:
        return ()
    sketches = count(certificate.kept.sketches, "sketch", "sketches")
    return (f"Kept, to refuse a new enrollment: {sketches}, until: cameo unbar",)


def _standing(entry: CastEntry) -> str:
    if entry.revoked is not None:
        return f"revoked {entry.revoked:%Y-%m-%d %H:%M} UTC"
    if entry.status == "suspended":
        return f"suspended {entry.suspended:%Y-%m-%d %H:%M} UTC"
    return f"{entry.status} until {entry.consent.expires:%Y-%m-%d}" if entry.consent else entry.status


def _embeddings(entry: CastEntry) -> dict[str, dict[str, Any]]:
    return {
        space: {
            "dim": e.dim,
            **({"views": e.views} if e.seconds is None else {"seconds": round(e.seconds, 2)}),
            "quality": round(e.quality, 3),
        }
        for space, e in entry.embeddings.items()
    }


def _voice(findings: Findings) -> dict[str, Any] | None:
    """How much of the person's speech there is and what lies behind it; None where the voice was not learnt."""
    if findings.heard is None or findings.hearing is None:
        return None
    background = findings.hearing.background
    return {
        "seconds": round(findings.heard.seconds, 2),
        "snr_db": round(background.snr_db, 1),
        "music": round(background.music, 3),
        "tied": findings.heard.tied,
    }


def _answered(liveness: Liveness | None) -> dict[str, Any] | None:
    """Which checks of a live challenge passed; None where there was none to answer."""
    if liveness is None:
        return None
    checks = [
        {"name": check.name, "passed": check.passed, "found": check.found, "problem": check.problem}
        for check in liveness.checks
    ]
    return {"level": liveness.level, "checks": checks}


def _unmet(liveness: Liveness | None) -> list[str]:
    """What kept a clip from being called live."""
    failed = liveness.failed if liveness is not None else ()
    return [f"  not live: {check.name}: {plain(check.problem)}" for check in failed if check.found != "not judged"]


def _about(entry: CastEntry) -> list[str]:
    lines = []
    for space, e in entry.embeddings.items():
        behind = f"{e.views} views" if e.seconds is None else f"{e.seconds:.1f} s"
        lines.append(f"  {e.modality:5}  {space}, {e.dim} numbers from {behind}, quality {e.quality:.2f}")
    if entry.crops:
        lines.append(f"  kept   {entry.crops.get('head', 0)} head and {entry.crops.get('body', 0)} body crops")
    if (seen := entry.coverage) is not None and seen.yaw is not None:
        lines.append(f"  seen   yaw {seen.yaw[0]:+.0f}° to {seen.yaw[1]:+.0f}°, face {seen.face_px:.0f} px high")
    if entry.consent is not None:
        how = f" from a {entry.consent.capture}" if entry.consent.capture == "camera" else ""
        lines.append(f"  for    {', '.join(entry.consent.uses)}")
        lines.append(f"  by     consent {entry.consent_id}, {entry.consent.assurance}{how}")
        lines += [f"  users  {', '.join(entry.grants)}", *(f"         {line}" for line in limits(entry))]
        if entry.rules:
            lines.append(f"  never  {'; '.join(entry.rules)}")
    lines.append(f"  in     {entry.uses} scenes")
    return lines


def _advice(entry: CastEntry) -> list[str]:
    return [f"  next time: {plain(line)}" for line in (entry.coverage.advice if entry.coverage else ())]
