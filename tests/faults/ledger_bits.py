"""Flip one bit of a ledger, see whether that is found, flip it back; many times.

    python -m tests.faults.ledger_bits --flips 10000 [--lines 700] [--only database] [--seed 0]

Where: in every file of an exported folder, by size; and in every value of the database's ledger rows and of its
checkpoint, by size. Found means the typed error of an integrity failure, nothing else. Ends with status 1 if any flip
was not found. The vault lies in memory where there is such a folder: what is measured is not the disk.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import numpy as np

from cameo.errors import KitError, ProofInvalid, StoreDamaged
from cameo.log.folder import verify_folder
from cameo.log.note import Verifier
from cameo.vault import Vault
from enroll.consent import ConsentRecord
from enroll.identity import Identity, Speech
from tests.memory import memory_folder

COLUMNS = ("seq", "at", "event", "commitment", "nodes", "identity_id", "opening")


def fill(home: Path, lines: int) -> Vault:
    """A vault with so many lines, of which a sixth are of somebody who left."""
    vault = Vault(home)

    def put(handle: str) -> None:
        consent = ConsentRecord.new(name=handle, handle=handle).attest(by="faults", key=vault.operator)
        speech = Speech(np.full(2000, 0.5, np.float32))
        vault.put(Identity(str(uuid4()), consent.consent_id, handle, {}, (), speech), consent)

    put("ada")
    put("grace")
    for n in range(lines - 4):
        vault.allow("grace" if n % 6 else "ada", f"user{n}")
    vault.revoke("ada")
    return vault


def flip_files(folder: Path, verifier: Verifier, flips: int, chance: random.Random) -> Counter[str]:
    """Flips in an export, by whether they were found; counted with what kind of file they were in."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    found: Counter[str] = Counter()
    for path in chance.choices(files, sizes, k=flips):
        whole = path.read_bytes()
        bit = chance.randrange(8 * len(whole))
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        found[_outcome(lambda: verify_folder(folder, verifier), ProofInvalid, f"bit {bit} of {path}")] += 1
        path.write_bytes(whole)
    verify_folder(folder, verifier)
    return found


def flip_rows(vault: Vault, flips: int, chance: random.Random) -> Counter[str]:
    """Flips in the database's values."""
    found: Counter[str] = Counter()
    with closing(sqlite3.connect(vault.home / "vault.sqlite3", isolation_level=None)) as raw:
        raw.execute("PRAGMA synchronous=OFF")
        values = [
            ("ledger", "seq", seq, column, kind, size)
            for column in COLUMNS
            for seq, kind, size in raw.execute(
                f"SELECT seq, typeof({column}), length(CAST({column} AS BLOB)) FROM ledger WHERE {column} NOT NULL"  # noqa: S608
            )
        ]
        values += [
            ("meta", "id", 1, "head", *raw.execute("SELECT 'text', length(CAST(head AS BLOB)) FROM meta").fetchone())
        ]
        # An integer is written in a few bytes, and is 8 of them to whoever reads it.
        weights = [8 if kind == "integer" else size for *_, kind, size in values]
        while found.total() < flips:
            ((table, key, row, column, kind, _),) = chance.choices(values, weights)
            before, after = _flipped(raw, table, key, row, column, kind, chance)
            now = after if (column, key) == ("seq", "seq") else row
            update = f"UPDATE {table} SET {column} = {_typed(kind)} WHERE {key} = ?"  # noqa: S608
            try:
                raw.execute(update, (after, row))
            except sqlite3.IntegrityError:
                continue  # A line number that another line has: SQLite does not hold two of them.
            what = f"{table}.{column} of {row}: {after!r} for {before!r}"
            found[_outcome(vault.verify_log, StoreDamaged, what)] += 1
            raw.execute(update, (before, now))
    vault.verify_log()
    return found


def _flipped(
    raw: sqlite3.Connection, table: str, key: str, row: int, column: str, kind: str, chance: random.Random
) -> tuple[object, object]:
    read = column if kind == "integer" else f"CAST({column} AS BLOB)"
    (value,) = raw.execute(f"SELECT {read} FROM {table} WHERE {key} = ?", (row,)).fetchone()  # noqa: S608
    content = value.to_bytes(8, "big", signed=True) if kind == "integer" else value
    bit = chance.randrange(8 * len(content))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return value, int.from_bytes(changed, "big", signed=True) if kind == "integer" else bytes(changed)


def _typed(kind: str) -> str:
    return "CAST(? AS TEXT)" if kind == "text" else "?"


def _outcome(check: Callable[[], object], expected: type[KitError], what: str) -> str:
    try:
        check()
    except expected:
        return "found"
    except Exception as error:
        print(f"{what}: ended in {type(error).__name__}: {error}", file=sys.stderr)
        return "another error"
    print(f"{what}: not found", file=sys.stderr)
    return "not found"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flips", type=int, default=10_000, help="in the folder, and as many in the database")
    parser.add_argument("--lines", type=int, default=700, help="of the ledger")
    parser.add_argument("--only", choices=["folder", "database"], help="one of the two")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(dir=memory_folder(), prefix="cameo-faults-") as folder:
        vault = fill(Path(folder) / "home", options.lines)
        vault.export_log(Path(folder) / "tiles")
        outcomes = []
        for where, flip in [
            ("folder", lambda: flip_files(Path(folder) / "tiles", vault.log_key, options.flips, chance)),
            ("database", lambda: flip_rows(vault, options.flips, chance)),
        ]:
            if options.only not in (None, where):
                continue
            began = time.perf_counter()
            found = flip()
            outcomes.append(found)
            seconds = time.perf_counter() - began
            print(f"{where}: {found['found']} of {found.total()} flips found, {options.lines} lines, {seconds:.0f} s")
    sys.exit(any(found["found"] != found.total() for found in outcomes))


if __name__ == "__main__":
    main()
