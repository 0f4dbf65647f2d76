"""The report: it shows what was kept, loads nothing, and does not let a name become markup."""

from __future__ import annotations

import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from enroll.consent import ConsentRecord
from enroll.errors import BadInput
from enroll.identity import Coverage, Crop, Embedding, Identity, Pose, Speech, View
from enroll.report import render_report, write_report

HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Tags, and every attribute that could fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]


@pytest.fixture
def consent() -> ConsentRecord:
    return ConsentRecord.new(name=HOSTILE, handle="ada")


@pytest.fixture
def identity(consent: ConsentRecord) -> Identity:
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 255, (128, 128, 3), dtype=np.uint8) for _ in range(3)]
    views = tuple(View(rng.normal(size=8).astype(np.float32), s, 0.5, Pose(yaw)) for s, yaw in ((0.5, -20), (1.5, 200)))
    return Identity(
        "0" * 8,
        consent.consent_id,
        "ada",
        {
            "dlib-resnet-128": Embedding("dlib-resnet-128", "face", views[0].vector, views, 0.9),
            "ge2e-256": Embedding("ge2e-256", "voice", views[0].vector, (), 0.7, 6.25),
        },
        (Crop("head", pixels[0], 0.5, 0.8), Crop("head", pixels[1], 1.5, 0.7), Crop("body", pixels[2], 0.5, 0.9)),
        Speech(np.zeros(32_000, np.float32)),
        Coverage((-20, 15), (-5, 5), 88, 40, 6.25, (HOSTILE,)),
    )


def test_a_name_cannot_become_markup_and_nothing_is_fetched(identity: Identity, consent: ConsentRecord) -> None:
    page = Page(render_report(identity, consent))
    assert "script" not in page.tags and "link" not in page.tags
    assert page.sources and all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "default-src 'none'" in render_report(identity, consent)


def test_refuses_a_folder_and_a_missing_folder(tmp_path: Path, identity: Identity, consent: ConsentRecord) -> None:
    for path in (tmp_path, tmp_path / "no" / "report.html"):
        with pytest.raises(BadInput):
            write_report(path, identity, consent)
    assert not list(tmp_path.iterdir())


def test_shows_every_crop_space_and_figure(tmp_path: Path, identity: Identity, consent: ConsentRecord) -> None:
    path = write_report(tmp_path / "report.html", identity, consent)
    text = path.read_text()
    page = Page(text)
    assert page.tags.count("img") == 3
    assert page.tags.count("circle") == 2
    for said in ("dlib-resnet-128", "ge2e-256", "6.2 s", "2 views", "-20° to +15°", "88 px", consent.consent_id):
        assert said in text
    # A pose beyond the chart is drawn on its edge.
    assert max(float(x) for x in re.findall(r'cx="([-\d.]+)"', text)) == 60
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_identity_of_a_voice_alone_has_a_report(consent: ConsentRecord) -> None:
    voice = Embedding("ge2e-256", "voice", np.ones(4, np.float32), (), 1.0, 4.0)
    text = render_report(Identity("i", consent.consent_id, "ada", {"ge2e-256": voice}), consent)
    assert "ge2e-256" in text and Page(text).tags.count("img") == 0
