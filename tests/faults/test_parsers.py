"""A short run of ``parsers``; the long one is a command."""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import psutil
import pytest

from cameo.errors import ProofInvalid
from tests.faults.mutations import changed_json, spelled, tree_of
from tests.faults.parsers import run
from tests.faults.targets import TARGETS, Target

SLOW = {"taking": 60, "scene": 60, "identity": 200}


@pytest.mark.filterwarnings("ignore:A minimum iteration count")
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_a_little_wrong_is_refused_with_an_error_of_ours(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")
    target = TARGETS[name](tmp_path)
    account = run(target, SLOW.get(name, 300), seed=7)
    assert [(finding.number, finding.what) for finding in account.findings] == []
    assert account.accepted, "some of what is changed still says the same"
    assert account.refused.total() or name == "manifest"
    assert account.resealed or target.resealed is None


def _grow(content: bytes) -> object:
    # Far more than is allowed, and above what tests before this one took: not everywhere can the peak be set back.
    process = psutil.Process()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    raise ProofInvalid(str(len(b"x" * (max(0, peak - process.memory_info().rss) + 300_000_000))))


def _sit(content: bytes) -> object:
    began = time.process_time()
    while time.process_time() < began + 1.1:
        pass
    raise ProofInvalid("at last")


def _crash(content: bytes) -> object:
    raise KeyError("no")


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (_crash, r"raised KeyError: 'no' \(test_parsers.py"),
        (lambda content: content, "accepted, and means something else"),
        (_sit, r"took \d\.\d s"),
        (_grow, r"took \d+ MB"),
    ],
)
def test_what_goes_wrong_is_found(read: Callable[[bytes], object], what: str) -> None:
    def wrong_but_for_the_seed(content: bytes) -> object:
        return content if content == b"seed" else read(content)

    target = Target("wrong", [b"seed"], wrong_but_for_the_seed, lambda chance, content, other: content + b"!")
    (finding,) = run(target, 1).findings
    assert re.match(what, finding.what) and finding.content == b"seed!"


def _always(made: bytes, chance: Random, content: bytes, other: bytes) -> bytes:
    return made


def test_a_long_file_of_small_parts_costs_little(tmp_path: Path) -> None:
    target = TARGETS["status-list"](tmp_path)
    (seed, *_) = target.seeds
    for parts in (",".join(f'"a{number}":1' for number in range(500_000)), f'"a":[{"[]," * 2_500_000}[]]'):
        whole = seed.rstrip()[:-1] + b"," + parts.encode() + b"}"
        account = run(replace(target, changed=partial(_always, whole), resealed=None), 1)
        assert account.findings == [] and account.refused == {"status_list_invalid": 1}


def test_an_input_is_the_same_every_time(tmp_path: Path) -> None:
    target = TARGETS["checkpoint"](tmp_path)

    def inputs(count: int, first: int) -> list[bytes]:
        seen: list[bytes] = []

        def read(content: bytes) -> object:
            seen.append(content)
            return target.read(content)

        run(replace(target, read=read), count, 3, first)
        return seen[len(target.seeds) :]

    assert inputs(60, 0) == inputs(60, 0) and inputs(60, 0)[30:] == inputs(30, 30)


def test_json_is_changed_in_ways_that_a_library_would_not_write() -> None:
    text = '{"a": {"b": 1, "c": "x"}, "d": [1, 2, 3]}'
    made = {spelled(changed_json(Random(number), text, text)) for number in range(2000)}
    assert spelled(tree_of(text)) == text.replace(" ", "")
    assert any(one.count('"a"') == 2 for one in made)
    assert any("[[[[" in one for one in made) and any("NaN" in one for one in made)
    assert any('"d":[3,' in one for one in made) and any("\\u0061" in one for one in made)
