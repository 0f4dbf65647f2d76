"""The disk that fails, and the one that loses its power, over a program of which it is known what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.shim import build, compiler

PROGRAM = """
import json, random, sys
from pathlib import Path
from typing import Any
from enroll.files import write_atomically
from tests.faults.power import Journal
from tests.faults.shim import FAULTS, Shim

def contents(folder):
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}

def write(folder):
    (folder / "loose").write_text("ab")
    write_atomically(folder / "sure", b"cd")

root, shim, told = Path(sys.argv[1]).resolve(), Shim(), {}
for name in ("disk", "rebuilt"):
    (root / name).mkdir()
journal = Journal(root / "disk")
with (root / "journal").open("w+b", buffering=0) as lines:
    shim.arm(root / "disk", journal=lines.fileno())
    write(root / "disk")
    told["calls"] = shim.disarm()
    journal.read((root / "journal").read_bytes())
for what, disk in journal.disks(len(journal), random.Random(0), 0):
    disk.write_to(root / "rebuilt")
    told[what] = contents(root / "rebuilt")
for fault in FAULTS:
    told[fault] = []
    for call in range(1, told["calls"] + 1):
        folder = root / f"{fault}{call}"
        folder.mkdir()
        shim.arm(folder, call=call, fault=fault)
        try:
            write(folder)
            said = 0
        except OSError as error:
            said = error.errno
        shim.disarm()
        told[fault].append([said, contents(folder)])
print(json.dumps(told))
"""
WHOLE = {"loose": "ab", "sure": "cd"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if compiler() is None:
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("shim")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder],
        env=os.environ | {"LD_PRELOAD": str(build(folder))},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
    )
    return json.loads(run.stdout)


def test_what_was_not_forced_to_the_disk_is_lost_with_the_power(told: dict[str, Any]) -> None:
    # The folder was synced after both names were made, and the content of one of the files never was.
    assert told["none"] == {"loose": "", "sure": "cd"}
    assert told["all"] == WHOLE
    assert told["torn"] == {"loose": "a", "sure": "cd"}


def test_every_call_fails_in_its_turn(told: dict[str, Any]) -> None:
    # Two to write loosely; to make, write, sync, rename and sync the folder, surely.
    assert told["calls"] == 7
    assert [said for said, _ in told["eio"]] == [5] * 7
    assert [said for said, _ in told["enospc"]] == [28] * 7
    assert [there.get("sure") for _, there in told["eio"]] == [None] * 6 + ["cd"]
    assert all(set(there) <= set(WHOLE) for _, there in told["eio"]), "nothing is left behind"


def test_who_is_given_half_a_write_goes_on_with_the_other_half(told: dict[str, Any]) -> None:
    assert told["short"] == [[0, WHOLE]] * 7


def test_a_dead_disk_keeps_what_cannot_be_tidied_up(told: dict[str, Any]) -> None:
    assert any(name.endswith(".tmp") for _, there in told["dead"] for name in there)
