"""The relying side: it never goes back, never goes on too long, and never takes one issuer's word for another's."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cameo.errors import StatusListInvalid, StatusListNotInForce, StatusListRolledBack
from cameo.status import LEAST_ENTRIES, StatusReader
from enroll.signature import thumbprint

GONE, PAUSED = 7, 94_567


@pytest.fixture
def reader(tmp_path: Path, keys, clock) -> StatusReader:
    return StatusReader(tmp_path / "status", {thumbprint(keys[0])}, clock=clock)


@pytest.fixture
def issuer(keys) -> str:
    return thumbprint(keys[0])


def refuses(reader, offered, error, match: str, status: int) -> None:
    """And what was remembered is what it was."""
    folder = reader._folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
    with pytest.raises(error, match=match) as caught:
        reader.accept(offered)
    assert caught.value.exit_status == status and "\n" not in caught.value.message
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before if before else True


def test_without_a_list_nobody_is_valid(reader, issuer) -> None:
    with pytest.raises(StatusListNotInForce, match="no status list of"):
        reader.standing(issuer, 1)


def test_a_list_that_goes_back(reader, issue, issuer) -> None:
    older, newer = issue(epoch=4, revoked=()), issue(epoch=5)
    reader.accept(newer)
    refuses(reader, older, StatusListRolledBack, "of epoch 4, and one of epoch 5", 4)
    assert reader.standing(issuer, GONE) == "revoked"


def test_a_list_that_goes_back_in_another_process(reader, issue, issuer, tmp_path, keys, clock) -> None:
    reader.accept(issue(epoch=5))
    another = StatusReader(tmp_path / "status", {issuer}, clock=clock)
    refuses(another, issue(epoch=4), StatusListRolledBack, "epoch 5 is known", 4)


def test_two_lists_of_one_epoch(reader, issue) -> None:
    reader.accept(issue(epoch=5))
    refuses(reader, issue(epoch=5, revoked=()), StatusListRolledBack, "two status lists of epoch 5", 4)
    refuses(reader, issue(epoch=5, suspended=()), StatusListRolledBack, "two status lists of epoch 5", 4)


def test_a_list_that_became_shorter(reader, issue) -> None:
    reader.accept(issue(epoch=5, size=2 * LEAST_ENTRIES))
    refuses(reader, issue(epoch=6), StatusListRolledBack, "has 131072 entries, and one of 262144", 4)


def test_forged_strange_and_unsigned(reader, issue, keys) -> None:
    good = issue()
    for bad, match in [
        (good.model_copy(update={"epoch": 9}), "changed"),
        (good.model_copy(update={"signature": None}), "not signed"),
        (issue(key=keys[1]), "nobody here trusts"),
    ]:
        refuses(reader, bad, StatusListInvalid, match, 3)
    reader.accept(good)
    refuses(reader, issue(key=keys[1], epoch=9), StatusListInvalid, "nobody here trusts", 3)


def test_expired_and_from_the_future(reader, issue, clock) -> None:
    issued = issue()
    clock.advance(hours=-1)
    refuses(reader, issued, StatusListNotInForce, "still to come here", 4)
    clock.advance(hours=25)
    refuses(reader, issued, StatusListNotInForce, "was good until", 4)


def test_without_a_network_until_the_greatest_age_and_no_longer(reader, issue, issuer, clock) -> None:
    reader.accept(issue(hours=2))
    clock.advance(hours=2, seconds=-1)
    assert reader.standing(issuer, 0) == "valid"
    clock.advance(seconds=1)
    with pytest.raises(StatusListNotInForce):
        reader.standing(issuer, 0)
    clock.advance(hours=-3)
    with pytest.raises(StatusListNotInForce):
        reader.standing(issuer, 0)


def test_what_it_says(reader, issue, issuer) -> None:
    reader.accept(issue())
    assert [reader.standing(issuer, index) for index in (GONE, PAUSED, 0)] == ["revoked", "suspended", "valid"]
    with pytest.raises(StatusListInvalid, match="none with index"):
        reader.standing(issuer, LEAST_ENTRIES)


def test_the_next_list_takes_the_place_of_the_last(reader, issue, issuer, clock) -> None:
    reader.accept(issue(epoch=1, suspended=(PAUSED,)))
    assert reader.accept(issue(epoch=2, suspended=(), size=2 * LEAST_ENTRIES)).epoch == 2
    assert reader.standing(issuer, PAUSED) == "valid"
    # The same, issued later: it may be relied on for longer.
    clock.advance(hours=20)
    later = issue(epoch=2, suspended=(), size=2 * LEAST_ENTRIES)
    assert reader.accept(later) == later
    clock.advance(hours=20)
    assert reader.held(issuer) == later


def test_the_same_list_again_and_an_earlier_copy_of_it(reader, issue, clock) -> None:
    early = issue()
    clock.advance(hours=1)
    late = issue()
    for offered in (late, late, early):
        assert reader.accept(offered) == late


def test_one_issuer_has_no_say_about_anothers_people(tmp_path, issue, keys, clock) -> None:
    one, two = (thumbprint(key) for key in keys)
    reader = StatusReader(tmp_path / "status", {one, two}, clock=clock)
    reader.accept(issue(epoch=5))
    reader.accept(issue(epoch=1, key=keys[1], revoked=()))
    assert (reader.standing(one, GONE), reader.standing(two, GONE)) == ("revoked", "valid")
    # One's file put in the other's place.
    (tmp_path / "status" / f"{one}.json").write_bytes((tmp_path / "status" / f"{two}.json").read_bytes())
    with pytest.raises(StatusListInvalid, match="does not hold"):
        reader.standing(one, GONE)


@pytest.mark.parametrize("issuer", ["../../etc/passwd", "", "A" * 43])
def test_nobody_asks_for_a_stranger(reader, issuer) -> None:
    with pytest.raises(StatusListInvalid, match="nobody here trusts"):
        reader.standing(issuer, 0)


@pytest.mark.parametrize("damage", [b"", b"{}", b"half"])
def test_what_is_remembered_is_verified_again(reader, issue, issuer, tmp_path, damage) -> None:
    reader.accept(issue(epoch=5))
    path = tmp_path / "status" / f"{issuer}.json"
    path.write_bytes(path.read_bytes()[:500] if damage == b"half" else damage)
    for act in (lambda: reader.standing(issuer, 0), lambda: reader.accept(issue(epoch=1))):
        with pytest.raises(StatusListInvalid, match="does not hold") as caught:
            act()
        assert "remove it" in caught.value.hint


def test_files_are_their_owners_alone(reader, issue, tmp_path, issuer) -> None:
    reader.accept(issue())
    assert stat.S_IMODE((tmp_path / "status").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "status").iterdir()] == [f"{issuer}.json"]
    assert stat.S_IMODE((tmp_path / "status" / f"{issuer}.json").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_one(tmp_path, issue, issuer, clock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StatusListInvalid, match="cannot hold status lists"):
        StatusReader(tmp_path / "file", {issuer}, clock=clock).accept(issue())


WAITS = """
import sys
from datetime import datetime
from cameo.errors import StatusListRolledBack
from cameo.status import StatusList, StatusReader

folder, issuer, now, file = sys.argv[1:]
reader, offered = StatusReader(folder, {issuer}, clock=lambda: datetime.fromisoformat(now)), StatusList.load(file)
print("ready", flush=True)
try:
    reader.accept(offered)
except StatusListRolledBack:
    sys.exit(42)
"""


def test_of_two_processes_the_one_with_the_older_list_sees_the_newer(reader, tmp_path, issue, issuer, clock) -> None:
    """While one compares and writes, the other waits; then it compares with what was written."""
    reader.accept(issue(epoch=3))
    issue(epoch=4).save(tmp_path / "older.json")
    words = [sys.executable, "-c", WAITS, tmp_path / "status", issuer, clock().isoformat(), tmp_path / "older.json"]
    with reader._locked():
        other = subprocess.Popen(words, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE)
        assert other.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
        issue(epoch=5).save(tmp_path / "status" / f"{issuer}.json")
    assert other.wait(60) == 42
    other.stdout.close()
    assert reader.held(issuer).epoch == 5
