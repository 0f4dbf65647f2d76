"""Another database in the place of one: over a whole one as over one with any damage."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from cameo.vault.sqlite import overwrite

DAMAGES = ("header", "first page", "anywhere", "cut short", "a page of zeros", "a journal of nobody's")


def database(path: Path, rows: int) -> Path:
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE kept (a BLOB, b BLOB)")
        made.execute("CREATE INDEX by_a ON kept (a)")
        made.executemany("INSERT INTO kept VALUES (?, ?)", [(os.urandom(8), os.urandom(300)) for _ in range(rows)])
    return path


def damage(path: Path, kind: str, chance: Random) -> None:
    content = bytearray(path.read_bytes())
    if kind in ("header", "first page", "anywhere"):
        begin, end, count = {"header": (0, 100, 3), "first page": (16, 4096, 50)}.get(kind, (100, len(content), 500))
        for _ in range(count):
            content[chance.randrange(begin, end)] = chance.randrange(256)
    elif kind == "cut short":
        del content[chance.randrange(len(content)) :]
    elif kind == "a page of zeros":
        at = chance.randrange(0, len(content), 4096)
        content[at : at + 4096] = bytes(4096)
    else:
        magic = bytes.fromhex("d9d505f920a163d7")
        path.with_name(f"{path.name}-journal").write_bytes(magic + chance.randbytes(chance.randrange(5000)))
    path.write_bytes(content)


@pytest.mark.parametrize("kind", DAMAGES)
def test_whatever_is_wrong_with_the_old_one_the_new_one_is_whole(tmp_path: Path, kind: str) -> None:
    new, old = database(tmp_path / "new", 100), database(tmp_path / "old", 200)
    for seed in range(25):
        path, source = Path(shutil.copy(old, tmp_path / "here")), Path(shutil.copy(new, tmp_path / "source"))
        damage(path, kind, Random(f"{kind} {seed}"))
        overwrite(path, source)
        with closing(sqlite3.connect(path)) as there:
            assert there.execute("PRAGMA integrity_check").fetchall() == [("ok",)], seed
            assert there.execute("SELECT COUNT(*) FROM kept").fetchone() == (100,), seed
        assert not path.with_name("here-journal").exists()


def test_nothing_changes_where_there_is_no_room(tmp_path: Path) -> None:
    new, old = database(tmp_path / "new", 400), database(tmp_path / "old", 100)
    with closing(sqlite3.connect(old)) as there:
        (pages,) = there.execute("PRAGMA page_count").fetchone()
    before = old.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((pages + 2) * 4096, hard))
    try:
        with pytest.raises(sqlite3.OperationalError, match=r"full|I/O"):
            overwrite(old, new)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert old.read_bytes() == before
