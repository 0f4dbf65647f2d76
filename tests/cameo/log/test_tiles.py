"""Logs as folders: the paths of the standard, the tiles by its words, and what does not belong there."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameo.errors import ProofInvalid
from cameo.log import Verifier
from cameo.log.folder import export, verify_folder
from cameo.log.tiles import MAX_ENTRY_BYTES, Tile, Tiling, pack, unpack
from tests.cameo.log import judge
from tests.cameo.log.conftest import make_log
from tests.faults.ledger_bits import flip_files


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(1, 1000, 17), "tile/1/x001/000.p/17"),
        (Tile("entries", 999, 1), "tile/entries/999.p/1"),
        (Tile("entries", 1_000_000), "tile/entries/x001/x000/000"),
    ],
)
def test_paths_of_the_standard(tile: Tile, path: str) -> None:
    assert str(tile) == path


def test_the_example_of_the_standard() -> None:
    """A tree of 70,000: 273 full tiles and one of 112 at level 0, one full and one of 17 at level 1, one of 1 at
    level 2."""
    tiling, tiles = Tiling(), []
    for _ in range(70_000):
        tiles += [tile for tile, _ in tiling.add(b"")]
    tiles += [tile for tile, _ in tiling.rest()]
    by_level = {level: [tile for tile in tiles if tile.level == level] for level in ("entries", 0, 1, 2)}
    assert [tile.width for tile in by_level[0]] == [256] * 273 + [112] == [t.width for t in by_level["entries"]]
    assert by_level[1] == [Tile(1, 0), Tile(1, 1, 17)] and by_level[2] == [Tile(2, 0, 1)]
    assert [tile.index for tile in by_level[0]] == list(range(274)) and len(tiles) == 274 * 2 + 3


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 700])
def test_a_folder_by_an_independent_judge(tmp_path: Path, size: int) -> None:
    log = make_log(size)
    export(tmp_path, log.entries, log.note(), log.verifier)
    origin, told, root = judge.read_note((tmp_path / "checkpoint").read_bytes(), str(log.verifier))
    assert (origin, int(told), base64.b64decode(root)) == ("example.com/log", size, judge.mth(log.entries))
    assert judge.read_entries(tmp_path, size) == log.entries
    level_1 = b"".join(judge.mth(log.entries[n * 256 : n * 256 + 256]) for n in range(size // 256))
    if level_1:
        assert (tmp_path / f"tile/1/000.p/{size // 256}").read_bytes() == level_1
    assert len(files(tmp_path)) == 1 + 2 * -(-size // 256) + bool(level_1)
    assert verify_folder(tmp_path, log.verifier).size == size


def test_a_folder_that_grows(tmp_path: Path) -> None:
    """Each export adds to the one before; what earlier checkpoints promise stays there, and is held to the log too."""
    log = make_log(600)
    for size in (0, 3, 5, 256, 300, 600):
        export(tmp_path, log.entries[:size], log.note(size), log.verifier)
        assert verify_folder(tmp_path, log.verifier).size == size
    assert {"tile/0/000.p/3", "tile/entries/000.p/5", "tile/0/001.p/44", "tile/0/001"} <= files(tmp_path)
    found = flip_files(tmp_path, log.verifier, 400, random.Random(1))
    assert found == {"found": 400}
    with pytest.raises(ProofInvalid, match="does not go on from"):
        export(tmp_path, log.entries[:599], log.note(599), log.verifier)


def test_what_does_not_go_on_from_the_folder_changes_nothing_there(tmp_path: Path) -> None:
    log, other = make_log(300), make_log(400)
    export(tmp_path, log.entries, log.note(), log.verifier)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    entries = [b"rewritten", *other.entries[1:]]
    from cameo.log import Checkpoint
    from cameo.log.merkle import root_of
    from tests.cameo.log.test_merkle import grown

    note = Checkpoint("example.com/log", 400, root_of(400, grown(entries))).sign(log.key)
    with pytest.raises(ProofInvalid, match="does not go on from") as caught:
        export(tmp_path, entries, note, log.verifier)
    assert "another folder" in caught.value.hint
    with pytest.raises(ProofInvalid, match="not those of the checkpoint"):
        export(tmp_path / "new", entries, other.note(), log.verifier)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_flipped_bits_of_a_folder(tmp_path: Path) -> None:
    """500 here; 10,000 by ``python -m tests.faults.ledger_bits``."""
    log = make_log(600)
    export(tmp_path, log.entries, log.note(), log.verifier)
    assert flip_files(tmp_path, log.verifier, 500, random.Random(0)) == {"found": 500}


def test_what_is_missing_swapped_or_added(tmp_path: Path) -> None:
    log = make_log(600)
    export(tmp_path, log.entries, log.note(), log.verifier)
    for name in sorted(files(tmp_path)):
        path = tmp_path / name
        whole = path.read_bytes()
        for content in (None, b"", whole[:-1], whole + b"\0", whole * 300):
            path.unlink() if content is None else path.write_bytes(content)
            with pytest.raises(ProofInvalid):
                verify_folder(tmp_path, log.verifier)
            path.write_bytes(whole)
    for name in ("tile/0/003", "tile/0/002.p/89", "tile/2/000.p/1", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(ProofInvalid, match=r"is no part of this log|does not fit"):
            verify_folder(tmp_path, log.verifier)
        (tmp_path / name).unlink()
    with pytest.raises(ProofInvalid, match="not signed by"):
        verify_folder(tmp_path, Verifier("example.com/log", bytes(32)))
    assert verify_folder(tmp_path, log.verifier).size == 600


@given(st.lists(st.binary(max_size=300), max_size=20))
@settings(deadline=None)
def test_bundles_there_and_back(entries: list[bytes]) -> None:
    bundle = pack(entries)
    assert unpack(bundle, len(entries)) == entries
    for wrong, count in [(bundle, len(entries) + 1), (bundle + b"\0", len(entries)), (bundle[:-1], len(entries))]:
        if wrong != bundle or count != len(entries):
            with pytest.raises(ProofInvalid):
                unpack(wrong, count)


def test_an_entry_that_is_too_long() -> None:
    list(Tiling().add(bytes(MAX_ENTRY_BYTES)))
    with pytest.raises(ProofInvalid, match="at most 65535"):
        list(Tiling().add(bytes(MAX_ENTRY_BYTES + 1)))
