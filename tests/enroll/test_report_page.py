"""The report in a real browser: nothing runs over the edge and every text can be read, on a phone, a desk, on paper."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from enroll.report import render_report
from enroll.sightings import SHEET_EDGE
from tests.enroll.made_findings import answered, findings, identity, several
from tests.enroll.test_report import Page, consent

WIDTHS = (320, 360, 768, 1280)

MEASURE = (Path(__file__).parent / "measure_page.js").read_text()


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no chromium on this machine")
    return found


def browse(chromium: str, folder: Path, *words: str, dark: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"),
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            *words,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )


def pages() -> dict[str, str]:
    whole = consent(name="A" * 90 + " Wolfeschlegelsteinhausenbergerdorff")
    return {
        "enrolled": render_report(whole, answered(findings(1, 2, subject=1)), identity(whole)),
        "refused": render_report(whole, findings(1, 2, refusal=several())),
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_runs_over_the_edge_and_every_text_can_be_read(chromium: str, tmp_path: Path, dark: bool) -> None:
    made = pages()
    frames = "".join(
        f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{html.escape(text)}"></iframe>'
        for text in made.values()
        for width in WIDTHS
    )
    (tmp_path / "holder.html").write_text(f"<!doctype html><body>{frames}<script>{MEASURE}</script></body>")
    ran = browse(chromium, tmp_path, "--dump-dom", f"file://{tmp_path}/holder.html", dark=dark)
    assert "CONSOLE" not in ran.stderr, re.findall(r".*CONSOLE.*", ran.stderr)
    body = re.search(r"<body>(.*)</body>", ran.stdout, re.DOTALL)
    assert body is not None, ran.stderr[-2000:]
    measured = json.loads(html.unescape(body[1]))
    assert [found["width"] for found in measured] == [*WIDTHS, *WIDTHS]
    for found in measured:
        assert found["scroll"] <= found["width"] and found["beyond"] == []
        assert found["faint"] == []
        assert found["texts"] > 60 and found["drawn"] == found["images"] >= 9
        red, green, blue = (int(v) for v in re.findall(r"\d+", found["ground"])[:3])
        assert (red + green + blue < 150) == dark


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [(360, 800), (1280, 900)], ids=["phone", "desk"])
def test_it_is_drawn(chromium: str, tmp_path: Path, size: tuple[int, int], dark: bool) -> None:
    (tmp_path / "report.html").write_text(pages()["enrolled"])
    picture = tmp_path / "shot.png"
    words = (f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}", f"file://{tmp_path}/report.html")
    ran = browse(chromium, tmp_path, *words, dark=dark)
    assert "CONSOLE" not in ran.stderr
    shown = cv2.imread(str(picture))
    assert shown.shape[:2] == size[::-1]
    # Ink on paper, the other way round in the dark; the edges are empty, the middle is not.
    assert (np.median(shown) < 60) == dark and shown[:, :12].std() < 3 < shown.std()


def test_on_paper_it_is_whole_and_light(chromium: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(pages()["enrolled"])
    paper = tmp_path / "report.pdf"
    browse(chromium, tmp_path, f"--print-to-pdf={paper}", f"file://{tmp_path}/report.html", dark=True)
    content = paper.read_bytes()
    assert content.startswith(b"%PDF") and 2 <= content.count(b"/Type /Page\n") <= 12


def test_an_independent_detector_finds_the_subject_alone(shared: Path) -> None:
    """On the real interview of two people: OpenCV's YuNet, which found nobody in the pipeline."""
    from joserfc.jwk import OKPKey

    from enroll import ConsentRecord, enroll

    record = ConsentRecord.new(name="Left", handle="left", scope=("face",))
    record = record.attest(by="the test", key=OKPKey.generate_key("Ed25519"))
    found: list = []
    clip = shared / "clips" / "visualvoice_interview.mp4"
    kept = enroll(clip, record, subject=1, encoders=["dlib-resnet-128"], onlooker=found.append)
    page = Page(render_report(record, found[0], kept))
    assert len(page.frames) >= 6
    for shown in page.frames.values():
        height, width = shown.shape[:2]
        assert max(height, width) == SHEET_EDGE
        weights = shared / "weights" / "yunet_n_640_640.onnx"
        detector = cv2.FaceDetectorYN.create(str(weights), "", (2 * width, 2 * height), 0.6)
        _, faces = detector.detect(cv2.cvtColor(cv2.resize(shown, (2 * width, 2 * height)), cv2.COLOR_RGB2BGR))
        assert faces is not None and len(faces) == 1
        assert faces[0][0] < width  # the left half
