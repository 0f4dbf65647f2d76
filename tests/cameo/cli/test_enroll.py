"""``cameo enroll`` as its users meet it: several people, a page of a refusal, a bar with stages, Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from cameo.demo import CLIP
from cameo.studio import KEEPING, Studio

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 240.0


@pytest.fixture
def consent(studio: Studio, tmp_path: Path) -> Path:
    return consented(studio, tmp_path, "ada")


def consented(studio: Studio, folder: Path, handle: str) -> Path:
    path = folder / f"{handle}.json"
    studio.attest(studio.new_consent(name="Ada", handle=handle, scope=("face", "body")), by="the tests").save(path)
    return path


def film(path: Path, *, mirrored: bool = False) -> Path:
    """Two seconds of the shipped clip, silent; on request beside its mirror image, as two people."""
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as target:
        fps = round(float(source.streams.video[0].average_rate))
        pictures = [frame.to_ndarray(format="rgb24") for frame in islice(source.decode(video=0), 2 * fps)]
        stream = target.add_stream("libx264", rate=fps)
        if mirrored:
            pictures = [np.ascontiguousarray(np.hstack([picture, picture[:, ::-1]])) for picture in pictures]
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        for picture in pictures:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        target.mux(stream.encode(None))
    return path


def test_two_people_are_named_and_shown_and_one_is_chosen(cameo, consent: Path, tmp_path: Path) -> None:
    clip, report = film(tmp_path / "two.mp4", mirrored=True), tmp_path / "report.html"
    words = ("enroll", clip, "--consent", consent, "--report", report, "--json")
    ran = cameo(*words)
    assert (ran.status, ran.error["code"], ran.err) == (3, "several_people", "")
    assert re.search(r"2 people in two\.mp4: 1 left, 0\.\d-\d\.\d s; 2 right", ran.error["message"])
    assert ran.error["hint"].endswith(f"see {report}")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    page = report.read_text()
    assert "--subject 1" in page and "--subject 2" in page and "Nobody was enrolled" in page

    assert "--report" not in page
    ran = cameo("enroll", clip, "--consent", consent, "--json")
    assert ran.error["hint"].endswith("--subject NUMBER; --report FILE shows them")

    ran = cameo(*words, "--subject", "3")
    assert (ran.status, ran.error["code"]) == (3, "bad_input")
    ran = cameo(*words, "--subject", "2")
    assert (ran.status, ran.err) == (0, ""), ran.out
    assert ran.json["subject"] == {"number": 2, "of": 2}
    assert ran.json["voice"] is None
    assert ran.json["coverage"]["yaw"][0] < ran.json["coverage"]["yaw"][1]
    page = report.read_text()
    assert "@ada is enrolled" in page and "Person 2, the subject" in page and "Person 1, not shown" in page


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_ctrl_c_while_the_program_is_being_loaded(consent: Path, home: Path, tmp_path: Path, seconds: float) -> None:
    running = Running(home, tmp_path / "scratch", "enroll", CLIP, "--consent", consent)
    time.sleep(seconds)
    status = running.stop()
    assert (status, running.lines[-1]) == (130, "error: stopped")
    assert "Traceback" not in running.shown


class Running:
    """``cameo enroll`` in a session of its own, whose bar is drawn on a terminal that is read here."""

    def __init__(self, home: Path, scratch: Path, *words: str | Path) -> None:
        scratch.mkdir()
        self.master, slave = pty.openpty()
        environment = os.environ | {"TMPDIR": str(scratch), "CAMEO_HOME": str(home), "TERM": "xterm", "COLUMNS": "120"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cameo", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=slave,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def wait_for(self, stage: str) -> None:
        end = time.monotonic() + PATIENCE
        while stage not in self.shown:
            assert self._read() and time.monotonic() < end, self.shown[-2000:]

    def stop(self) -> int:
        """Ctrl-C, and its exit status."""
        self.process.send_signal(signal.SIGINT)
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    @property
    def left(self) -> list[str]:
        """Processes that are still in its session."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(entry.parent.name)
        return found

    @property
    def lines(self) -> list[str]:
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown)
        return [line.strip() for line in re.split(r"[\r\n]+", plain) if line.strip()]

    def _read(self) -> bool:
        """More of what it shows; False at its end."""
        if not select.select([self.master], [], [], PATIENCE)[0]:
            return False
        try:
            more = os.read(self.master, 65536)
        except OSError:  # Linux says so when the other side has closed
            return False
        self.shown += more.decode(errors="replace")
        return bool(more)


STAGES = ("opening the encoders", "watching the clip", "learning the person")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_leaves_nothing_behind(studio: Studio, home: Path, vault_bytes, tmp_path: Path, stage: str) -> None:
    clip = film(tmp_path / "clip.mp4")
    # On a busy machine a stage can be over before anybody has read of it.
    for attempt in range(4):
        consent, scratch = consented(studio, tmp_path, f"ada{attempt}"), tmp_path / f"scratch{attempt}"
        before, folder = vault_bytes(), sorted(tmp_path.iterdir())
        report = tmp_path / f"report{attempt}.html"
        running = Running(home, scratch, "enroll", clip, "--again", "--consent", consent, "--report", report)
        running.wait_for(stage)
        status = running.stop()
        if status != 0:
            break
    assert (status, running.lines[-1]) == (130, "error: stopped")
    assert "Traceback" not in running.shown and KEEPING not in running.shown
    assert running.left == []
    # torch makes an empty folder for what it might compile one day.
    assert [path for path in scratch.rglob("*") if not path.is_dir()] == []
    assert sorted(tmp_path.iterdir()) == sorted([*folder, scratch])
    assert vault_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_is_too_late_once_the_person_is_kept(consent: Path, home: Path, studio: Studio, tmp_path: Path) -> None:
    clip, report = film(tmp_path / "clip.mp4"), tmp_path / "report.html"
    words = ("enroll", clip, "--consent", consent, "--encoders", "dlib-resnet-128,appearance", "--report", report)
    running = Running(home, tmp_path / "scratch", *words)
    running.wait_for(KEEPING)
    assert running.stop() == 0
    assert "error" not in running.shown and running.left == []
    assert studio.show("ada").status == "active" and report.is_file()
