"""A short run of ``disk``; the long one is a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.shim import build, compiler


def test_no_call_that_fails_and_no_lost_power_leaves_half_of_anything(tmp_path: Path) -> None:
    if compiler() is None:
        pytest.skip("gcc is not installed")
    run = subprocess.run(
        [sys.executable, "-m", "tests.faults.disk", "--limit", "1"],
        env=os.environ | {"LD_PRELOAD": str(build(tmp_path))},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("wrong: 0\n")
