"""What asking, opening and leaving cost in a vault with many people.

    python -m benchmarks.gate [--people 10000]

Fifty people are real; the others are rows of random bytes under random ids, as many as asked for: they make the tables
and their indexes as large as they would be, and nobody opens them. The vault lies in memory where there is such a
folder, so that the disk's own time is left out. Printed: the median and the 99th percentile in milliseconds; bars: 5
for asking, 100 for leaving.
"""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select

from cameo.vault import Vault
from cameo.vault.allotment import draw_indexes
from cameo.vault.schema import Consent, Grant, IdentityRow
from enroll.consent import ConsentRecord
from tests.cameo.vault.conftest import noise
from tests.memory import memory_folder

REAL, BATCH = 50, 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=10_000)
    people = parser.parse_args().people
    os.environ["CAMEO_KEYSTORE"] = "file"
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        vault = Vault(Path(folder) / "home")
        fill(vault, people)
        handles = list(enrol(vault))
        size = (vault.home / "vault.sqlite3").stat().st_size
        print(f"{people + REAL} people, a database of {size / 1e6:.0f} MB\n")
        print("| act | runs | median, ms | 99th percentile, ms |\n|---|---:|---:|---:|")
        row("may", 2000, lambda n: vault.may(handles[n % REAL], "bob"))
        row("lease and end it", 200, lambda n: vault.lease(handles[n % REAL], "bob").close())
        destroyed, purge = [], vault._purge

        def revoke(number: int) -> None:
            begun = time.perf_counter()
            vault._purge = lambda one: (destroyed.append(time.perf_counter() - begun), purge(one))[1]  # type: ignore[method-assign]
            vault.revoke(handles[number])

        row("revoke, to the certificate", 40, revoke)
        told("… of that to the key's end, durable", destroyed)


def enrol(vault: Vault) -> Iterator[str]:
    for number in range(REAL):
        record = ConsentRecord.new(name="Ada", handle=f"p{number}", grants=("owner", "user:bob"))
        signed = record.attest(by="benchmark", key=vault.operator)
        vault.put(noise(number, signed), signed, again=True)
        yield f"p{number}"


def fill(vault: Vault, people: int) -> None:
    """Rows that are as long as real ones and open for nobody."""
    with vault._database.transaction() as session:
        taken = set(session.scalars(select(IdentityRow.status_index)))
        indexes = [index for index in draw_indexes(people + len(taken)) if index not in taken][:people]
        for begin in range(0, people, BATCH):
            ids = [secrets.token_hex(16) for _ in indexes[begin : begin + BATCH]]
            session.execute(
                insert(IdentityRow),
                [
                    {
                        "identity_id": one,
                        "consent_id": f"c{one}",
                        "handle_tag": secrets.token_bytes(32),
                        "wrapped_key": secrets.token_bytes(90),
                        "sealed_entry": secrets.token_bytes(900),
                        "stored": 0,
                        "keep_until": 2**40,
                        "status_index": index,
                    }
                    for one, index in zip(ids, indexes[begin : begin + BATCH], strict=True)
                ],
            )
            session.execute(insert(Consent), [{"identity_id": one, "sealed": secrets.token_bytes(2000)} for one in ids])
            session.execute(
                insert(Grant),
                [
                    {"identity_id": one, "tag": secrets.token_bytes(32), "sealed": secrets.token_bytes(120)}
                    for one in ids
                ],
            )


def row(name: str, runs: int, act: Callable[[int], object]) -> None:
    took = []
    for number in range(runs):
        begun = time.perf_counter()
        act(number)
        took.append(time.perf_counter() - begun)
    told(name, took)


def told(name: str, took: list[float]) -> None:
    ms = 1000 * np.array(took)
    print(f"| {name} | {len(ms)} | {np.median(ms):.1f} | {np.percentile(ms, 99):.1f} |", flush=True)


if __name__ == "__main__":
    main()
