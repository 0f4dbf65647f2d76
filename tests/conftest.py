"""Shared fixtures, and the rule about skipping.

A test that needs material which is not part of this repository (real clips, other people's weights) takes it from the
``shared`` fixture and is skipped with a reason where it is absent. Every other skip is a failure when
``CAMEO_REQUIRE_ALL=1``: there, what could run must run.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import speechbrain  # noqa: F401  (imported for what it leaves in sys.modules, see below)
import torch
from speechbrain.utils.importutils import LazyModule

from tests.objects import ObjectServer
from tests.postgres import Server, binaries

ROOT = Path(__file__).resolve().parents[1]
ABSENT = "absent: "

torch.set_num_threads(1)

# librosa compiles on first use and keeps the result beside itself. Two workers that do so at once leave a file that
# crashes whoever reads it; so each has a place of its own.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"cameo-tests-numba-{os.getuid()}-{_WORKER}")

# SpeechBrain leaves lazy modules behind whose optional packages are not installed. Hypothesis asks every module for its
# file, which makes them try, and fail, to import. A module that answers at once is left in peace.
for _module in list(sys.modules.values()):
    if isinstance(_module, LazyModule) and "__file__" not in vars(_module):
        _module.__file__ = None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips, voices and weights beside the checkout (or ``$CAMEO_SHARED``)."""
    folder = Path(os.environ.get("CAMEO_SHARED", ROOT.parent / "shared"))
    if not (folder / "clips" / "MANIFEST.tsv").is_file():
        pytest.skip(f"{ABSENT}no real material at {folder}")
    return folder


@pytest.fixture(scope="session")
def clip_manifest(shared: Path) -> dict[str, dict[str, str]]:
    """Rows of ``clips/MANIFEST.tsv`` by file name."""
    with (shared / "clips" / "MANIFEST.tsv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file, delimiter="\t")}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A real server, one for each process that runs tests."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def objects() -> Iterator[ObjectServer]:
    """An S3 server, one for each process that runs tests."""
    server = ObjectServer()
    yield server
    server.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    outcome = yield
    report = outcome.get_result()
    if os.environ.get("CAMEO_REQUIRE_ALL") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if ABSENT not in reason:
        report.outcome = "failed"
        report.longrepr = f"skipped although everything is required here: {reason}"
