"""The report: it shows what was found, loads nothing, takes no markup from a name, keeps other people's faces back."""

from __future__ import annotations

import re
import stat
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from enroll.consent import ConsentRecord, Scope
from enroll.errors import BadInput, NoFace, NoSpeech
from enroll.findings import Findings
from enroll.report import render_report, write_report
from tests.enroll.made_findings import FACES, HOSTILE, answered, clip, findings, identity, pixels, several

LARGEST = 1_500_000


class Page(HTMLParser):
    """Tags, ids, what could fetch something, and the pictures by their alternative text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.sources: list[str] = []
        self.pictures: dict[str, NDArray[np.uint8]] = {}
        self.unnamed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids |= {found["id"] or ""} if "id" in found else set()
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag == "img":
            coded = b64decode((found["src"] or "").partition("base64,")[2])
            picture = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
            self.pictures[found["alt"] or ""] = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        if (tag == "img" and not found.get("alt")) or (found.get("role") == "img" and not found.get("aria-label")):
            self.unnamed.append(tag)

    @property
    def frames(self) -> dict[float, NDArray[np.uint8]]:
        return {float(alt.split()[2]): shown for alt, shown in self.pictures.items() if alt.startswith("Frame")}


def consent(*scope: Scope, name: str = HOSTILE) -> ConsentRecord:
    return ConsentRecord.new(name=name, handle="ada", scope=scope)


def made(case: str) -> str:
    """The page of one of the cases below."""
    whole = consent()
    found, kept, record = {
        "all": (answered(findings(1, subject=1)), identity(whole), whole),
        "no voice": (findings(1, subject=1, voice=False), identity(consent("face", "body")), consent("face", "body")),
        "body only": (findings(1, subject=1, voice=False), identity(consent("body")), consent("body")),
        "voice only": (findings(1, subject=1), identity(consent("voice")), consent("voice")),
        "two people": (findings(1, 2, subject=1), identity(whole), whole),
        "to be chosen": (findings(1, 2, refusal=several()), None, whole),
        "no speech": (findings(1, subject=1, refusal=NoSpeech("no sound", hint="film with sound")), None, whole),
        "nobody": (findings(voice=False, refusal=NoFace("no face")), None, whole),
        "nothing seen": (Findings(clip(HOSTILE + ".mp4"), refusal=NoFace(HOSTILE)), None, whole),
    }[case]
    return render_report(record, found, kept)


SECTIONS = {
    "all": {"people", "sheet", "time", "voice", "coverage", "challenge", "kept", "consent"},
    "no voice": {"people", "sheet", "time", "voice", "coverage", "kept", "consent"},
    "body only": {"people", "sheet", "time", "voice", "coverage", "kept", "consent"},
    "voice only": {"people", "sheet", "time", "voice", "coverage", "kept", "consent"},
    "two people": {"people", "sheet", "time", "voice", "coverage", "kept", "consent"},
    "to be chosen": {"people", "sheet", "voice", "consent"},
    "no speech": {"people", "sheet", "time", "voice", "coverage", "consent"},
    "nobody": {"sheet", "consent"},
    "nothing seen": {"consent"},
}


@pytest.mark.parametrize("case", SECTIONS)
def test_every_page_is_whole_loads_nothing_and_takes_no_markup_from_a_name(case: str) -> None:
    text = made(case)
    page = Page(text)
    assert page.ids == SECTIONS[case]
    assert not {"script", "link", "iframe", "object", "embed", "form", "base", "a"} & set(page.tags)
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|\son[a-z]+=", re.sub(r"base64,[^\"]+", "", text))
    assert "default-src 'none'" in text and "&lt;script&gt;" in text and "alert(" in text
    assert page.unnamed == []
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert len(text) <= LARGEST


def test_what_was_found_is_said() -> None:
    text = made("all")
    page = Page(text)
    for said in (
        *("dlib-resnet-128", "ge2e-256", "6.2 s", "2 views", "−20° to +15°", "88 px", "0.021", "CC0"),
        *("24 dB", "30 % of the clip", "1.0 % of the speech", "Voice 1 is made by the mouth of person 1, the subject"),
        *("Voice 2 is made by no mouth in the picture", "4.0 s, 8.5 s", "turn farther", "Level reached: spoken"),
        *("cameo revoke ada", "for 30 days", "4 of 128 × 128 pixels", "ab" * 32),
    ):
        assert said in text, said
    assert len([alt for alt in page.pictures if "crop" in alt]) == 6
    assert len(page.frames) == 7
    # Nothing lies outside of a chart: a pose beyond the map is drawn on its edge, a band ends with the clip.
    assert max(float(x) for x in re.findall(r'cx="([-\d.]+)"', text)) == 60
    bands = re.findall(r'<i style="left:([\d.]+)%;width:([\d.]+)%">', text)
    assert bands and all(float(at) + float(width) <= 100.01 for at, width in bands)
    for path in re.findall(r' d="(M[\d .MLh-]+)"', text):
        places = [float(v) for v in re.findall(r"-?[\d.]+", path.replace("h0", ""))]
        assert all(0 <= v <= 1000 for v in places)


def likeness(shown: NDArray[np.uint8], second: float, number: int) -> float:
    """Correlation of what is shown where a face is with what the clip showed there, fine detail only."""
    x0, y0, x1, y1 = FACES[number]
    height, width = shown.shape[:2]
    place = (slice(round(y0 * height), round(y1 * height)), slice(round(x0 * width), round(x1 * width)))
    one, other = shown[place].astype(np.float32), pixels(second)[place].astype(np.float32)
    one, other = (part - cv2.blur(part, (9, 9)) for part in (one, other))
    if one.std() < 1e-3:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def moments(page: Page) -> dict[float, NDArray[np.uint8]]:
    """Frames of a page by the exact second they are of."""
    exact = [float(s) for s in np.linspace(0.2, 11.5, 7)]
    return {min(exact, key=lambda s: abs(s - said)): shown for said, shown in page.frames.items()}


def test_nobody_but_the_subject_is_shown_when_somebody_is_enrolled() -> None:
    page = Page(made("two people"))
    assert len(page.frames) == 7
    for second, shown in moments(page).items():
        assert likeness(shown, second, 1) > 0.6
        assert abs(likeness(shown, second, 2)) < 0.1
        # Nor the rest of the picture, where somebody may be whom the detector missed.
        assert np.abs(np.diff(shown[:, 140:180].astype(np.int16), axis=1)).mean() < 8
    assert "Face of person 1" in page.pictures and "Face of person 2" not in page.pictures


def test_everybody_is_shown_when_somebody_has_to_be_chosen() -> None:
    text = made("to be chosen")
    page = Page(text)
    for second, shown in moments(page).items():
        assert min(likeness(shown, second, number) for number in FACES) > 0.6
    assert {"Face of person 1", "Face of person 2"} <= set(page.pictures)
    assert "--subject 1" in text and "--subject 2" in text and "people who may not know" in text


def test_a_refused_choice_shows_the_chosen_alone() -> None:
    found = findings(1, 2, subject=2, refusal=NoSpeech("none of the 2 voices can be tied", hint="film alone"))
    page = Page(render_report(consent(), found))
    for second, shown in moments(page).items():
        assert likeness(shown, second, 2) > 0.6 and abs(likeness(shown, second, 1)) < 0.1
    assert "Face of person 1" not in page.pictures


def test_somebody_who_walks_through_is_veiled_too() -> None:
    """Person 2 does not count, and is in the pictures all the same."""
    found = findings(1, 2, subject=1)
    page = Page(render_report(consent(), replace(found, people=found.people[:1]), identity(consent())))
    for second, shown in moments(page).items():
        assert likeness(shown, second, 1) > 0.6 and abs(likeness(shown, second, 2)) < 0.1


def test_many_pictures_of_noise_stay_within_the_limit() -> None:
    found = findings(1, subject=1)
    assert found.sightings is not None
    many = tuple(replace(picture, second=i * 0.1) for i, picture in enumerate(found.sightings.pictures * 3))
    text = render_report(consent(), replace(found, sightings=replace(found.sightings, pictures=many)))
    assert len(Page(text).frames) == 12 and len(text) <= LARGEST


def test_it_is_its_owners_alone_and_needs_a_place(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "report.html"):
        with pytest.raises(BadInput):
            write_report(path, consent(), findings(1, subject=1))
    assert not list(tmp_path.iterdir())
    path = write_report(tmp_path / "report.html", consent(), findings(1, subject=1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("<!doctype html>")
