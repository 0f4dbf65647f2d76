"""What subject and operator look at after an enrollment, or after its refusal: one page that holds all it shows.

The page shows people and is therefore biometric: it is written only where someone asks for it, readable by its owner
alone, and loads nothing from anywhere. Of anybody but the subject it shows where they were and not who they are; only
where somebody has to be chosen does it show everybody who can be.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, Template, select_autoescape

from enroll.consent import ConsentRecord
from enroll.errors import BadInput
from enroll.files import write_atomically
from enroll.findings import Findings
from enroll.identity import CropKind, Identity
from enroll.report import words
from enroll.report.pictures import contact_sheet, data_uri, portrait
from enroll.report.plots import coverage_map, pose_plots, quality_plot, ticks
from enroll.report.spaces import program_version, space_rows
from enroll.report.timeline import lanes
from enroll.subject import Person

__all__ = ["render_report", "write_report"]


def write_report(
    path: str | Path, consent: ConsentRecord, findings: Findings, identity: Identity | None = None
) -> Path:
    """Write the page, mode 0600.

    Args:
        path: the file, replaced if it is there.
        consent, findings, identity: see ``render_report``.

    Returns:
        Its absolute path.

    Raises:
        BadInput: it cannot be written there.
    """
    target = Path(path).expanduser().absolute()
    if target.is_dir():
        raise BadInput(f"{target} is a folder", hint="name a file in it, such as report.html")
    try:
        write_atomically(target, render_report(consent, findings, identity).encode())
    except OSError as error:
        raise BadInput(f"the report {target} cannot be written: {error.strerror}") from None
    return target


def render_report(consent: ConsentRecord, findings: Findings, identity: Identity | None = None) -> str:
    """The page as text, about half a megabyte and never more than 1.5.

    Args:
        consent: on whose strength.
        findings: what the clip showed.
        identity: what was kept of the subject; None when nobody was enrolled, for the reason in ``findings.refusal``.
    """
    choice = identity is None and findings.subject is None and len(findings.people) > 1
    # Whoever is alone in a clip is whom it is about, also when it was refused before that was said.
    alone = findings.people[0] if len(findings.people) == 1 else None
    subject = findings.subject or alone
    shown = {p.number for p in findings.people} if choice else {subject.number} if subject is not None else set()
    drawn = subject if not choice else None
    seconds = findings.clip.seconds
    views = max((e.views for e in identity.of("face").values()), key=len, default=()) if identity is not None else ()
    timed = drawn is not None and len(drawn.looks) > 0
    return _template().render(
        consent=consent,
        findings=findings,
        identity=identity,
        refusal=findings.refusal,
        choice=choice,
        subject=drawn,
        now=identity.created if identity is not None else datetime.now(UTC),
        version=program_version(),
        glance=words.at_a_glance(consent, findings, identity),
        sheet=contact_sheet(findings, shown, drawn.number if drawn is not None else None),
        veiled=len(shown) < len(findings.people),
        people=[_card(person, findings, person.number in shown) for person in findings.people],
        axis=ticks(seconds),
        cuts=[100 * cut / seconds for cut in (findings.sightings.cuts if findings.sightings is not None else ())],
        cut_words=words.cuts(findings),
        plots=[quality_plot(drawn, seconds), *pose_plots(drawn, seconds, _cuts(findings))] if timed and drawn else [],
        lanes=lanes(findings, drawn.number if drawn is not None else None),
        voices=words.voices(findings),
        sound=words.sound(findings),
        map=coverage_map(drawn, views, seconds) if not choice else None,
        range_words=words.from_to,
        coverage=identity.coverage if identity is not None else None,
        heads=_crops(identity, "head"),
        bodies=_crops(identity, "body"),
        spaces=space_rows(identity) if identity is not None else [],
        checks=words.checks(findings),
        assurance=words.assurance(consent),
        terms=words.terms(consent),
        kept=words.kept(identity) if identity is not None else [],
        left=words.left(consent),
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("enroll.report", package_path=""),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _cuts(findings: Findings) -> tuple[float, ...]:
    return findings.sightings.cuts if findings.sightings is not None else ()


def _card(person: Person, findings: Findings, shown: bool) -> dict[str, Any]:
    return {
        "number": person.number,
        "where": person.whereabouts,
        "picture": portrait(person) if shown else "",
        "facts": words.of_person(person, findings),
    }


def _crops(identity: Identity | None, kind: CropKind) -> list[dict[str, str]]:
    return [
        {
            "src": data_uri(crop.pixels),
            "says": f"{crop.second:.1f} s, yaw {words.degrees(crop.pose.yaw)}, quality {crop.quality:.2f}",
        }
        for crop in (identity.crops_of(kind) if identity is not None else ())
    ]
