"""The decoder's process has no rights to speak of, cannot take us down with it, and never outlives its use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from enroll import clip as clip_module
from enroll.clip import Clip
from enroll.decoder import process
from enroll.errors import ClipUnreadable
from tests.enroll.children import children
from tests.enroll.conftest import noise, write_clip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be in the middle of: its greys alone fill the pipe and what the child may decode ahead."""
    frames = [np.full((480, 640, 3), n % 256, np.uint8) for n in range(200)]
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_nothing_is_left_after_opening_and_watching(path: Path) -> None:
    before = children()
    assert sum(1 for _ in Clip.open(path).watch(4)) == 200
    assert children() == before


def test_nothing_is_left_when_watching_stops_early(path: Path) -> None:
    before = children()
    frames = Clip.open(path).watch(30)
    next(frames)
    assert len(children()) == len(before) + 1
    frames.close()
    assert children() == before
    for _ in Clip.open(path).watch(30):
        break
    assert children() == before


def test_what_was_started_early_is_used_once_and_gone(path: Path) -> None:
    before = children()
    with Clip.opened(path) as clip:
        early = children()
        assert len(early) == len(before) + 1
        frames = clip.watch(30)
        next(frames)
        assert children() == early
        assert sum(1 for _ in frames) == 199
        assert children() == before
        assert sum(1 for _ in clip.watch(30)) == 200
    with Clip.opened(path), pytest.raises(ZeroDivisionError):
        1 / 0  # noqa: B018
    assert children() == before


def test_ctrl_c_leaves_nothing(path: Path) -> None:
    before = children()
    frames = Clip.open(path).watch(30)
    next(frames)
    with pytest.raises(KeyboardInterrupt):
        frames.throw(KeyboardInterrupt)
    assert children() == before


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU])
def test_a_crash_is_one_line(path: Path, how: signal.Signals) -> None:
    before = children()
    frames = Clip.open(path).watch(30)
    next(frames)
    (child,) = set(children()) - set(before)
    os.kill(child, how)
    with pytest.raises(ClipUnreadable, match="cannot be decoded") as caught:
        list(frames)
    assert caught.value.hint
    assert children() == before


def test_silence_is_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    frames = Clip.open(path).watch(30)
    next(frames)
    monkeypatch.setattr(process, "STALL_SECONDS", 0.3)
    (child,) = set(children()) - set(before)
    os.kill(child, signal.SIGSTOP)
    with pytest.raises(ClipUnreadable, match="no progress"):
        list(frames)
    assert children() == before


def test_a_slow_reader_is_not_taken_for_silence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip.open(path)
    monkeypatch.setattr(process, "STALL_SECONDS", 2.0)
    frames = clip.watch(30)
    next(frames)
    time.sleep(2.5)
    assert sum(1 for _ in frames) == 199


def test_too_little_memory_is_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip.open(path)
    for megabytes in (30, 100):
        monkeypatch.setattr(clip_module, "_MEMORY", megabytes << 20)
        with pytest.raises(ClipUnreadable):
            list(clip.watch(30))


def test_a_file_that_changed_is_not_watched(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", noise(20))
    clip = Clip.open(path)
    write_clip(tmp_path / "b.mp4", noise(30)).replace(path)
    with pytest.raises(ClipUnreadable, match="changed"):
        list(clip.watch(4))


def test_our_own_death_is_the_childs(path: Path) -> None:
    """Killed in the middle, without a chance to clean up."""
    script = (
        "import sys; from enroll.clip import Clip; from tests.enroll.children import children\n"
        "frames = Clip.open(sys.argv[1]).watch(30); next(frames); print(*children(), flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    assert until(lambda: not Path(f"/proc/{child}").exists() or "(zombie)" in Path(f"/proc/{child}/status").read_text())


PROBE = """
import os, resource, signal, socket, subprocess, sys
from enroll.decoder.limits import confine
confine(memory=1 << 30, cpu_seconds=7)
def refused(act):
    try:
        act()
    except (OSError, ValueError):
        return True
    return False
fourth = os.dup(0)
print(refused(lambda: open("/etc/hostname")), refused(lambda: open("/tmp/cameo-probe", "w")), refused(socket.socket),
      refused(lambda: subprocess.run(["true"], stdout=subprocess.PIPE)), refused(lambda: os.write(2, b"x")),
      resource.getrlimit(resource.RLIMIT_CPU) == (7, 7), resource.getrlimit(resource.RLIMIT_CORE) == (0, 0),
      refused(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))),
      signal.getsignal(signal.SIGINT) == signal.SIG_IGN)
try:
    bytearray(1 << 30)
except MemoryError:
    print("memory")
"""


def test_the_child_can_open_write_and_start_nothing(path: Path, tmp_path: Path) -> None:
    with path.open("rb") as file, (tmp_path / "errors").open("wb") as errors:
        told = subprocess.run(
            [sys.executable, "-c", PROBE],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            text=True,
            check=True,
        )
    assert told.stdout.split() == ["True"] * 9 + ["memory"]


def test_the_child_is_told_nothing_of_our_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it inherit an open file."""
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))  # type: ignore[call-overload]
        env = options["env"]
        assert isinstance(env, dict)
        assert not {"CAMEO_TOKEN", "HOME", "PATH", "PYTHONPATH"} & set(env)
        assert options.get("close_fds", True)
        return started[-1]

    monkeypatch.setenv("CAMEO_TOKEN", "secret")
    monkeypatch.setattr(subprocess, "Popen", start)
    Clip.open(path)
    assert started[0].returncode is not None
    assert "secret" not in repr(started[0].args)


def test_a_lying_child_is_not_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the decoder had been taken over: what it says is checked like any input."""
    lies = [
        ("S", 0, 0, 0, 0, 0, 1 << 31),
        ("F", 60_000, 60_000, 0, 0, 0, 3_600_000_000 % (1 << 32)),
        ("F", 480, 270, 65_535, 65_535, 0, 5),
        ("C", 0, 0, 0, 0, 0, 4),
        ("E", 0, 0, 0, 0, 0, 17),
        ("X", 0, 0, 0, 0, 0, 0),
        ("Z", 0, 0, 0, 0, 0, 0),
    ]
    clip = Clip.open(path)
    for kind, *numbers in lies:
        script = (
            "import os; from enroll.decoder.wire import HEADER;"
            f"os.write(1, HEADER.pack({kind.encode()!r}, 0, *{numbers[:4]}, 0.0, {numbers[5]}) + bytes(1000))"
        )
        monkeypatch.setattr(process, "_START", f"import sys; sys.path[:] = sys.argv[1:]; {script}")
        with pytest.raises(ClipUnreadable):
            Clip.open(path)
        if kind not in "Z":
            with pytest.raises(ClipUnreadable):
                list(clip.watch(4))
