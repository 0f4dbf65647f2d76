"""What is left in the database file of those who revoked, when it is too large to be rewritten: nothing may be.

    python -m tests.faults.remains --people 60 --vaults 3

Half of the people come before some thousand others and half after, so that their rows lie on pages that were split and
joined. Of each who leaves, every sealed value is read beforehand (key, entry, consent, grants, sketches, openings), and
looked for afterwards in the bytes of the file, in pieces of 16.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
import tempfile
from pathlib import Path
from unittest import mock

from benchmarks.gate import fill
from cameo.vault import Vault, sqlite
from enroll.consent import ConsentRecord
from tests.cameo.vault.conftest import noise
from tests.memory import memory_folder

__all__ = ["remains", "sealed_rows"]

_SEALED = (
    ("identities", "wrapped_key"),
    ("identities", "sealed_entry"),
    ("consents", "sealed"),
    ("grants", "sealed"),
    ("rules", "sealed"),
    ("sketches", "sealed"),
    ("ledger", "opening"),
)
_PIECE = 16


def remains(home: Path, people: int, others: int, rng: random.Random) -> tuple[int, int]:
    """How many values were looked for, and of how many something was found."""
    looked = found = 0
    # As if the file were large.
    with mock.patch.object(sqlite, "_SMALL", -1):
        vault = Vault(home)
        names = [f"p{n}" for n in range(people)]
        for number, name in enumerate(names):
            if number == people // 2:
                fill(vault, others)
            record = ConsentRecord.new(name="Ada", handle=name).attest(by="x", key=vault.operator)
            vault.put(noise(number, record), record, again=True)
            vault.allow(name, "carol", scenes=3)
            vault.forbid(name, "alcohol")
            vault.lease(name).close()
        rng.shuffle(names)
        for name in names[: 2 * people // 3]:
            values = sealed_rows(home, vault.show(name).identity_id)
            vault.revoke(name)
            content = (home / "vault.sqlite3").read_bytes()
            looked += len(values)
            found += sum(any(v[i : i + _PIECE] in content for i in range(0, len(v) - 15, _PIECE)) for v in values)
    return looked, found


def sealed_rows(home: Path, identity_id: str | None = None) -> list[bytes]:
    """Every sealed value of somebody, or of everybody, in the database."""
    whose = ("WHERE identity_id = ?", (identity_id,)) if identity_id is not None else ("", ())
    with sqlite3.connect(home / "vault.sqlite3") as raw:
        rows = [
            raw.execute(f"SELECT {column} FROM {table} {whose[0]}", whose[1]).fetchall()  # noqa: S608
            for table, column in _SEALED
        ]
    raw.close()
    return [value for some in rows for (value,) in some if value is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--vaults", type=int, default=3)
    words = parser.parse_args()
    os.environ["CAMEO_KEYSTORE"] = "file"
    looked = found = 0
    for number in range(words.vaults):
        with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
            rng = random.Random(number)
            some = remains(Path(folder) / "home", words.people, rng.randrange(1000, 4000), rng)
            looked, found = looked + some[0], found + some[1]
    print(f"{looked} values looked for, of {found} something was found")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
