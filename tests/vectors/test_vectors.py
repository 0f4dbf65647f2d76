"""The vectors: that they are what the generator writes, that our readers give the verdicts in them, and that what can
be judged by other implementations is as they say."""

from __future__ import annotations

import json
import warnings
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.book import FLAGS, SCHEMA, Book
from tests.vectors.files import FOLDER, KINDS, vectors
from tests.vectors.judge import grown, included, is_checkpoint, is_log, signed_by_one_of
from tests.vectors.lines import LINES, Refusals, refusals, told
from tests.vectors.make import BOOKS, spelled
from tests.vectors.readers import content_of, inputs_of, write_files

VERDICT = {"tcId", "comment", "flags", "result", "error", "madeFrom"}
CONTENT = {"document", "text", "base64", "files"}
JUDGED = {"Genuine", "Edge", "Swapped", "Changed", "Forged", "Truncated", "Beyond", "Replayed", "RolledBack"}

# The other looks at neither.
LENIENT = {"no line end at the end", "an earlier bundle that says otherwise"}


@pytest.fixture(autouse=True)
def keys_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMEO_KEYSTORE", "file")


def test_the_folder_tells_how_many_there_are() -> None:
    told = (FOLDER / "README.md").read_text()
    for kind in KINDS:
        results = [test["result"] for _, _, test in vectors(kind)]
        assert f"| `{kind}.json` | {len(results)} | {results.count('invalid')} |" in told


def test_there_are_many_and_most_must_fail() -> None:
    results = [test["result"] for kind in KINDS for _, _, test in vectors(kind)]
    assert len(results) >= 450 and results.count("invalid") >= 2 * len(results) / 3
    assert set(results) == {"valid", "invalid"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_500_000


@pytest.mark.parametrize("make", BOOKS, ids=lambda make: f"{make.__module__.split('.')[-1]}.{make.__name__}")
def test_the_files_are_what_the_generator_writes(make: Callable[[], Book]) -> None:
    book = make()
    assert (FOLDER / f"{book.kind}.json").read_text() == spelled(book)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_describes_itself(kind: str) -> None:
    told = json.loads((FOLDER / f"{kind}.json").read_text())
    tests = [test for group in told["testGroups"] for test in group["tests"]]
    assert (told["schema"], told["kind"], told["numberOfTests"]) == (SCHEMA, kind, len(tests))
    assert sorted(test["tcId"] for test in tests) == list(range(1, len(tests) + 1))
    assert {flag for test in tests for flag in test["flags"]} == set(told["notes"]) <= set(FLAGS)
    for test in tests:
        assert (test["result"] == "invalid") is ("error" in test) is ("madeFrom" in test)


@pytest.fixture(scope="module", params=KINDS)
def read_by_us(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Refusals, Path]]:
    """A kind, how our readers refuse what is in it, and where its files lay meanwhile. Packages take long to open."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("CAMEO_KEYSTORE", "file")
        warnings.filterwarnings("ignore", "A minimum iteration count")
        yield request.param, refusals(request.param, folder), folder


def test_our_readers_say_the_same(read_by_us: tuple[str, Refusals, Path]) -> None:
    wrong = []
    for test, refusal in read_by_us[1]:
        said = ("valid", None) if refusal is None else ("invalid", refusal.code)
        if said != (test["result"], test.get("error")):
            wrong.append((test["tcId"], test["comment"], said))
    assert wrong == []


def test_a_person_is_told_what_is_written_down(read_by_us: tuple[str, Refusals, Path]) -> None:
    kind, refused, folder = read_by_us
    assert told(refused, folder) == (LINES / f"{kind}.txt").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_each_that_fails_differs_from_one_that_does_not_in_what_it_names(kind: str) -> None:
    by_id = {test["tcId"]: inputs_of(group, test) for _, group, test in vectors(kind)}
    for _, _, test in vectors(kind):
        if test["result"] == "valid":
            continue
        made, source = by_id[test["tcId"]], by_id[test["madeFrom"]]
        assert source["result"] == "valid"
        content = {name: made[name] for name in CONTENT & set(made)} != {n: source[n] for n in CONTENT & set(source)}
        others = {n for n in made if n not in VERDICT | CONTENT and made[n] != source.get(n, made[n])}
        # Somebody's memory, or the list that goes with another day, may have to change with it.
        if {"known", "status"} & others and (content or len(others) > 1):
            others -= {"known", "status"}
        assert content + len(others) == 1, test
        if test["flags"] == ["Changed"] and "document" in made and "document" in source:
            assert len(_apart(made["document"], source["document"])) <= 1 or "agreement" in test["comment"], test


def _apart(one: Any, other: Any, at: str = "") -> list[str]:
    """Where two documents differ; their signatures aside."""
    if isinstance(one, dict) and isinstance(other, dict) and set(one) == set(other):
        return [p for n in one if n not in ("signature", "agreement") for p in _apart(one[n], other[n], f"{at}.{n}")]
    return [] if one == other else [at]


@pytest.mark.parametrize("kind", ["consent", "receipt", "signed-grant", "status-list", "certificate"])
def test_another_implementation_finds_the_signatures_as_they_are_said_to_be(kind: str) -> None:
    judged = 0
    for type_, group, test in vectors(kind):
        if "document" not in test or type_ == "CertificateInLog":
            continue
        trusted = test["trusted"] if test["result"] == "valid" and "trusted" in test else group["trusted"]
        whole = signed_by_one_of(test["document"], trusted)
        (flag, *_) = test["flags"]
        if flag in ("Genuine", "Older", "Edge", "Expired", "Replayed", "RolledBack", "Beyond"):
            # It fails for its own reason: the signature is good.
            assert whole, test["comment"]
        elif flag in ("Forged", "Changed", "Swapped"):
            assert not whole, test["comment"]
        else:
            continue
        judged += 1
    assert judged >= 15


@pytest.mark.parametrize("kind", ["checkpoint", "inclusion", "consistency", "tiles"])
def test_another_implementation_finds_the_log_as_it_is_said_to_be(kind: str, tmp_path: Path) -> None:
    """But for spelling, and for signatures beside the log's own, at which the other does not look."""
    judged = 0
    for _, group, test in vectors(kind):
        if test["flags"][0] not in JUDGED or "signature" in test["comment"] or test["comment"] in LENIENT:
            continue
        inputs = inputs_of(group, test)
        (folder := tmp_path / str(test["tcId"])).mkdir()
        assert another_finds(kind, inputs, folder) is (test["result"] == "valid"), test["comment"]
        judged += 1
    assert judged >= 10


def another_finds(kind: str, inputs: dict[str, Any], folder: Path) -> bool:
    key = inputs["verifierKey"]
    if kind == "tiles":
        write_files(inputs, folder)
        return is_log(folder, key)
    if kind == "consistency":
        return grown(content_of(inputs), key, None if inputs["since"] is None else b64decode(inputs["since"]))
    return (is_checkpoint if kind == "checkpoint" else included)(content_of(inputs), key)
